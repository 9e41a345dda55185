"""Grids in space: comparing affines, and bringing label volumes from one grid onto another."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from nibabel.orientations import io_orientation, ornt2axcodes
from scipy import ndimage

from ecs_med.errors import UnreadableFileError
from ecs_med.types import IGNORE_INDEX

__all__ = [
    "GRID_TOLERANCE",
    "Affine",
    "axis_codes",
    "covered_share",
    "directions_of",
    "grid_distance_mm",
    "is_turned_only",
    "lies_on_voxels",
    "oblique_degrees",
    "orientation_of",
    "require_equal_shapes",
    "require_one_grid",
    "resample_labels",
    "same_grid",
    "shear",
    "spacing_of",
    "times",
]

Affine = npt.NDArray[np.float64]

GRID_TOLERANCE = 0.1
"""Grids of one shape whose corners lie this share of the smallest voxel side apart are one grid:
headers are rounded, and the nearest voxel is the same one."""

_WHOLE = 1e-3

_NEGLIGIBLE = 1e-6
"""Share of a step between voxels that may be numerical noise."""


def spacing_of(affine: Affine) -> tuple[float, float, float]:
    """Voxel sides in mm along the array axes: the lengths of the affine's columns."""
    x, y, z = (float(side) for side in np.linalg.norm(affine[:3, :3], axis=0))
    return x, y, z


def orientation_of(affine: Affine) -> Affine:
    """Which axis of the body each array axis is nearest to, and whether it runs the same way.

    As `nibabel.orientations.io_orientation`, whose choice for volumes that lie at 45 degrees
    depends on the order in which their axes are stored; here it follows from their place alone.

    Returns:
        `(3, 2)`: axis of the body, and 1 or -1, by array axis.
    """
    steps = affine[:3, :3]
    notable = np.abs(steps) > _NEGLIGIBLE * np.linalg.norm(steps, axis=0)
    signs = np.sign(np.take_along_axis(steps, notable.argmax(axis=0)[None], axis=0))[0]
    same_way = steps * signs
    order = np.lexsort(same_way[::-1])
    found = np.empty((3, 2))
    found[order] = io_orientation(np.block([[same_way[:, order], np.zeros((3, 1))], [0, 0, 0, 1]]))
    found[:, 1] *= signs
    return found


def directions_of(affine: Affine) -> tuple[int, int, int]:
    """Axis of the body along which each array axis runs, either way.

    0: from side to side, 1: from back to front, 2: from feet to head; each occurs once.
    """
    x, y, z = (int(along) for along in orientation_of(affine)[:, 0])
    return x, y, z


def axis_codes(affine: Affine) -> str:
    """Where the array axes run to: `LPS` is to the patient's left, back and head."""
    return "".join(str(code) for code in ornt2axcodes(orientation_of(affine)))


def oblique_degrees(affine: Affine) -> float:
    """Largest angle between an array axis and the axis of the body that it is nearest to."""
    steps = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    beside = [abs(steps[body, axis]) for axis, body in enumerate(directions_of(affine))]
    return float(np.degrees(np.arccos(np.clip(min(beside), 0, 1))))


def shear(affine: Affine) -> float:
    """How far array axes are from right angles: the largest cosine between two, 0 to 1."""
    steps = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return float(np.abs(steps.T @ steps - np.eye(3)).max())


def grid_distance_mm(first: Affine, second: Affine, shape: tuple[int, ...]) -> float:
    """Largest distance between the positions that two affines give to a corner voxel."""
    corners = np.array(
        [(*corner, 1) for corner in product(*((0, side - 1) for side in shape))], np.float64
    )
    return float(np.linalg.norm(corners @ (first - second).T, axis=1).max())


def same_grid(first: Affine, second: Affine, shape: tuple[int, ...]) -> bool:
    """Whether two affines give one place to each voxel of a grid, but for rounding."""
    # The side of a single layer has no say: nothing lies beside it.
    sides = [s for s, n in zip(spacing_of(first), shape, strict=True) if n > 1]
    allowed = GRID_TOLERANCE * min(sides or spacing_of(first))
    return grid_distance_mm(first, second, shape) <= allowed


def require_one_grid(
    grids: Sequence[tuple[tuple[int, ...], Affine]], files: Sequence[Path]
) -> None:
    """Refuse channel files of one case whose shapes and affines are not those of one grid.

    Raises:
        UnreadableFileError: Names the first file that does not fit.
    """
    shape, affine = grids[0]
    require_equal_shapes([grid_shape for grid_shape, _ in grids], files)
    for path, (_, other) in zip(files, grids, strict=True):
        if not same_grid(affine, other, shape):
            distance = grid_distance_mm(affine, other, shape)
            raise UnreadableFileError(
                path, f"lies {distance:.3g} mm away from {files[0]}, another channel of the case",
                "resample the channels onto one grid",
            )  # fmt: skip


def require_equal_shapes(shapes: Sequence[tuple[int, ...]], files: Sequence[Path]) -> None:
    """Refuse channel files of one case that differ in shape; errors as `require_one_grid`."""
    for path, shape in zip(files, shapes, strict=True):
        if shape != shapes[0]:
            raise UnreadableFileError(
                path, f"is {times(shape)}, but {files[0]}, another channel of the case, is "
                f"{times(shapes[0])}", "resample the channels onto one grid",
            )  # fmt: skip


