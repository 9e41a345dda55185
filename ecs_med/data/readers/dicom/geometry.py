"""Where the slices of a series lie, by their positions alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecs_med.data.readers.grids import Affine

if TYPE_CHECKING:
    import pydicom

__all__ = ["Placed", "place_slices"]

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


@dataclass(frozen=True, slots=True)
class Placed:
    """A series as a grid in space.

    Attributes:
        order: Index of the file of each slice, along the normal of the slices.
        shape: `(columns, rows, slices)`.
        affine: `(4, 4)`, voxel `(column, row, slice)` to RAS mm.
    """

    order: tuple[int, ...]
    shape: tuple[int, int, int]
    affine: Affine


def place_slices(datasets: Sequence["pydicom.Dataset"], files: Sequence[Path]) -> Placed:
    """Order the slices of one series and find their grid.

    Args:
        datasets: Headers.
        files: Their files, for messages.

    Raises:
        UnreadableFileError: If they are no grid.
    """
    first = datasets[0]
    rows_to, columns_to = np.array(first.ImageOrientationPatient, float).reshape(2, 3)
    normal = np.cross(rows_to, columns_to)
    positions = np.array([d.ImagePositionPatient for d in datasets], float)
    order = np.argsort(positions @ normal, kind="stable")
    positions = positions[order]
    row_mm, column_mm = (float(side) for side in first.PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0] = rows_to * column_mm
    affine[:3, 1] = columns_to * row_mm
    affine[:3, 2] = (positions[-1] - positions[0]) / max(1, len(positions) - 1)
    affine[:3, 3] = positions[0]
    return Placed(
        tuple(int(index) for index in order),
        (int(first.Columns), int(first.Rows), len(datasets)),
        _LPS_TO_RAS @ affine,
    )
