"""What a run of a sweep costs beside its training steps.

The formula that `--dry-run` of a sweep uses: start + steps x seconds of a step + validations x
seconds of one + finish, its parts measured over a few iterations by the clock
(`ecs_med.sweep.estimate`). Then a whole run of 20 steps with two validations is timed, and its
seconds beside the steps are compared with the formula's. Everything is by the clock of a machine
that does other work, too. Images are prepared already.
"""

import statistics
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from ecs_med.config import TrainConfig
from ecs_med.runs import TrainRow
from ecs_med.sweep.estimate import RunTimes, measure_times
from ecs_med.sweep.plan import Cell
from ecs_med.training.listener import NullListener
from ecs_med.training.train import train
from speed_suite.registry import Options
from speed_suite.results import Row, compared
from speed_suite.small_run import opened, phantom, settings_of

STEPS, EVERY = 20, 10


class _Steps(NullListener):
    """When each iteration was done."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def trained(self, row: TrainRow) -> None:
        self.at.append(time.perf_counter())


def measure(options: Options) -> Sequence[Row]:
    """A row a method."""
    with phantom() as folder:
        return [_row(folder, name, options) for name in ("supervised", "ecs")]


def _row(folder: Path, name: str, options: Options) -> Row:
    opened(folder, name, options.size, options.batch)
    settings = settings_of(folder, name, options.size, options.batch)
    settings |= {"iterations": STEPS, "evaluate_every": EVERY}
    times = _times(folder, name, settings)
    steps, started = _Steps(), time.perf_counter()
    train(TrainConfig.parse(settings), steps)
    whole = time.perf_counter() - started
    beside = whole - STEPS * _usual_step(steps.at)
    expected = times.run_seconds(STEPS) - STEPS * times.iteration_seconds
    note = (
        f"{times.start_seconds:.1f} s + {times.iteration_seconds:.2f} s a step + "
        f"{times.validation_seconds:.1f} s a validation + {times.finish_seconds:.1f} s; "
        f"the whole run {whole:.1f} s, by the formula {times.run_seconds(STEPS):.1f} s"
    )
    what = f"a run of {name} beside its {STEPS} steps, {STEPS // EVERY} validations"
    return compared(what, [beside], "by the formula", [expected], note=note)


def _times(folder: Path, name: str, settings: dict[str, object]) -> RunTimes:
    config = TrainConfig.parse({**settings, "run": str(folder / f"trial-{name}")})
    return measure_times([Cell(name, "1/2", 0, config)])[name]


def _usual_step(at: Sequence[float]) -> float:
    """Median seconds between iterations; those with a validation between are the minority."""
    return statistics.median(after - before for before, after in pairwise(at))