def times(shape: tuple[int, ...]) -> str:
    """A shape in words, such as `512 x 512 x 40`."""
    return " x ".join(str(side) for side in shape)


def resample_labels(
    labels: npt.NDArray[np.integer],
    affine: Affine,
    shape: tuple[int, int, int],
    reference_affine: Affine,
    outside: int = IGNORE_INDEX,
) -> npt.NDArray[np.integer]:
    """Bring labels onto another grid in the same space, by nearest neighbour.

    Equal grids are returned as they are; flips and permutations of axes and
    whole-voxel shifts are exact. Voxels of the reference grid that the labels do
    not cover become void by default: nobody said what they are, and calling them
    background would teach a network to miss what lies there.

    Args:
        labels: `(X, Y, Z)` integers.
        affine: Their `(4, 4)` affine, voxel to mm.
        shape: Shape of the reference grid.
        reference_affine: Its affine; invertible.
        outside: Value of voxels that the labels do not cover.

    Returns:
        Labels of `shape`, in the dtype of `labels`.
    """
    if labels.shape == tuple(shape) and same_grid(reference_affine, affine, shape):
        return labels
    matrix = np.linalg.inv(affine) @ reference_affine
    if _moves_whole_voxels(matrix, shape):
        whole = np.rint(matrix).astype(np.int64)
        if (np.abs(whole[:3, :3]).sum(axis=0) == 1).all():
            return _turned_and_shifted(labels, whole, shape, outside)
        matrix = whole.astype(np.float64)
    # One layer of `outside` on every side: clamping to it keeps the outer half of border voxels,
    # which a constant fill would cut off.
    padded = np.pad(labels, 1, constant_values=outside)
    moved: npt.NDArray[np.integer] = ndimage.affine_transform(
        padded,
        matrix[:3, :3],
        matrix[:3, 3] + 1,
        output_shape=tuple(shape),
        order=0,
        mode="nearest",
        output=labels.dtype,
    )
    return moved


def covered_share(
    covering_shape: tuple[int, int, int],
    affine: Affine,
    shape: tuple[int, int, int],
    reference_affine: Affine,
) -> float:
    """Share of the voxels of a reference grid that another grid covers, 0 to 1."""
    inside = np.ones(covering_shape, np.uint8)
    return float(resample_labels(inside, affine, shape, reference_affine, outside=0).mean())


def lies_on_voxels(affine: Affine, shape: tuple[int, ...], reference_affine: Affine) -> bool:
    """Whether every voxel centre of a reference grid is one of another, continued without end."""
    return _moves_whole_voxels(np.linalg.inv(affine) @ reference_affine, shape)


def is_turned_only(
    turned_shape: tuple[int, int, int],
    affine: Affine,
    shape: tuple[int, int, int],
    reference_affine: Affine,
) -> bool:
    """Whether a grid has the very voxels of a reference grid, in another order of axes at most."""
    matrix = np.linalg.inv(affine) @ reference_affine
    if not _moves_whole_voxels(matrix, shape):
        return False
    corners = np.array([(0, 0, 0, 1), (*(side - 1 for side in shape), 1)], np.float64)
    ends = np.sort(np.rint(corners @ matrix.T)[:, :3], axis=0)
    return bool((ends == [(0, 0, 0), [side - 1 for side in turned_shape]]).all())


def _moves_whole_voxels(matrix: Affine, shape: tuple[int, ...]) -> bool:
    """Whether a voxel-to-voxel matrix lands on voxel centres everywhere on the grid.

    Then rounding it changes nothing but the numerical noise that would decide ties.
    """
    noise = np.abs(matrix - np.rint(matrix))[:3]
    return bool((noise @ np.array([*shape, 1], np.float64) <= _WHOLE).all())


def _turned_and_shifted(
    labels: npt.NDArray[np.integer],
    matrix: npt.NDArray[np.int64],
    shape: tuple[int, ...],
    outside: int,
) -> npt.NDArray[np.integer]:
    """Flips, permutations and shifts by slicing, without interpolation."""
    layout: Literal["C", "F"] = "F" if labels.flags.f_contiguous else "C"
    moved = np.full(shape, outside, labels.dtype, order=layout)
    order = [int(np.flatnonzero(matrix[:3, axis])[0]) for axis in range(3)]
    target, source = [], []
    for axis, side in enumerate(shape):
        step, start = int(matrix[order[axis], axis]), int(matrix[order[axis], 3])
        indices = start + step * np.arange(side)
        valid = np.flatnonzero((indices >= 0) & (indices < labels.shape[order[axis]]))
        if not valid.size:
            return moved
        first, last = indices[valid[[0, -1]]].tolist()
        # A slice that runs down to index 0 has no end that could be written as a number.
        source.append(slice(first, last + step if last + step >= 0 else None, step))
        target.append(slice(int(valid[0]), int(valid[-1]) + 1))
    moved[tuple(target)] = labels.transpose(order)[tuple(source)]
    return moved
