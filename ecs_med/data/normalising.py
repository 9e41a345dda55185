"""Intensities of a volume brought into 0..1, some slices at a time.

A volume is kept as it is stored, two bytes a voxel as a rule, and only the slices at hand are
floating point: whole copies in double precision took sixteen bytes a voxel. What comes out is to
the last bit what the whole volume would give at once.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ecs_med.config import Preparation
from ecs_med.data.intensities import intensity_range

__all__ = ["SLAB_VOXELS", "normalised_slabs", "slab_length"]

SLAB_VOXELS = 2**22
"""Voxels of a slab, over its channels, about."""

_Scaling = Callable[[npt.NDArray[Any]], npt.NDArray[np.floating]]


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
        `(d, C, H, W)` in 0..1, contiguous, of some slices each; float64 where percentiles gave
        the range, since these are, else float32.
    """
    scalings = [_scaling(channel, preparation) for channel in channels]
    slices = np.moveaxis(channels, axis + 1, 0)
    length = slab_length(channels.shape, axis + 1)
    for start in range(0, len(slices), length):
        slab = slices[start : start + length]
        yield np.stack(
            [
                scaling(np.ascontiguousarray(slab[:, number]))
                for number, scaling in enumerate(scalings)
            ],
            axis=1,
        )


def _scaling(channel: npt.NDArray[Any], preparation: Preparation) -> _Scaling:
    lower, upper = preparation.window or intensity_range(channel, preparation.percentiles)
    if upper <= lower:
        return lambda values: np.zeros(values.shape, np.float32)
    if channel.dtype.kind in "iu" and channel.dtype.itemsize <= 2:
        return _by_table(channel.dtype, lower, upper)
    return lambda values: _scaled(values, lower, upper)


def _scaled(values: npt.NDArray[Any], lower: float, upper: float) -> npt.NDArray[np.floating]:
    # What kind of number the limits are decides the precision, so they stay as they come.
    single = values.astype(np.float32, copy=False)
    scaled: npt.NDArray[np.floating] = np.clip((single - lower) / (upper - lower), 0, 1)
    return scaled


def _by_table(kind: np.dtype[Any], lower: float, upper: float) -> _Scaling:
    """Integers of 8 and 16 bits have so few values that each is scaled once."""
    native = kind.newbyteorder("=")
    unsigned = np.dtype(f"u{kind.itemsize}")
    table = _scaled(np.arange(2 ** (8 * kind.itemsize)).astype(unsigned).view(native), lower, upper)
    return lambda values: table[values.astype(native, copy=False).view(unsigned)]
