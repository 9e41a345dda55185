"""What every executor does, how it is asked to stop, and the one that runs cells right here."""

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar

from ecs_med.errors import SettingsError
from ecs_med.sweep.cell import (
    BUG,
    STOPPED,
    CellOutcome,
    outcome_of_folder,
    record_failure,
    run_cell,
)
from ecs_med.sweep.lock_and_log import append_line
from ecs_med.sweep.plan import Cell

__all__ = [
    "Done",
    "Executor",
    "InlineExecutor",
    "Stop",
    "follow",
    "num_cores",
    "outcome_without_result",
    "refuse_wrong_shares",
]

_SAVE_SECONDS = 120.0

Done = Callable[[Cell, CellOutcome], None]
"""Told of every cell that ended."""


class Stop:
    """Whether the sweep was asked to stop, and how urgently."""

    def __init__(self) -> None:
        self.requests = 0

    @property
    def asked(self) -> bool:
        """No cell may be started any more, and the running ones are to save and end."""
        return self.requests > 0

    @property
    def at_once(self) -> bool:
        """Asked twice: the running ones are to be killed; their last checkpoint stays."""
        return self.requests > 1

    def request(self) -> None:
        """Ask to stop."""
        self.requests += 1


class Executor(ABC):
    """Runs cells somewhere.

    Cells are independent run folders; an executor needs no result but that a cell ended. It
    starts them in the given order, as many at once as it has places for. A cell that fails,
    or whose process dies, ends alone. Once `stop` is asked, it starts no more, lets the
    running ones save and end, and returns.
    """

    name: ClassVar[str]
    """Value of the setting `executor`."""

    here: bool = True
    """Whether cells run on this machine, so that its devices are those of the runs."""

    @property
    @abstractmethod
    def places(self) -> int:
        """How many cells run at once."""

    @property
    def threads(self) -> int | None:
        """Computing threads of a run on this machine, `None` where the run decides."""
        return None

    def prepare(self) -> None:
        """Begin what takes seconds to start, to go on beside other work; `run` does not need it."""
        return

    @abstractmethod
    def run(self, cells: Sequence[Cell], done: Done, stop: Stop) -> None:
        """Run cells and call `done` once for each one that was started, when it ends.

        Args:
            cells: What to run, each folder once.
            done: Called in this thread.
            stop: Looked at at least twice a second.

        Raises:
            EcsMedError: If the place where cells run cannot be used at all.
        """


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


def follow(
    tasks: dict[Any, Cell],
    done: Done,
    stop: Stop,
    *,
    cancel: Callable[[Any], object],
    ended: Callable[[list[Any]], Sequence[Any]],
    outcome: Callable[[Any, Cell], CellOutcome | None],
) -> None:
    """Wait for tasks of a cluster; once asked to stop, for two minutes at most.

    Args:
        tasks: Cell of every task that was handed in.
        done: Told of every cell that ended.
        stop: Whether to stop.
        cancel: Asks a task to save and end.
        ended: Waits a moment and gives those tasks that have ended.
        outcome: What became of a task; `None` if it was cancelled before it began.
    """
    deadline = None
    while tasks:
        if stop.asked and deadline is None:
            deadline = time.monotonic() + _SAVE_SECONDS
            for task in tasks:
                cancel(task)
        for task in ended(list(tasks)):
            cell = tasks.pop(task)
            found = outcome(task, cell)
            if found is not None:
                done(cell, found)
        if deadline is not None and (stop.at_once or time.monotonic() > deadline):
            return


def outcome_without_result(cell: Cell, seconds: float, stop: Stop, sentence: str) -> CellOutcome:
    """What became of a cell whose process ended without saying so.

    Args:
        cell: The cell.
        seconds: How long its process lived.
        stop: Whether it was asked to end.
        sentence: What is told of the death, where its folder says nothing else.
    """
    found = outcome_of_folder(cell.folder, seconds)
    if found.progress == "done":
        return found
    if stop.asked:
        stopped = "Stopped; it goes on from its last checkpoint."
        return CellOutcome("stopped", seconds, sentence=stopped, exit_code=STOPPED)
    append_line(cell.log, sentence)
    record_failure(cell.folder, sentence, BUG)
    return CellOutcome("failed", seconds, sentence=sentence, exit_code=BUG)


def refuse_wrong_shares(jobs: int | None, gpus_per_run: float | None) -> None:
    """Check how many runs are to run at once.

    Raises:
        SettingsError: If a number is out of range.
    """
    if jobs is not None and jobs < 1:
        raise SettingsError(f"`jobs={jobs}`: at least one run has to run at a time.")
    if gpus_per_run is not None and not 0 < gpus_per_run <= 1:
        raise SettingsError(
            f"`gpus_per_run={gpus_per_run}`: one run uses one GPU or a share of one; write a "
            "number above 0 and at most 1."
        )


def num_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
