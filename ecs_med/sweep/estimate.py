"""How long a sweep will take, from a few iterations of each method on this machine."""

import heapq
import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from ecs_med.config import TrainConfig
from ecs_med.records import Record
from ecs_med.runs import TrainRow, ValidationRow
from ecs_med.sweep.plan import Cell
from ecs_med.sweep.state import read_state
from ecs_med.training.listener import NullListener

__all__ = ["RunTimes", "cell_seconds", "measure_times", "sweep_seconds"]

_WARM_UP = 3
_MEASURED = 5


class RunTimes(Record):
    """How long the parts of a run of one method take, in seconds."""

    start_seconds: float
    """From nothing to the first iteration, with images that are prepared."""
    iteration_seconds: float
    """One iteration."""
    validation_seconds: float
    """One validation, with its checkpoint."""
    evaluate_every: int
    """Iterations between validations."""
    finish_seconds: float
    """Scoring the test cases and writing the run's report."""

    def run_seconds(self, iterations: int, first: int = 0) -> float:
        """A whole run, or what is left of it after `first` iterations."""
        validations = math.ceil(iterations / self.evaluate_every) - first // self.evaluate_every
        return (
            self.start_seconds
            + (iterations - first) * self.iteration_seconds
            + validations * self.validation_seconds
            + self.finish_seconds
        )


class _Stopwatch(NullListener):
    """Remembers when things happened."""

    def __init__(self) -> None:
        self.created = time.perf_counter()
        self.rows: list[float] = []
        self.validation = 0.0

    def trained(self, row: TrainRow) -> None:
        self.rows.append(time.perf_counter())

    def validated(self, row: ValidationRow) -> None:
        self.validation = time.perf_counter() - self.rows[-1]

    def times(self, evaluate_every: int) -> RunTimes:
        ended = time.perf_counter()
        steps = [after - before for before, after in pairwise(self.rows)][_WARM_UP - 1 :]
        iteration = statistics.median(steps)
        # The first iterations hold the warm-up, which a whole run pays too.
        start = max(0.0, self.rows[_WARM_UP - 1] - self.created - _WARM_UP * iteration)
        finish = max(0.0, ended - self.rows[-1] - self.validation)
        return RunTimes(
            start_seconds=start,
            iteration_seconds=iteration,
            validation_seconds=self.validation,
            evaluate_every=evaluate_every,
            finish_seconds=finish,
        )


def measure_times(cells: Sequence[Cell], threads: int | None = None) -> dict[str, RunTimes]:
    """Train a few iterations of every method in a temporary folder, and time the parts.

    Images are prepared into the same cache that the sweep uses, so that this is no lost time.

    Args:
        cells: The plan; of each method the cell of the middle budget is tried.
        threads: Computing threads that one run of the sweep will have.

    Returns:
        The times of every method.

    Raises:
        EcsMedError: If a run cannot even begin, for the same reason as it will in the sweep.
    """
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    found = {}
    with tempfile.TemporaryDirectory(prefix="ecs-med-trial-") as folder:
        for cell in _examples(cells):
            found[cell.method] = _measure(cell.config, Path(folder) / cell.name)
    # The first trial may have prepared images, which later runs find prepared.
    start = {"start_seconds": min(times.start_seconds for times in found.values())}
    return {method: times.model_copy(update=start) for method, times in found.items()}


def _examples(cells: Sequence[Cell]) -> list[Cell]:
    found = []
    for method in dict.fromkeys(cell.method for cell in cells):
        of_method = [cell for cell in cells if cell.method == method]
        budgets = list(dict.fromkeys(cell.labeled for cell in of_method))
        middle = budgets[(len(budgets) - 1) // 2]
        found.append(next(cell for cell in of_method if cell.labeled == middle))
    return found


def _measure(config: TrainConfig, folder: Path) -> RunTimes:
    from ecs_med.training.opening import open_run
    from ecs_med.training.train import train

    config = config.model_copy(update={"run": folder, "tensorboard": False})
    schedule = open_run(config, resume=False).schedule
    number = _WARM_UP + _MEASURED
    cases = schedule.num_cases or None
    short = {"iterations": number, "evaluate_every": number, "validation_cases": cases}
    stopwatch = _Stopwatch()
    train(config.model_copy(update=short), stopwatch)
    return stopwatch.times(schedule.every)


def cell_seconds(cell: Cell, times: RunTimes) -> float:
    """Seconds that a cell still needs, 0 if it is done.

    Args:
        cell: With `iterations` in its settings.
        times: Of its method.
    """
    state = read_state(cell.folder)
    if state.progress == "done":
        return 0.0
    iterations = cell.config.iterations
    assert iterations is not None
    return times.run_seconds(iterations, min(state.iteration, iterations))


def sweep_seconds(seconds: Sequence[float], places: int) -> float:
    """Time until the last cell ends, each started where the first place gets free.

    Example:
        >>> sweep_seconds([3.0, 3.0, 2.0], places=2)
        5.0
    """
    free = [0.0] * places
    for each in seconds:
        heapq.heapreplace(free, free[0] + each)
    return max(free)
