"""From rows to runs: what is decided for all of them, the steps of each, and what is stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecs_med.config import TrainConfig
from ecs_med.sweep.plan import Cell, SweepConfig, cell_name, decide_open_settings
from ecs_med_benchmarks.few_labels.grid import Equal, FewLabels, Row, settings_of
from ecs_med_benchmarks.few_labels.results import ResultStore, RunResult
from ecs_med_benchmarks.few_labels.seconds import StepSeconds, steps_in_time

__all__ = ["Planned", "best_rival", "decided_settings", "plan_runs", "steps_by_method"]


@dataclass(frozen=True, slots=True)
class Planned:
    """A run, and the row that it is of.

    Attributes:
        row: Of one table; a run that is of two tables is planned twice.
        cell: The run.
    """

    row: Row
    cell: Cell


def decided_settings(
    table: FewLabels,
    overrides: Mapping[str, Any],
    data: Mapping[str, Path],
    *,
    here: bool = True,
) -> dict[str, dict[str, Any]]:
    """Settings that all runs on a data set share, with all that does not follow from the images.

    Optimisers are those of the reference's steps in every row, whatever the steps of the row.

    Args:
        table: What is asked for, of methods that are installed.
        overrides: Fields of `TrainConfig` that the user gave.
        data: Folder by data set.
        here: Whether the runs run on this machine.

    Raises:
        SettingsError: If a setting is wrong, or encoder, weights or device cannot be had.
    """
    found = {}
    for dataset in table.sets:
        settings = settings_of(dataset, overrides)
        sweep = SweepConfig.parse(
            {
                "data": data[dataset],
                "out": Path(),
                "budgets": (*table.few, *table.more),
                "methods": tuple(dict.fromkeys((*table.methods, table.reference))),
                "settings": settings,
            }
        )
        found[dataset] = decide_open_settings(sweep, here=here).settings
    return found


def steps_by_method(
    table: FewLabels, iterations: int, seconds: StepSeconds, *, measured_only: bool = False
) -> dict[tuple[str, Equal, str], int]:
    """Training steps by data set, table and method.

    Args:
        table: What is asked for.
        iterations: Steps of all methods in the table of equal steps, and of the reference.
        seconds: Of a step of each method, where there is a table of equal seconds.
        measured_only: Whether methods without are left out of that table.

    Raises:
        SettingsError: If one is missing otherwise.
    """
    steps: dict[tuple[str, Equal, str], int] = {}
    for dataset in table.sets:
        for method in table.methods:
            steps[dataset, "steps", method] = iterations
            if measured_only and not seconds.find(dataset, method):
                continue
            if "seconds" in table.equals:
                ratio = seconds.ratio(dataset, method)
                steps[dataset, "seconds", method] = steps_in_time(iterations, ratio)
    return steps


def plan_runs(
    cells: Sequence[tuple[Row, int]],
    settings: Mapping[str, Mapping[str, Any]],
    data: Mapping[str, Path],
    out: Path,
) -> list[Planned]:
    """The runs behind rows; equal runs of two tables have one folder, `runs/<name>` below `out`.

    Args:
        cells: Rows and seeds, in the order in which they are run.
        settings: By data set, see `decided_settings`.
        data: Folder by data set.
        out: Folder of the run folders.
    """
    planned = []
    for row, seed in cells:
        key = f"{row.dataset}-{row.method}-{row.steps}"
        own = {
            "data": data[row.dataset],
            "method": row.method,
            "labeled": row.budget,
            "seed": seed,
            "iterations": row.steps,
            "run": out / "runs" / cell_name(key, row.budget, seed),
        }
        if settings[row.dataset].get("evaluate_every"):
            # A run records the smaller one, and would not be recognised by the larger.
            every = settings[row.dataset]["evaluate_every"]
            own["evaluate_every"] = min(every, row.steps)
        config = TrainConfig.parse({**settings[row.dataset], **own})
        planned.append(Planned(row, Cell(key, row.budget, seed, config)))
    return planned


def best_rival(table: FewLabels, planned: Sequence[Planned], store: ResultStore) -> str | None:
    """The rival that is best on validation at few labels and equal steps; nothing looks at tests.

    Returns:
        The method with the highest mean validation mIoU over data sets, budgets and seeds; `None`
        before all of these runs of all rivals are done.
    """
    means = {}
    for method in table.rivals:
        own = [
            store.find(each.cell)
            for each in planned
            if each.row.method == method
            and each.row.budget in table.few
            and each.row.equal == table.equals[0]
        ]
        scores = [_validation(result) for result in own]
        known = [score for score in scores if score is not None]
        if not scores or len(known) < len(scores):
            return None
        means[method] = sum(known) / len(known)
    return max(means, key=lambda method: means[method], default=None)


def _validation(result: RunResult | None) -> float | None:
    if result is None or result.chosen.validation is None:
        return None
    return result.chosen.validation.miou
