"""Timing in turns: what else the machine does slows all that is compared alike."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence

from ecs_med.records import Record

__all__ = ["Spread", "in_turns", "ratio_of"]

Clock = Callable[[], float]


class Spread(Record):
    """Median and spread of what was measured several times."""

    median: float
    """Half of the values are below."""
    low: float
    """First quartile."""
    high: float
    """Third quartile."""
    count: int
    """How many values."""

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of at least one value.

        Example:
            >>> Spread.of([3.0, 1.0, 2.0, 5.0, 4.0])
            Spread(median=3.0, low=2.0, high=4.0, count=5)
        """
        low = high = values[0]
        if len(values) > 1:
            low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(median=statistics.median(values), low=low, high=high, count=len(values))


def in_turns(
    works: Mapping[str, Callable[[], object]],
    *,
    repeats: int,
    warm_up: int = 1,
    most_seconds: float = float("inf"),
    clock: Clock = time.process_time,
    wall: Clock = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds of each call, all works taking turns.

    Args:
        works: What is timed, by name.
        repeats: Turns that count.
        warm_up: Turns before them that do not.
        most_seconds: After so many of `wall` no further turn is begun, but three count always.
        clock: What is measured: the processor's time of this process, or `time.perf_counter` where
            other processes or a disk do the work.
        wall: What `most_seconds` is measured by.

    Returns:
        By name, one value a turn: values at the same place were measured one after the other.
    """
    seconds: dict[str, list[float]] = {name: [] for name in works}
    begun = wall()
    for turn in range(warm_up + repeats):
        if turn >= warm_up + 3 and wall() - begun > most_seconds:
            break
        for name, work in works.items():
            started = clock()
            work()
            taken = clock() - started
            if turn >= warm_up:
                seconds[name].append(taken)
    return seconds


def ratio_of(values: Sequence[float], reference: Sequence[float]) -> Spread:
    """Of the ratios turn by turn.

    Example:
        >>> ratio_of([1.0, 2.0, 9.0], [2.0, 4.0, 6.0]).median
        0.5
    """
    return Spread.of([a / b for a, b in zip(values, reference, strict=True)])
