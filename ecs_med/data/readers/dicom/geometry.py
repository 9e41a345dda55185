"""Where the slices of a series lie: a grid in space by their positions, or why they are none."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.dicom.planes import (
    Directions,
    Plane,
    directions_of_planes,
    ordered_planes,
    require_alike,
)
from ecs_med.data.readers.grids import Affine
from ecs_med.errors import UnreadableFileError
from ecs_med.types import Problem

__all__ = ["SAME_PLACE_MM", "Placed", "ResamplableError", "place_planes"]

SAME_PLACE_MM = 1e-3
"""Slices that lie closer together lie in the same place."""

_STEP_SHARE = 0.05
"""How far a slice may lie off the even grid from the first to the last one, in steps."""

_PIXEL_SHARE = 0.1
"""How far it may lie off it sideways, in pixels."""

_SHEAR_PIXELS = 0.5
"""How far the last slice may lie beside the normal of the first one, in pixels."""

_SHEAR_PER_MM = 1e-3
"""Or in mm for each mm of the volume's length, which rounded directions bring about."""

_TOLD_MM = 0.01
"""Slices that lie further off an even grid are told of."""

_LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])


class ResamplableError(UnreadableFileError):
    """The slices are whole, but no even grid, which `resample_series` can make of them.

    Attributes:
        planes: The slices in order along their normal, each place once.
    """

    def __init__(self, path: Path, reason: str, remedy: str, planes: Sequence[Plane]) -> None:
        super().__init__(path, reason, remedy)
        self.planes = tuple(planes)

    @property
    def files(self) -> tuple[Path, ...]:
        """Files of the slices, in order; the one file of a multi-frame object once."""
        return tuple(dict.fromkeys(plane.path for plane in self.planes))


