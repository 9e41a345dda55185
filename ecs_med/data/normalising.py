"""Intensities of a volume brought into 0..1, some slices at a time.

A volume is kept as it is stored, two bytes a voxel as a rule, and only the slices at hand are
floating point: whole copies in double precision took sixteen bytes a voxel. What comes out is to
the last bit what the whole volume would give at once.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ecs_med.config import Preparation
from ecs_med.data.intensities import intensity_range

__all__ = ["SLAB_VOXELS", "normalised_slabs", "slab_length"]

SLAB_VOXELS = 2**22
"""Voxels of a slab, over its channels, about."""


def slab_length(shape: tuple[int, ...], axis: int) -> int:
    """How many slices along `axis` make a slab, at least one.

    Example:
        >>> slab_length((1, 512, 512, 600), 3)
        16
    """
    one = max(1, int(np.prod(shape, dtype=np.int64)) // max(1, shape[axis]))
    return max(1, SLAB_VOXELS // one)


def normalised_slabs(
    channels: npt.NDArray[Any], axis: int, preparation: Preparation
) -> Iterator[npt.NDArray[np.floating]]:
    """Cut a volume into slabs of slices whose intensities lie in 0..1.

    Each channel has a range of its own: the window of the settings, or its percentiles.

    Args:
        channels: `(C, X, Y, Z)`, real numbers of any type, strides in any order and direction.
        axis: That of X, Y, Z along which slices follow one another, 0 to 2.
        preparation: The settings.

    Yields:
        `(d, C, H, W)` in 0..1, contiguous, of some slices each, in the memory of the slab before;
        float64 where percentiles, which are, gave a range, else float32.
    """
    ranges = [_range(channel, preparation) for channel in channels]
    slices = np.moveaxis(channels, axis + 1, 0)
    length = min(len(slices), slab_length(channels.shape, axis + 1))
    kind = np.result_type(*(_precision(lower) for lower, _ in ranges))
    # New memory for each slab would take longer than what is calculated in it.
    slab = np.empty((length, *slices.shape[1:]), kind)
    for start in range(0, len(slices), length):
        part = slices[start : start + length]
        scaled = slab[: len(part)]
        for number, (lower, upper) in enumerate(ranges):
            _scale(np.ascontiguousarray(part[:, number]), lower, upper, scaled[:, number])
        yield scaled


def _range(channel: npt.NDArray[Any], preparation: Preparation) -> tuple[float, float]:
    return preparation.window or intensity_range(channel, preparation.percentiles)


def _precision(limit: float) -> np.dtype[Any]:
    """What numpy calculates float32 values and this number in: a float64 of its own counts."""
    return np.result_type(np.float32, limit)


def _scale(
    values: npt.NDArray[Any], lower: float, upper: float, scaled: npt.NDArray[np.floating]
) -> None:
    if upper <= lower:
        scaled[:] = 0
        return
    if values.dtype.itemsize > 2:
        # Larger integers are rounded as ever; smaller ones need not be converted beforehand.
        values = values.astype(np.float32, copy=False)
    kind = _precision(lower)
    work = scaled if scaled.dtype == kind else np.empty(scaled.shape, kind)
    np.subtract(values, lower, out=work, dtype=kind)
    np.divide(work, upper - lower, out=work)
    np.clip(work, 0, 1, out=work)
    if work is not scaled:
        scaled[:] = work
