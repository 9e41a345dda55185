"""From stored values to real ones, slice by slice, in 16 bits where that loses nothing."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.dicom.decoding import decode_frames
from ecs_med.data.readers.dicom.geometry import Placed
from ecs_med.data.readers.dicom.headers import Plane
from ecs_med.errors import UnreadableFileError
from ecs_med.memory import free_memory

__all__ = ["read_values"]

Stored = npt.NDArray[np.integer]
"""Values as they are in the file, `(rows, columns)`."""

_INT16 = np.iinfo(np.int16)

_LARGE_BYTES = 2**26
"""From so many bytes on, it is asked first whether memory holds a volume."""


def read_values(placed: Placed) -> npt.NDArray[np.generic]:
    """Decode a volume.

    Real values are `slope * stored + intercept`, each slice by its own. Where high values are to be
    shown dark (MONOCHROME1), stored values are reversed first: the sum of the lowest and the
    highest one of the volume minus each. Padding gets the lowest real value of the volume.

    Returns:
        `(columns, rows, slices)`, int16 where slopes and intercepts are whole numbers and all
        values fit, else float32; the slices follow each other in memory.

    Raises:
        UnreadableFileError: If a slice cannot be decoded.
    """
    planes = placed.planes
    _require_memory(placed)
    columns, rows, num_slices = placed.shape
    reversing_sum = _sum_of_extremes(planes) if planes[0].dark_is_high else None
    volume: _Volume | None = None
    for index, stored in _stored_slices(planes):
        # Only now is it known that the size is not merely claimed.
        volume = volume or _Volume((num_slices, rows, columns), _are_whole(planes))
        volume.put(index, stored, planes[index], reversing_sum)
    assert volume is not None
    volume.fill_padding()
    return volume.values.transpose(2, 1, 0)


def _require_memory(placed: Placed) -> None:
    needed = 2 * int(np.prod(placed.shape, dtype=np.int64))
    free = free_memory() if needed >= _LARGE_BYTES else None
    if free is not None and needed > free:
        raise UnreadableFileError(
            placed.planes[0].path, f"is a slice of a volume that needs {needed / 1e9:.1f} GB of "
            f"memory, and {max(free, 0) / 1e9:.1f} GB are free", "close other programs",
        )  # fmt: skip


def _are_whole(planes: Sequence[Plane]) -> bool:
    """Whether real values are whole numbers, which 64 bits hold for stored ones of 32."""
    numbers = [number for plane in planes for number in (plane.slope, plane.intercept)]
    return all(number.is_integer() and abs(number) < _INT16.max for number in numbers)


class _Volume:
    """Real values that are 16-bit integers as long as they can be.

    Args:
        shape: `(slices, rows, columns)`.
        whole: Whether values are whole numbers.
    """

    def __init__(self, shape: tuple[int, int, int], whole: bool) -> None:
        self.values: npt.NDArray[np.generic] = np.empty(shape, np.int16 if whole else np.float32)
        self._padding: dict[int, npt.NDArray[np.uint8]] = {}
        self._lowest: float | None = None

    def put(
        self,
        index: int,
        stored: Stored,
        plane: Plane,
        reversing_sum: int | None = None,
    ) -> None:
        """Set a slice from its stored values."""
        padding = _is_padding(stored, plane)
        if padding is not None and padding.any():
            self._padding[index] = np.packbits(padding)
        if reversing_sum is not None:
            stored = reversing_sum - stored.astype(np.int64)
        real = self._rescaled(stored, plane)
        inside = real if padding is None else real[~padding]
        if inside.size:
            low, high = float(inside.min()), float(inside.max())
            self._lowest = low if self._lowest is None else min(low, self._lowest)
            self._make_room(low, high)
        # What does not fit after all is padding, which is set at the end.
        self.values[index] = real.astype(self.values.dtype)

    def fill_padding(self) -> None:
        """Give padding the lowest real value; a volume of nothing else becomes 0."""
        lowest = 0.0 if self._lowest is None else self._lowest
        shape = self.values.shape[1:]
        for index, packed in self._padding.items():
            where = np.unpackbits(packed, count=shape[0] * shape[1]).reshape(shape).astype(bool)
            self.values[index][where] = lowest

    def _rescaled(
        self, stored: Stored, plane: Plane
    ) -> npt.NDArray[np.int64] | npt.NDArray[np.float64]:
        if self.values.dtype == np.int16:
            return stored.astype(np.int64) * int(plane.slope) + int(plane.intercept)
        return stored.astype(np.float64) * plane.slope + plane.intercept

    def _make_room(self, low: float, high: float) -> None:
        if self.values.dtype == np.int16 and not _INT16.min <= low <= high <= _INT16.max:
            self.values = self.values.astype(np.float32)


def _is_padding(stored: Stored, plane: Plane) -> npt.NDArray[np.bool_] | None:
    if plane.padding is None:
        return None
    low, high = plane.padding
    return (stored >= low) & (stored <= high)


def _stored_slices(planes: Sequence[Plane]) -> Iterator[tuple[int, Stored]]:
    """Stored values with the index of their slice, each file opened once."""
    by_path: dict[Path, dict[int, int]] = {}
    for index, plane in enumerate(planes):
        by_path.setdefault(plane.path, {})[plane.frame or 0] = index
    for path, wanted in by_path.items():
        frames = sorted(wanted)
        for frame, stored in zip(frames, decode_frames(path, frames=frames), strict=True):
            yield wanted[frame], cast(Stored, stored)


def _sum_of_extremes(planes: Sequence[Plane]) -> int:
    """Lowest plus highest stored value of a volume, padding apart."""
    low: list[int] = []
    high: list[int] = []
    for index, stored in _stored_slices(planes):
        padding = _is_padding(stored, planes[index])
        inside = stored if padding is None else stored[~padding]
        if inside.size:
            low.append(int(inside.min()))
            high.append(int(inside.max()))
    return min(low, default=0) + max(high, default=0)
