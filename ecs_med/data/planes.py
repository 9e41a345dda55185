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
from typing import NamedTuple, Protocol

import numpy as np

from ecs_med.config import Plane

__all__ = ["Grid", "other_plane", "slice_axis", "usual_plane"]

_PLANES: tuple[Plane, Plane, Plane] = ("sagittal", "coronal", "axial")
"""By the axis of the body along which slices follow one another, see `directions_of`."""
_WAYS = ("from side to side", "from back to front", "from feet to head")

NEAR_TIE = 1.05
"""A side that is longer than the others by more than this factor is clearly the coarsest."""


class Grid(NamedTuple):
    """What the rule looks at in a volume."""

    shape: tuple[int, ...]
    """Voxels along each array axis."""
    spacing_mm: tuple[float, float, float]
    """Voxel sides along them."""
    directions: tuple[int, int, int]
    """Axes of the body along which they run."""


class _InSpace(Protocol):
    @property
    def is_volume(self) -> bool: ...
    @property
    def spatial_shape(self) -> tuple[int, ...]: ...
    @property
    def spacing_mm(self) -> tuple[float, float, float] | None: ...
    @property
    def directions(self) -> tuple[int, int, int] | None: ...


def slice_axis(scan: _InSpace, axis: str, plane: Plane = "axial") -> int:
    """The array axis along which `scan` is sliced, 0 for pictures.

    Args:
        scan: A scan, or its header.
        axis: The setting: `0`, `1`, `2`, or `auto` for the rule of this module.
        plane: That of the data set, where the voxels decide nothing.
    """
    if not scan.is_volume or scan.spacing_mm is None or scan.directions is None:
        return 0
    if axis != "auto":
        return int(axis)
    own = _own_axis(scan.spatial_shape, scan.spacing_mm)
    return scan.directions.index(_PLANES.index(plane)) if own is None else own


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
