"""The sweep itself: see what is there, run what is missing, tell what became of each cell."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecs_med.sweep.cell import CellOutcome, outcome_of_folder
from ecs_med.sweep.executors.base import Executor, Stop
from ecs_med.sweep.plan import Cell
from ecs_med.sweep.state import read_metrics, refuse_other_settings

__all__ = ["SweepResult", "run_sweep"]


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

    if open_cells:
        with stop:
            executor.run(open_cells, ended, stop)
    return SweepResult(
        tuple((cell, outcomes[cell.name]) for cell in cells if cell.name in outcomes),
        tuple(cell for cell in cells if cell.name not in outcomes),
    )
