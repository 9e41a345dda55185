"""Which range of intensities becomes black to white, so that nothing that is there is flattened."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["intensity_range", "signal_share"]

FEW = 0.01
"""A scan whose signal covers less than this share of it keeps that signal's own range: the usual
percentiles would cut more than half of the signal off."""

STRAY = 1e-4
"""... but not what covers less than this share: single hot pixels are what percentiles are for."""

CRUMBS = 1e-3
"""Share of the whole range within which values around the background are background as well, such
as what resampling leaves."""

_MIDDLE = 50.0

_MAX_LEVELS = 2**20
"""Integers in a wider range than this are sorted like real numbers instead of counted."""

_AT_ONCE = 2**22
"""Values that are counted at a time: counting makes eight bytes of each."""


def intensity_range(
    values: npt.NDArray[Any], percentiles: tuple[float, float]
) -> tuple[float, float]:
    """The values of a channel or picture that become 0 and 1.

    These are the percentiles, but where they would leave nothing of a small structure in a large
    empty background: there they are the percentiles of the structure, and the background.
    Integers give what the same numbers in float32 give, without being copied.

    Args:
        values: Real numbers of any shape, type and strides, not empty, all finite.
        percentiles: Lower and upper, 0 to 100.

    Returns:
        The lower and the upper one; they are equal where all values are.

    Example:
        >>> padded = np.zeros((100, 100), np.int16)
        >>> padded[0, :8] = range(70, 78)
        >>> [round(float(limit)) for limit in intensity_range(padded, (0.5, 99.5))]
        [0, 77]
    """
    sample = _sample(values)
    lower, middle, upper = sample.percentiles((percentiles[0], _MIDDLE, percentiles[1]))
    low, high = sample.low, sample.high
    crumbs = CRUMBS * (high - low)
    # Where hardly anything differs from the background, one of the percentiles lies on it.
    if low == high or min(middle - lower, upper - middle) > crumbs:
        return lower, upper
    signal = sample.beyond(float(middle), crumbs)
    if upper > lower and not STRAY <= signal.size / sample.size <= FEW:
        return lower, upper
    if signal.size:
        found = signal.percentiles(percentiles)
        lower, upper = min(middle, found[0]), max(middle, found[1])
    return (lower, upper) if upper > lower else (low, high)


def signal_share(values: npt.NDArray[Any]) -> float:
    """Share of values that differ from the most common one, if that is more than half of them.

    Example:
        >>> signal_share(np.array([0, 0, 0, 7]))
        0.25
    """
    sample = _sample(values)
    crumbs = CRUMBS * (sample.high - sample.low)
    [middle] = sample.percentiles((_MIDDLE,))
    return sample.beyond(float(middle), crumbs).size / sample.size


class _Sample(Protocol):
    """Numbers, of which only order and counts matter."""

    @property
    def size(self) -> int: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...

    def percentiles(self, percents: Sequence[float]) -> npt.NDArray[np.float64]: ...

    def beyond(self, background: float, crumbs: float) -> "_Sample":
        """Those that differ from the background by more than crumbs."""
        ...


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Real numbers one by one, in memory order; percentiles take one copy."""

    values: npt.NDArray[Any]

    @property
    def size(self) -> int:
        return self.values.size

    @property
    def low(self) -> float:
        return float(self.values.min())

    @property
    def high(self) -> float:
        return float(self.values.max())

    def percentiles(self, percents: Sequence[float]) -> npt.NDArray[np.float64]:
        found: npt.NDArray[np.float64] = np.percentile(self.values, percents)
        return found

    def beyond(self, background: float, crumbs: float) -> "_Numbers":
        parts = _parts(self.values)
        found = [part[np.abs(part - background) > crumbs] for part in parts]
        return _Numbers(np.concatenate(found))


@dataclass(frozen=True, slots=True)
class _Counts:
    """How often each value occurs."""

    levels: npt.NDArray[np.float32]
    """The values, ascending."""
    counts: npt.NDArray[np.int64]
    """How often, above 0."""

    @property
    def size(self) -> int:
        return int(self.counts.sum())

    @property
    def low(self) -> float:
        return float(self.levels[0])

    @property
    def high(self) -> float:
        return float(self.levels[-1])

    def percentiles(self, percents: Sequence[float]) -> npt.NDArray[np.float64]:
        """As `numpy.percentile` of all values, to the last bit: the same steps in its order."""
        places = (self.size - 1) * (np.asarray(percents, np.float64) / 100)
        before = np.floor(places)
        ends = self.counts.cumsum()
        first, second = (
            self.levels[np.searchsorted(ends, np.minimum(place, self.size - 1), side="right")]
            for place in (before, before + 1)
        )
        share, step = places - before, second - first
        return np.where(share >= 0.5, second - step * (1 - share), first + step * share)

    def beyond(self, background: float, crumbs: float) -> "_Counts":
        found = np.abs(self.levels - background) > crumbs
        return _Counts(self.levels[found], self.counts[found])


def _sample(values: npt.NDArray[Any]) -> _Sample:
    values = _in_memory_order(values)
    if values.dtype.kind not in "iu":
        return _Numbers(values)
    levels = _levels(values)
    if levels is None:
        return _Numbers(values.astype(np.float32))
    counts = np.zeros(len(levels), np.int64)
    for part in _parts(values):
        counts += np.bincount(_places(part, levels[0]), minlength=len(levels))
    if values.dtype == np.int16:
        counts = np.roll(counts, len(levels) // 2)
    return _Counts(levels[counts > 0].astype(np.float32), counts[counts > 0])


def _levels(values: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
    """All values that can occur, ascending; `None` where they are too many to be counted."""
    kind = values.dtype.newbyteorder("=")
    if kind.itemsize <= 2:
        limits = np.iinfo(kind)
        return np.arange(limits.min, limits.max + 1).astype(kind)
    low, high = values.min(), values.max()
    if int(high) - int(low) >= _MAX_LEVELS:
        return None
    levels: npt.NDArray[Any] = low + np.arange(int(high) - int(low) + 1).astype(kind)
    return levels


def _places(part: npt.NDArray[Any], low: Any) -> npt.NDArray[Any]:
    """Where values stand among the levels; of 16 bits with a sign, negative ones come last."""
    places: npt.NDArray[Any]
    if part.dtype.itemsize > 2:
        places = (part - low).astype(np.intp)
    elif part.dtype == np.int16:
        places = part.astype(np.int16, copy=False).view(np.uint16)
    else:
        places = np.subtract(part, low, dtype=np.int32)
    return places


def _parts(values: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """All values, some at a time, flat."""
    rows = max(1, _AT_ONCE * len(values) // max(1, values.size))
    for start in range(0, len(values), rows):
        yield values[start : start + rows].reshape(-1)


def _in_memory_order(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same values with axes in the order and direction in which they lie in memory: a view."""
    forwards = values[tuple(slice(None, None, -1 if s < 0 else 1) for s in values.strides)]
    slowest = sorted(range(values.ndim), key=lambda axis: -forwards.strides[axis])
    ordered: npt.NDArray[Any] = np.atleast_1d(forwards.transpose(slowest))
    return ordered
