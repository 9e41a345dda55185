"""In which plane a volume is sliced: one rule, and one decision for a data set.

A volume is sliced across the axis along which its voxels are clearly coarsest, for what lies in
its slices then is what the scanner saw best; a volume with a single layer, which is a picture in
space, across that layer. Where no axis is clearly the coarsest (sides that are equal within some
per cent: two exports of one scan differ in the third decimal), the voxels decide nothing: such a
volume is sliced in the plane of the data set that a model was trained on. That plane is kept as
one of the body, not as a number of an array axis, so that a scan whose axes are stored in another
order is sliced like the others.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Protocol, Self

import numpy as np

from ecs_med.config import Orientation, Plane, Preparation

__all__ = ["Grid", "InSpace", "is_turned", "other_plane", "slice_axis", "usual_plane"]

_PLANES: tuple[Plane, Plane, Plane] = ("sagittal", "coronal", "axial")
"""By the axis of the body along which slices follow one another, see `directions_of`."""
_WAYS = ("from side to side", "from back to front", "from feet to head")

NEAR_TIE = 1.05
"""A side that is longer than the others by more than this factor is clearly the coarsest."""


class Grid(NamedTuple):
    """What the rule looks at in a volume."""

    shape: tuple[int, ...]
    """Voxels along each axis."""
    spacing_mm: tuple[float, float, float]
    """Voxel sides along them."""
    directions: tuple[int, int, int]
    """Axes of the body along which they run."""

    @classmethod
    def of(cls, scan: "InSpace", orientation: Orientation = "RAS") -> Self | None:
        """The grid of a volume with the axes that are sliced; `None` for what is not in space."""
        spacing, directions = scan.spacing_mm, scan.directions
        if not scan.is_volume or spacing is None or directions is None:
            return None
        if not is_turned(scan, orientation):
            return cls(scan.spatial_shape, spacing, directions)
        x, y, z = (directions.index(along) for along in range(3))
        shape = tuple(scan.spatial_shape[axis] for axis in (x, y, z))
        return cls(shape, (spacing[x], spacing[y], spacing[z]), (0, 1, 2))


class InSpace(Protocol):
    """What a scan, its header, and what is known of it have in common."""

    @property
    def is_volume(self) -> bool:
        """Whether it is sliced."""

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """Pixels or voxels along each axis of the file."""

    @property
    def spacing_mm(self) -> tuple[float, float, float] | None:
        """Voxel sides along them."""

    @property
    def directions(self) -> tuple[int, int, int] | None:
        """Axes of the body along which they run, either way."""

    @property
    def has_position(self) -> bool:
        """Whether the file says where it lies in space."""


def is_turned(scan: InSpace, orientation: Orientation) -> bool:
    """Whether a scan is sliced along the axes of the body, and not along those of its file."""
    return orientation == "RAS" and scan.directions is not None and scan.has_position


def slice_axis(scan: InSpace, preparation: Preparation) -> int:
    """The axis of the file along which `scan` is sliced, 0 for pictures.

    Args:
        scan: A scan, or its header.
        preparation: The settings.
    """
    if not scan.is_volume or scan.spacing_mm is None or scan.directions is None:
        return 0
    if preparation.plane != "auto":
        along = _PLANES.index(preparation.plane)
        turned = is_turned(scan, preparation.orientation)
        return scan.directions.index(along) if turned else along
    own = _own_axis(scan.spatial_shape, scan.spacing_mm)
    if own is not None:
        return own
    return scan.directions.index(_PLANES.index(preparation.usual_plane))


def other_plane(grid: Grid, plane: Plane) -> str | None:
    """Why a volume is sliced in another plane than `plane`, in words; `None` where it is not."""
    own = _own_axis(grid.shape, grid.spacing_mm)
    if own is None or _PLANES[grid.directions[own]] == plane:
        return None
    way, sides = grid.directions[own], " x ".join(f"{side:.3g}" for side in grid.spacing_mm)
    reason = f"its voxels ({sides} mm) are coarsest {_WAYS[way]}"
    if grid.shape[own] == 1:
        reason = f"it has a single layer {_WAYS[way]}"
    return f"{reason}, so that it is cut into {_PLANES[way]} slices"


def usual_plane(grids: Sequence[Grid]) -> Plane:
    """The plane of a data set: what its volumes are sliced in that are not clearly anisotropic.

    It is the one across the axis of the body along which the median spacing is clearly coarsest;
    where there is none, that across the last array axis of most volumes, as images are stored.

    Args:
        grids: Axial where there are none.
    """
    if not grids:
        return "axial"
    spacings = np.empty((len(grids), 3))
    for row, grid in zip(spacings, grids, strict=True):
        row[list(grid.directions)] = _sides(grid.shape, grid.spacing_mm)
    middle = [float(side) for side in np.median(spacings, axis=0)]
    coarsest = _clearly_coarsest(middle)
    if coarsest is None:
        last = Counter(grid.directions[2] for grid in grids)
        coarsest = max(last, key=lambda direction: (last[direction], direction))
    return _PLANES[coarsest]


def _own_axis(shape: Sequence[int], spacing_mm: Sequence[float]) -> int | None:
    return _clearly_coarsest(_sides(shape, spacing_mm))


def _sides(shape: Sequence[int], spacing_mm: Sequence[float]) -> list[float]:
    """Voxel sides, where that of a single layer is beyond all others."""
    return [math.inf if n == 1 else side for n, side in zip(shape, spacing_mm, strict=True)]


def _clearly_coarsest(sides: Sequence[float]) -> int | None:
    order = sorted(range(3), key=lambda axis: sides[axis])
    return order[2] if sides[order[2]] > NEAR_TIE * sides[order[1]] else None
