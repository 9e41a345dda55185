"""Cells one after the other in this process."""

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from ecs_med.sweep.cell import run_cell
from ecs_med.sweep.cell_log import append_line
from ecs_med.sweep.executors.base import Done, Executor, Stop
from ecs_med.sweep.plan import Cell

__all__ = ["InlineExecutor"]


class InlineExecutor(Executor):
    """Runs cells in this process; for debugging, and where no process can be started.

    Memory that one cell used at its peak is reported for those after it too.
    """

    name: ClassVar[str] = "inline"

    @property
    def places(self) -> int:
        """One."""
        return 1

    def run(self, cells: Sequence[Cell], done: Done, stop: Stop) -> None:
        """Run cells; see `Executor`."""
        for cell in cells:
            if stop.asked:
                return
            outcome = run_cell(cell.config, partial(append_line, cell.log))
            if outcome.progress == "stopped":
                stop.request()
            done(cell, outcome)
