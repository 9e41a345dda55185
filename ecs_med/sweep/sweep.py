"""The sweep itself: its plan on disk, what is missing is run, what became of each cell."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecs_med.config import TrainConfig
from ecs_med.errors import SettingsError
from ecs_med.runs import PlannedRun, SweepFolder, SweepPlan
from ecs_med.sweep.axes import budget_key
from ecs_med.sweep.cell import CellOutcome, outcome_of_folder
from ecs_med.sweep.executors.base import Executor, Stop
from ecs_med.sweep.plan import FREE_SETTINGS, Cell, SweepConfig, is_open
from ecs_med.sweep.state import read_metrics, refuse_other_settings
from ecs_med.training.interruption import signals_to

__all__ = [
    "SweepRequest",
    "SweepResult",
    "merge_request",
    "read_plan",
    "run_sweep",
    "write_plan",
]

SweepRequest = Mapping[str, Any]
"""Fields of `SweepConfig` as asked for now; those not asked for are left out."""


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What became of every cell.

    Attributes:
        outcomes: One for every cell that is done, failed or was stopped.
        not_started: Cells that were not reached.
    """

    outcomes: tuple[tuple[Cell, CellOutcome], ...]
    not_started: tuple[Cell, ...]

    @property
    def done(self) -> list[Path]:
        """Folders of the runs with scores, in the order of the plan."""
        return [cell.folder for cell, outcome in self.outcomes if outcome.progress == "done"]

    @property
    def failures(self) -> list[tuple[str, str]]:
        """Label and sentence of every failed cell, in the order of the plan."""
        return [
            (cell.label, outcome.sentence or "")
            for cell, outcome in self.outcomes
            if outcome.progress == "failed"
        ]

    @property
    def exit_code(self) -> int:
        """0 all done, 3 some failed, 75 stopped before the end."""
        states = {outcome.progress for _, outcome in self.outcomes}
        if "stopped" in states or self.not_started:
            return 75
        return 3 if "failed" in states else 0


def run_sweep(
    cells: Sequence[Cell],
    executor: Executor,
    done: Callable[[Cell, CellOutcome], None],
    stop: Stop,
) -> SweepResult:
    """Run every cell that is not done.

    Cells that are done are left alone, resumable ones go on, failed ones are tried again.

    Args:
        cells: The plan.
        executor: Where they run.
        done: Told of each cell that ends, not of those that were done before.
        stop: Asked by Ctrl-C and SIGTERM while this runs.

    Returns:
        What became of every cell.

    Raises:
        EcsMedError: If a folder holds a run with other settings, or nothing can be run at all.
    """
    for cell in cells:
        refuse_other_settings(cell)
    outcomes = {
        cell.name: outcome_of_folder(cell.folder, 0.0)
        for cell in cells
        if read_metrics(cell.folder) is not None
    }
    open_cells = [cell for cell in cells if cell.name not in outcomes]

    def ended(cell: Cell, outcome: CellOutcome) -> None:
        outcomes[cell.name] = outcome
        done(cell, outcome)

    while open_cells and not stop.asked:
        # A run that goes on from another one waits for it; where that one failed, it says so.
        waited_for = {cell.folder for cell in open_cells}
        ready = [cell for cell in open_cells if cell.config.draw_from not in waited_for]
        with signals_to(lambda *_: stop.request()):
            executor.run(ready, ended, stop)
        names = {cell.name for cell in ready}
        open_cells = [cell for cell in open_cells if cell.name not in names]
    return SweepResult(
        tuple((cell, outcomes[cell.name]) for cell in cells if cell.name in outcomes),
        tuple(cell for cell in cells if cell.name not in outcomes),
    )


def read_plan(out: Path) -> SweepConfig | None:
    """The plan of the sweep in `out`, `None` where there is none.

    Raises:
        RunFolderError: If the file is damaged or of another version.
        SettingsError: If a value in it is wrong.
    """
    plan = SweepFolder(out).read_plan()
    if plan is None:
        return None
    return SweepConfig.parse({**plan.model_dump(exclude={"version", "cells"}), "out": out})


def write_plan(sweep: SweepConfig, cells: Sequence[Cell]) -> None:
    """Write `sweep.json` atomically.

    Raises:
        RunFolderError: If it cannot be written.
    """
    SweepFolder(sweep.out).create()
    runs = tuple(
        PlannedRun(
            method=cell.method,
            labeled=cell.labeled,
            seed=cell.seed,
            folder=cell.folder.relative_to(sweep.out),
        )
        for cell in cells
    )
    plan = SweepPlan(**sweep.model_dump(mode="json", exclude={"out"}), cells=runs)
    plan.write(SweepFolder(sweep.out).plan_file)


def merge_request(stored: SweepConfig | None, asked: SweepRequest) -> SweepConfig:
    """The sweep after laying what is asked for over what is there.

    Budgets, methods and seeds may be added. What is not asked for stays as it is.

    Args:
        stored: The sweep of the folder, `None` for a new one.
        asked: What is asked for now, `out` at least.

    Raises:
        SettingsError: If a setting differs from that of the sweep, naming it.
    """
    if stored is None:
        return SweepConfig.parse(asked)
    if "data" in asked and Path(asked["data"]).resolve() != stored.data.resolve():
        raise _differs(stored, "data", stored.data, asked["data"])
    if "folds" in asked and asked["folds"] != stored.folds:
        raise _differs(stored, "folds", stored.folds, asked["folds"])
    draws = tuple(dict.fromkeys((*stored.draws, *asked.get("draws", ()))))
    if draws and not stored.draws:
        raise _differs(stored, "draw", stored.settings.get("draw", "random"), ",".join(draws))
    given = asked.get("settings", {})
    was, wanted = _recorded(stored, stored.settings), _recorded(stored, given)
    settings = dict(stored.settings)
    for name in given:
        if name in FREE_SETTINGS:
            settings[name] = given[name]
        elif not is_open(wanted[name]) and wanted[name] != was[name]:
            raise _differs(stored, name, was[name], wanted[name])
    return stored.model_copy(
        update={
            "budgets": _with_new_budgets(stored.budgets, asked.get("budgets", ())),
            "methods": tuple(dict.fromkeys((*stored.methods, *asked.get("methods", ())))),
            "draws": draws,
            "seeds": tuple(sorted({*stored.seeds, *asked.get("seeds", ())})),
            "settings": settings,
        }
    )


def _recorded(sweep: SweepConfig, settings: Mapping[str, Any]) -> dict[str, Any]:
    """All settings as a run would record them, so that `1e-2` and `0.01` are the same."""
    return TrainConfig.parse({**settings, "data": sweep.data}).model_dump(mode="json")


def _with_new_budgets(stored: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    known = {budget_key(budget) for budget in stored}
    return (*stored, *(budget for budget in asked if budget_key(budget) not in known))


def _differs(sweep: SweepConfig, name: str, was: object, asked: object) -> SettingsError:
    return SettingsError(
        f"{sweep.out}: this sweep was started with `{name}={was}`, not {asked}; go on with its own "
        "settings, or choose another `output`."
    )
