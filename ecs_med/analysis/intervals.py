"""An estimate with its interval, and the mean over seeds with its t interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["Interval", "Summary", "checked_values", "summarize"]


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
    sd = _spread(numbers)
    quantile = float(stats.t.ppf((1 + confidence) / 2, numbers.size - 1))
    half = quantile * sd / math.sqrt(numbers.size)
    return Summary(mean, sd, mean - half, mean + half, int(numbers.size))


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


def _spread(numbers: NDArray[np.float64]) -> float:
    mean = _mean(numbers)
    sd = math.sqrt(math.fsum(((numbers - mean) ** 2).tolist()) / (numbers.size - 1))
    # Values that are equal up to rounding have no spread; without this a paired test of
    # 0.7 - 0.6 against 0.8 - 0.7 would report a p-value made of rounding errors.
    return sd if sd > 1e-12 * max(1.0, float(np.abs(numbers).max())) else 0.0
