"""Where single planes, such as the frames of a segmentation, lie on a grid in space."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ecs_med.data.readers.grids import GRID_TOLERANCE, Affine
from ecs_med.data.readers.scans import ScanHeader

__all__ = ["PlaneInSpace", "place_on_grid", "stacked_grid"]

_STEP_TOLERANCE = 0.05
"""Distances between planes may be off by this share of a step."""

_SAME_PLACE_MM = 1e-3
_MOST_VOXELS = 2**31
"""Planes far apart would ask for any amount of memory."""

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True)
class PlaneInSpace:
    """A plane of pixels.

    Attributes:
        affine: `(4, 4)`, `(column, row, along the normal in mm)` to RAS mm.
        num_columns: Its width.
        num_rows: Its height.
    """

    affine: Affine
    num_columns: int
    num_rows: int

    @classmethod
    def of_dicom(
        cls,
        position: Sequence[Any],
        orientation: Sequence[Any],
        spacing: Sequence[Any],
        size: tuple[int, int],
    ) -> "PlaneInSpace":
        """From what DICOM says of a plane.

        Args:
            position: Of the centre of its first pixel, LPS mm.
            orientation: Directions of a row and of a column, six numbers.
            spacing: Between rows, and between columns, in mm.
            size: Columns and rows.

        Raises:
            ValueError: If these are no plane.
        """
        row, column = np.array(orientation, np.float64).reshape(2, 3)
        between_rows, between_columns = (float(side) for side in spacing)
        affine = np.eye(4)
        affine[:3, 0] = row * between_columns
        affine[:3, 1] = column * between_rows
        affine[:3, 2] = np.cross(row, column)
        affine[:3, 3] = np.array(position, np.float64)
        if not np.isfinite(affine).all() or abs(np.linalg.det(affine)) < 1e-12:
            raise ValueError("no plane")
        return cls(LPS_TO_RAS @ affine, *size)


def place_on_grid(
    plane: PlaneInSpace, header: ScanHeader
) -> tuple[tuple[slice | int, ...], bool] | None:
    """The part of a volume whose voxels are the pixels of a plane.

    Args:
        plane: The plane.
        header: Of a volume.

    Returns:
        An index of the volume's array, and whether the pixels `(rows, columns)` are to be
        transposed for it; `None` where the plane's pixels are no voxels of it.
    """
    assert header.affine is not None
    on_grid = np.linalg.inv(header.affine) @ plane.affine
    sides = (plane.num_columns, plane.num_rows)
    axes = [int(np.abs(on_grid[:3, i]).argmax()) for i in range(2)]
    if axes[0] == axes[1]:
        return None
    steps = [int(np.sign(on_grid[axis, i])) for i, axis in enumerate(axes)]
    start = np.rint(on_grid[:3, 3]).astype(int)
    exact = np.zeros((3, 2))
    for i, axis in enumerate(axes):
        exact[axis, i] = steps[i]
    ends = np.array([[0, 0], [sides[0] - 1, 0], [0, sides[1] - 1], [sides[0] - 1, sides[1] - 1]])
    off = (on_grid[:3, :2] - exact) @ ends.T + (on_grid[:3, 3] - start)[:, None]
    if np.abs(off).max() > GRID_TOLERANCE:
        return None
    index: list[slice | int] = [int(part) for part in start]
    for axis, step, side in zip(axes, steps, sides, strict=True):
        last = int(start[axis]) + step * (side - 1)
        if not (min(start[axis], last) >= 0 and max(start[axis], last) < header.shape[axis]):
            return None
        stop = last + step
        index[axis] = slice(int(start[axis]), stop if stop >= 0 else None, step)
    across = 3 - sum(axes)
    if not 0 <= start[across] < header.shape[across]:
        return None
    return tuple(index), axes[0] < axes[1]


def stacked_grid(planes: Sequence[PlaneInSpace], step_mm: float | None) -> ScanHeader | None:
    """The grid of planes behind one another, some of which may be missing.

    Args:
        planes: One at least; several may lie in one place.
        step_mm: Between them as their file says; believed where their positions agree with it.

    Returns:
        The header of a volume `(columns, rows, planes)`; `None` where they make no grid.
    """
    first = planes[0]
    normal = first.affine[:3, 2]
    along = np.sort([float(plane.affine[:3, 3] @ normal) for plane in planes])
    gaps = np.diff(along)
    gaps = gaps[gaps > _SAME_PLACE_MM]
    step = float(gaps.min()) if gaps.size else (step_mm or 1.0)
    if step_mm and _are_multiples(gaps, step_mm):
        step = step_mm
    if not _are_multiples(gaps, step):
        return None
    extent = float(along[-1] - along[0])
    number = round(extent / step) + 1
    if number * first.num_columns * first.num_rows > _MOST_VOXELS:
        return None
    affine = first.affine.copy()
    affine[:3, 2] = normal * (extent / (number - 1) if number > 1 else step)
    affine[:3, 3] += normal * (along[0] - first.affine[:3, 3] @ normal)
    return ScanHeader((first.num_columns, first.num_rows, number), 1, affine, "volume")


def _are_multiples(gaps: Any, step: float) -> bool:
    counts = np.rint(gaps / step)
    return bool((counts >= 1).all() and (np.abs(gaps / step - counts) <= _STEP_TOLERANCE).all())