@dataclass(frozen=True, slots=True)
class Placed:
    """Slices as a grid in space.

    Attributes:
        planes: The slices in order along their normal, as on the last array axis.
        affine: `(4, 4)`, voxel `(column, row, slice)` to RAS mm.
        problems: What is odd about them.
    """

    planes: tuple[Plane, ...]
    affine: Affine
    problems: tuple[Problem, ...] = field(default=())

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(columns, rows, slices)`."""
        return self.planes[0].columns, self.planes[0].rows, len(self.planes)


def place_planes(planes: Sequence[Plane]) -> Placed:
    """Order slices and find their grid.

    Positions alone decide; neither instance numbers nor the thickness of slices do. Slices may lie
    a twentieth of a step off an even grid, and half a pixel beside the normal over the whole volume
    (or a thousandth of its length). The side of a single slice is the distance that its header
    gives, else its thickness, else 1 mm; the two latter are told of.

    Args:
        planes: Of one series, each place once, in any order.

    Raises:
        ResamplableError: If they are tilted, a slice is missing, or they are not evenly spaced.
        UnreadableFileError: If one does not say where it lies, or does not belong to the others.
    """
    require_alike(planes)
    directions = directions_of_planes(planes)
    ordered = ordered_planes(planes, directions)
    if len(ordered) == 1:
        side, problems = _side_of_single(ordered[0])
        return Placed(ordered, _affine(ordered, directions, directions.normal * side), problems)
    positions = np.array([plane.position for plane in ordered])
    _require_even(ordered, positions, directions)
    _require_straight(ordered, positions, directions)
    step = (positions[-1] - positions[0]) / (len(ordered) - 1)
    off = positions - positions[0] - np.arange(len(ordered))[:, None] * step
    furthest = float(np.linalg.norm(off, axis=1).max())
    note = (
        f"slices lie up to {furthest:.2g} mm off an even grid of {np.linalg.norm(step):.4g} mm, "
        "which is believed instead"
    )
    told = (Problem("note", note, path=ordered[0].path),) if furthest > _TOLD_MM else ()
    return Placed(ordered, _affine(ordered, directions, step), told)


def _require_even(
    planes: Sequence[Plane], positions: npt.NDArray[np.float64], directions: Directions
) -> None:
    """Refuse slices that do not follow each other at equal distances along their normal."""
    heights = positions @ directions.normal
    steps = np.diff(heights)
    even = np.linspace(heights[0], heights[-1], len(heights))
    usual = float(np.median(steps))
    if np.abs(heights - even).max() <= _STEP_SHARE * usual:
        return
    worst = int(np.abs(steps - usual).argmax())
    here, after = planes[worst], planes[worst + 1]
    ratio = steps[worst] / usual if usual > 0 else 0.0
    missing = round(ratio) - 1
    guess = ""
    if missing > 0 and abs(ratio - round(ratio)) < 2 * _STEP_SHARE:
        guess = f", as if {missing} slice{'s were' if missing > 1 else ' were'} missing"
    raise ResamplableError(
        here.path, f"{here.itself}lies at {heights[worst]:.2f} mm and the next slice, "
        f"{after.beside(here)}, at {heights[worst + 1]:.2f} mm: {steps[worst]:.4g} mm apart, where "
        f"{usual:.4g} mm are usual in this series{guess}",
        "export the series whole, or use `resample`", planes,
    )  # fmt: skip


def _require_straight(
    planes: Sequence[Plane], positions: npt.NDArray[np.float64], directions: Directions
) -> None:
    """Refuse slices that are tilted against the way they are stacked, or shifted sideways."""
    along = positions[-1] - positions[0]
    height = float(along @ directions.normal)
    beside = float(np.linalg.norm(along - height * directions.normal))
    pixel = min(planes[0].spacing or ())
    if beside > max(_SHEAR_PIXELS * pixel, _SHEAR_PER_MM * height):
        angle = np.degrees(np.arctan2(beside, height))
        raise ResamplableError(
            planes[0].path, f"slices are tilted by {angle:.1f} degrees against the direction in "
            f"which they are stacked (gantry tilt), so that {planes[-1].beside(planes[0])} lies "
            f"{beside:.1f} mm aside", "use `resample`", planes,
        )  # fmt: skip
    off = positions - np.linspace(positions[0], positions[-1], len(positions))
    sideways = np.linalg.norm(off - np.outer(off @ directions.normal, directions.normal), axis=1)
    worst = int(sideways.argmax())
    if sideways[worst] > _PIXEL_SHARE * pixel:
        plane = planes[worst]
        raise ResamplableError(
            plane.path, f"{plane.itself}lies {sideways[worst]:.3g} mm beside the line from "
            f"{planes[0].beside(plane)} to {planes[-1].beside(plane)}", "use `resample`", planes,
        )  # fmt: skip


def _side_of_single(plane: Plane) -> tuple[float, tuple[Problem, ...]]:
    """How thick the voxels of a single slice are in mm, and what is told of that."""
    if plane.spacing_between and plane.spacing_between > 0:
        return plane.spacing_between, ()
    if plane.thickness and plane.thickness > 0:
        words = f"is a single slice; its thickness of {plane.thickness:.4g} mm stands for a spacing"
        return plane.thickness, (Problem("note", words, path=plane.path),)
    words = "is a single slice of unknown thickness, for which 1 mm is taken"
    return 1.0, (Problem("note", words, path=plane.path),)


def _affine(
    planes: Sequence[Plane], directions: Directions, step: npt.NDArray[np.float64]
) -> Affine:
    row_mm, column_mm = planes[0].spacing or (1.0, 1.0)
    return affine_of(
        directions.columns * column_mm,
        directions.rows * row_mm,
        step,
        np.array(planes[0].position),
    )


def affine_of(*columns: npt.NDArray[np.float64]) -> Affine:
    """`(4, 4)` to RAS mm from steps along columns, rows and slices, and the origin, in LPS mm."""
    affine = np.eye(4)
    affine[:3] = np.stack(columns, axis=1) * _LPS_TO_RAS[:, None]
    return affine
