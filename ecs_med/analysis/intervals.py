"""Few values over seeds: their mean with its t interval, paired differences, Holm's correction."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = [
    "Interval",
    "PairedComparison",
    "Summary",
    "checked_values",
    "compare_paired",
    "correct_p_values",
    "summarize",
]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with a 95 % interval.

    Attributes:
        estimate: The value itself, in the unit of what was estimated.
        lower: Lower end of the interval; `None` where it cannot be had.
        upper: Upper end; `None` where it cannot be had.
    """

    estimate: float
    lower: float | None
    upper: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """Mean of a few values, with the t interval of that mean.

    Attributes:
        mean: Arithmetic mean.
        sd: Standard deviation with divisor `num - 1`; `None` for a single value.
        lower: Lower end of the interval of the mean; `None` for a single value.
        upper: Upper end; `None` for a single value.
        num: Number of values.
    """

    mean: float
    sd: float | None
    lower: float | None
    upper: float | None
    num: int


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """What the first method gives over the second, over pairs that share a seed.

    Attributes:
        difference: Mean of first minus second, in the unit of the scores.
        sd: Standard deviation of the differences, divisor `num - 1`; `None` for one pair.
        lower: Lower end of the 95 % t interval of the mean difference; `None` for one pair.
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


def summarize(values: Sequence[float], confidence: float = 0.95) -> Summary:
    """Mean, standard deviation and t interval of a few values, for example scores over seeds.

    With few seeds the quantile of Student's t matters: for three values it is 4.3, not 1.96.

    Args:
        values: One value a seed, at least one, all finite.
        confidence: Nominal coverage of the interval, in 0..1 without the ends.

    Returns:
        The summary; for a single value only its mean and number are known. Equal values give
        an interval of no width.

    Raises:
        ValueError: If there is no value, one is not finite, or the confidence is out of range.

    Example:
        >>> summarize([0.5, 0.75, 1.0]).mean
        0.75
        >>> summarize([0.70]).lower is None
        True
    """
    numbers = checked_values(values, "values")
    if numbers.size == 0:
        raise ValueError("there is no value to summarize")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {confidence}")
    mean = _mean(numbers)
    if numbers.size == 1:
        return Summary(mean, None, None, None, 1)
    sd = _spread(numbers, mean)
    quantile = float(stats.t.ppf((1 + confidence) / 2, numbers.size - 1))
    half = quantile * sd / math.sqrt(numbers.size)
    return Summary(mean, sd, mean - half, mean + half, int(numbers.size))


def compare_paired(first: Sequence[float], second: Sequence[float]) -> PairedComparison:
    """Compare two methods by the paired t-test.

    At a seed both methods train on the same labelled cases, so most of the spread over seeds
    is common to both and cancels in the difference.

    Args:
        first: Score of the first method, one a seed, finite, at least one.
        second: Score of the second method at the same seeds, in the same order.

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
    summary = summarize((ours - theirs).tolist())
    mean, sd, num = summary.mean, summary.sd, summary.num
    p_value = None
    if sd is not None and sd > 0:
        p_value = float(2 * stats.t.sf(abs(mean / (sd / math.sqrt(num))), num - 1))
    elif sd is not None:
        p_value = 1.0 if np.isclose(mean, 0.0, atol=1e-12) else 0.0
    return PairedComparison(mean, sd, summary.lower, summary.upper, p_value, num)


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


def checked_values(values: Sequence[float], name: str) -> NDArray[np.float64]:
    """The values as a float array.

    Raises:
        ValueError: If the values are not one-dimensional or one of them is not finite.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1:
        raise ValueError(f"{name} must be a flat sequence, not of shape {numbers.shape}")
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} must be finite, but hold {numbers[~np.isfinite(numbers)][0]}")
    return numbers


def _mean(numbers: NDArray[np.float64]) -> float:
    # fsum rounds once, so that the order of the values cannot show in the last digit.
    return math.fsum(numbers.tolist()) / numbers.size


def _spread(numbers: NDArray[np.float64], mean: float) -> float:
    sd = math.sqrt(math.fsum(((numbers - mean) ** 2).tolist()) / (numbers.size - 1))
    # Values that are equal up to rounding have no spread; without this a paired test of
    # 0.7 - 0.6 against 0.8 - 0.7 would report a p-value made of rounding errors.
    return sd if sd > 1e-12 * max(1.0, float(np.abs(numbers).max())) else 0.0
