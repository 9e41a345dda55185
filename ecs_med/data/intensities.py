"""Which range of intensities becomes black to white, so that nothing that is there is flattened."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["intensity_range", "signal_share"]

FEW = 0.01
"""A scan whose signal covers less than this share of it keeps that signal's own range: the usual
percentiles would cut more than half of the signal off."""

STRAY = 1e-4
"""... but not what covers less than this share: single hot pixels are what percentiles are for."""

_CRUMBS = 1e-3
"""Share of the whole range within which values around the background are background as well, such
as what resampling leaves."""

_MIDDLE = 50.0


def intensity_range(
    values: npt.NDArray[Any], percentiles: tuple[float, float]
) -> tuple[float, float]:
    """The values of a channel or picture that become 0 and 1.

    These are the percentiles, but where they would leave nothing of a small structure in a large
    empty background: there they are the percentiles of the structure, and the background.

    Args:
        values: Real numbers of any shape, not empty, all finite.
        percentiles: Lower and upper, 0 to 100.

    Returns:
        The lower and the upper one; they are equal where all values are.

    Example:
        >>> padded = np.zeros((100, 100), np.int16)
        >>> padded[0, :8] = range(70, 78)
        >>> [round(float(limit)) for limit in intensity_range(padded, (0.5, 99.5))]
        [0, 77]
    """
    lower, middle, upper = np.percentile(values, (percentiles[0], _MIDDLE, percentiles[1]))
    low, high = float(values.min()), float(values.max())
    crumbs = _CRUMBS * (high - low)
    # Where hardly anything differs from the background, one of the percentiles lies on it.
    if low == high or min(middle - lower, upper - middle) > crumbs:
        return lower, upper
    signal = values[_is_signal(values, float(middle), crumbs)]
    if upper > lower and not STRAY <= signal.size / values.size <= FEW:
        return lower, upper
    if signal.size:
        found = np.percentile(signal, percentiles)
        lower, upper = min(middle, found[0]), max(middle, found[1])
    return (lower, upper) if upper > lower else (low, high)


def signal_share(values: npt.NDArray[Any]) -> float:
    """Share of values that differ from the most common one, if that is more than half of them.

    Example:
        >>> signal_share(np.array([0, 0, 0, 7]))
        0.25
    """
    crumbs = _CRUMBS * (float(values.max()) - float(values.min()))
    return float(_is_signal(values, float(np.median(values)), crumbs).mean())


def _is_signal(values: npt.NDArray[Any], background: float, crumbs: float) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = np.abs(values - background) > crumbs
    return found
