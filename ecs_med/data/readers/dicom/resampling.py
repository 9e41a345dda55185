"""An even grid made of slices that are none: tilted ones, and such with gaps between them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.dicom.geometry import (
    Placed,
    ResamplableError,
    affine_of,
)
from ecs_med.data.readers.dicom.planes import Directions, Plane, directions_of_planes
from ecs_med.data.readers.dicom.stack import planes_of_files
from ecs_med.data.readers.dicom.values import read_values
from ecs_med.data.readers.grids import Affine
from ecs_med.errors import UnreadableFileError

__all__ = ["Resampled", "labels_on_slices", "resample_series"]

_SNAP = 1e-6
"""Positions this close to a pixel, in pixels, are its own: what is left is numerical noise."""

_MOST_MADE_UP = 4
"""The grid may have this many times the voxels of the slices."""


@dataclass(frozen=True, slots=True)
class Resampled:
    """A series on an even grid.

    Attributes:
        array: `(X, Y, Z)` float32 real values.
        affine: `(4, 4)`, voxel to RAS mm; its axes are perpendicular.
        planes: The slices that it was made of, in order.
        shifts: `(slices, 3)`: where the first pixel of each slice lies on the grid, in voxels.
    """

    array: npt.NDArray[np.float32]
    affine: Affine
    planes: tuple[Plane, ...]
    shifts: npt.NDArray[np.float64]

    def back(self, labels: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
        """Labels of the grid on the slices themselves, by the nearest voxel.

        Args:
            labels: `(X, Y, Z)`.

        Returns:
            `(columns, rows, slices)` in the order of `planes`.
        """
        return _back(labels, self.planes, self.shifts)


def labels_on_slices(
    files: Sequence[Path], labels: npt.NDArray[np.integer]
) -> npt.NDArray[np.integer]:
    """Labels of the grid of `resample_series` on the slices themselves; no pixel is read.

    Args:
        files: Of the series.
        labels: `(X, Y, Z)`.

    Returns:
        `(columns, rows, slices)`, slices in order along their normal.

    Raises:
        UnreadableFileError: If the files cannot be read.
    """
    planes = planes_of_files(files)[0]
    layout = _layout(planes)
    if labels.shape != layout.size:
        raise ValueError(f"{labels.shape} is not the grid {layout.size} of {files[0]}")
    return _back(labels, planes, layout.shifts)


def _back(
    labels: npt.NDArray[np.integer], planes: Sequence[Plane], shifts: npt.NDArray[np.float64]
) -> npt.NDArray[np.integer]:
    plane = planes[0]
    found = np.empty((plane.columns, plane.rows, len(planes)), labels.dtype)
    for index, (column, row, height) in enumerate(shifts):
        columns = np.rint(np.arange(plane.columns) + column).astype(np.intp)
        rows = np.rint(np.arange(plane.rows) + row).astype(np.intp)
        found[:, :, index] = labels[np.ix_(columns, rows, [round(height)])][:, :, 0]
    return found


def resample_series(source: ResamplableError | Sequence[Path]) -> Resampled:
    """Bring slices onto an even grid whose axes are perpendicular, by linear interpolation.

    The grid has the pixels of the first slice, continued sideways until it covers all slices, and
    layers from the first to the last slice about as far apart as slices usually are. A voxel
    between two slices is the mean of both at its own place, weighted by distance; one that only
    one of them covers is that one's; what no slice covers has the lowest value of the volume.

    Args:
        source: The files of a series, or the error with which they were refused.

    Raises:
        UnreadableFileError: If they cannot be read, do not say where they lie, differ in the same
            place, or lie so far apart that most of the grid would be made up.
    """
    planes = source.planes if isinstance(source, ResamplableError) else planes_of_files(source)[0]
    layout = _layout(planes)
    _require_slices(planes, layout.size)
    values = read_values(Placed(tuple(planes), np.eye(4)))
    array = _interpolated(values, layout.shifts, layout.size)
    return Resampled(array, layout.affine, tuple(planes), layout.shifts)


@dataclass(frozen=True, slots=True)
class _Layout:
    """A grid: its size and affine, and the slices on it, as of `Resampled`."""

    size: tuple[int, int, int]
    affine: Affine
    shifts: npt.NDArray[np.float64]


def _layout(planes: Sequence[Plane]) -> _Layout:
    directions = directions_of_planes(planes)
    from_first, step = _from_first(planes, directions)
    start = np.floor(from_first.min(axis=0))
    shifts = from_first - start
    more = np.ceil(shifts.max(axis=0)).astype(int)
    size = (planes[0].columns + int(more[0]), planes[0].rows + int(more[1]), 1 + int(more[2]))
    row_mm, column_mm = planes[0].spacing or (1.0, 1.0)
    sides = np.array([directions.columns * column_mm, directions.rows * row_mm])
    origin = np.array(planes[0].position) + start[:2] @ sides
    return _Layout(size, affine_of(*sides, directions.normal * step, origin), shifts)


def _require_slices(planes: Sequence[Plane], size: tuple[int, int, int]) -> None:
    """Refuse slices that so little of the grid comes from that it would be made up."""
    stored = planes[0].columns * planes[0].rows * len(planes)
    if size[0] * size[1] * size[2] > _MOST_MADE_UP * stored:
        raise UnreadableFileError(
            planes[0].path, "is a slice of a volume whose slices lie so far apart or aside that "
            "nearly all of an even grid would be made up", "export the series whole",
        )  # fmt: skip


def _from_first(
    planes: Sequence[Plane], directions: Directions
) -> tuple[npt.NDArray[np.float64], float]:
    """Where slices begin, `(slices, 3)` voxels from the first one; the step of layers in mm."""
    axes = np.stack([directions.columns, directions.rows, directions.normal], axis=1)
    positions = np.array([plane.position for plane in planes])
    along = np.linalg.solve(axes, (positions - positions[0]).T).T
    step = 1.0
    if len(planes) > 1:
        length = float(along[-1, 2])
        step = length / max(1, round(length / float(np.median(np.diff(along[:, 2])))))
    row_mm, column_mm = planes[0].spacing or (1.0, 1.0)
    voxels = along / (column_mm, row_mm, step)
    whole = np.rint(voxels)
    return np.where(np.abs(voxels - whole) < _SNAP, whole, voxels), step


def _interpolated(
    values: npt.NDArray[np.generic],
    shifts: npt.NDArray[np.float64],
    size: tuple[int, int, int],
) -> npt.NDArray[np.float32]:
    """Values on the grid, layer by layer; `shifts` as of `Resampled`."""
    lowest = np.float32(values.min())
    array = np.empty((size[2], size[1], size[0]), np.float32).transpose(2, 1, 0)
    heights = shifts[:, 2]
    for layer in range(size[2]):
        after = int(np.searchsorted(heights, layer - _SNAP))
        above = _laid_out(values[:, :, min(after, len(heights) - 1)], shifts[after], size)
        if heights[after] > layer + _SNAP:
            below = _laid_out(values[:, :, after - 1], shifts[after - 1], size)
            weight = (layer - heights[after - 1]) / (heights[after] - heights[after - 1])
            both = (1 - weight) * below + weight * above
            above = np.where(np.isnan(both), np.where(np.isnan(above), below, above), both)
        array[:, :, layer] = np.where(np.isnan(above), lowest, above)
    return array


def _laid_out(
    values: npt.NDArray[np.generic],
    shift: npt.NDArray[np.float64],
    size: tuple[int, int, int],
) -> npt.NDArray[np.float64]:
    """A slice on the pixels of the grid, NaN where it does not reach."""
    moved = values.astype(np.float64)
    for axis in (0, 1):
        at = np.arange(size[axis]) - shift[axis]
        before = np.floor(at).astype(np.intp)
        share = (at - before).reshape((-1, 1) if axis == 0 else (1, -1))
        last = moved.shape[axis] - 1
        inside = (at >= 0) & (at <= last)
        lower = moved.take(before.clip(0, last), axis)
        upper = moved.take((before + 1).clip(0, last), axis)
        moved = (1 - share) * lower + share * upper
        moved[~inside if axis == 0 else (slice(None), ~inside)] = np.nan
    return moved
