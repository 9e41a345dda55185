"""Two methods on the same seeds: paired differences, their test, and Holm's correction."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ecs_med.analysis.intervals import checked_values, summarize

__all__ = ["PairedComparison", "compare_paired", "correct_p_values"]


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """What the first method gives over the second, over pairs that share a seed.

    Attributes:
        difference: Mean of first minus second, in the unit of the scores.
        sd: Standard deviation of the differences, divisor `num - 1`; `None` for one pair.
        lower: Lower end of the t interval of the mean difference; `None` for one pair.
        upper: Upper end; `None` for one pair.
        p_value: Two-sided p-value of the paired t-test, not corrected; `None` for one pair.
        num: Number of pairs.
    """

    difference: float
    sd: float | None
    lower: float | None
    upper: float | None
    p_value: float | None
    num: int


def compare_paired(
    first: Sequence[float], second: Sequence[float], confidence: float = 0.95
) -> PairedComparison:
    """Compare two methods by the paired t-test.

    At a seed both methods train on the same labelled cases, so most of the spread over seeds
    is common to both and cancels in the difference.

    Args:
        first: Score of the first method, one a seed, finite, at least one.
        second: Score of the second method at the same seeds, in the same order.
        confidence: Nominal coverage of the interval, in 0..1 without the ends.

    Returns:
        The comparison. Where all differences are equal (up to rounding) the interval has no width
        and the p-value is the limit of the test: 1 for no difference, 0 for any other.

    Raises:
        ValueError: If the lengths differ, there is no pair, or a score is not finite.

    Example:
        >>> round(compare_paired([0.72, 0.75, 0.74], [0.70, 0.72, 0.73]).p_value, 4)
        0.0742
    """
    ours, theirs = checked_values(first, "first"), checked_values(second, "second")
    if ours.size != theirs.size:
        raise ValueError(f"{ours.size} scores cannot be paired with {theirs.size}")
    summary = summarize((ours - theirs).tolist(), confidence)
    return PairedComparison(
        difference=summary.mean,
        sd=summary.sd,
        lower=summary.lower,
        upper=summary.upper,
        p_value=_p_value(summary.mean, summary.sd, summary.num),
        num=summary.num,
    )


def correct_p_values(p_values: Sequence[float | None]) -> list[float | None]:
    """Correct p-values for their number by Holm's step-down rule.

    Holm keeps the chance of any false claim below the level, whatever the dependence between
    the tests, and never rejects less than Bonferroni.

    Args:
        p_values: P-values in 0..1; `None` where no test was possible.

    Returns:
        The corrected values in the same places, at most 1; `None` stays `None` and is not
        counted among the tests.

    Raises:
        ValueError: If a p-value lies outside 0..1.

    Example:
        >>> correct_p_values([0.01, None, 0.25, 0.03])
        [0.03, None, 0.25, 0.06]

    Source:
        Holm, A simple sequentially rejective multiple test procedure, 1979.
    """
    known = [(value, place) for place, value in enumerate(p_values) if value is not None]
    for value, _ in known:
        if not 0 <= value <= 1:
            raise ValueError(f"a p-value lies in 0..1, not {value}")
    corrected: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (value, place) in enumerate(sorted(known)):
        largest = max(largest, min(1.0, value * (len(known) - rank)))
        corrected[place] = largest
    return corrected


def _p_value(mean: float, sd: float | None, num: int) -> float | None:
    if sd is None:
        return None
    if sd == 0:
        return 1.0 if np.isclose(mean, 0.0, atol=1e-12) else 0.0
    statistic = mean / (sd / math.sqrt(num))
    return float(2 * stats.t.sf(abs(statistic), num - 1))
