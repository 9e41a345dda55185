"""Where a mask lies on its image: found from both headers, told, and followed when it is read."""

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from ecs_med.config import OutsideMask
from ecs_med.data.readers import ScanHeader
from ecs_med.data.readers.grids import (
    Affine,
    covered_share,
    grid_distance_mm,
    is_turned_only,
    lies_on_voxels,
    resample_labels,
    same_grid,
    spacing_of,
    times,
)
from ecs_med.errors import DataError
from ecs_med.types import IGNORE_INDEX, Problem

__all__ = ["Placement", "brought_onto_image", "place_mask"]

MIN_COVERED = 0.5
"""A mask of the image's own shape that covers less of it in space has lost its position."""
ASK_BELOW = 0.95
"""A mask of another shape that covers less of its image: what lies outside is asked."""

_Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Placement:
    """How the mask of a volume lies on its image.

    Attributes:
        way: `grid`: voxel on voxel; `unplaced`: the same, since neither says where it lies;
            `turned`: the same voxels, axes in another order or direction; `resampled`: by nearest
            neighbour.
        affine: Of the image, by which the mask lies so.
        by_second: Whether that, or what the mask says, is the second position of its header.
        covered: Share of the image's voxels that the mask covers, 0 to 1.
        distance_mm: Between the positions of a corner, at most; of masks of the image's own shape.
    """

    way: Literal["grid", "unplaced", "turned", "resampled"]
    affine: Affine
    by_second: bool = False
    covered: float = 1.0
    distance_mm: float | None = None

    def problem(
        self, header: ScanHeader, stored: ScanHeader, mask: Path, outside: OutsideMask
    ) -> Problem | None:
        """What a person should know of it; `None` where nothing is changed or lost."""
        if self.way == "unplaced":
            return _unplaced_problem(header, stored, mask)
        if self.way == "resampled":
            return self._resampled_problem(header, stored, mask, outside)
        if not self.by_second:
            return None
        away = "" if self.distance_mm is None else f" {self.distance_mm:.3g} mm"
        return Problem(
            "warning",
            f"lies{away} away from its image by sform, and on its grid by qform: taken voxel by "
            "voxel, not resampled",
            "Check that it fits; then write image and mask with one position",
            mask,
        )

    def _resampled_problem(
        self, header: ScanHeader, stored: ScanHeader, mask: Path, outside: OutsideMask
    ) -> Problem:
        rest = "background" if outside == "background" else "void"
        what = f"covers {_percent(self.covered)} of it"
        done = "resampled onto it by nearest neighbour"
        if self.distance_mm is not None and not self.by_second:
            return Problem(
                "warning",
                f"has the shape of its image, but lies {self.distance_mm:.3g} mm away and {what}: "
                f"{done}, {rest} where it does not reach",
                "Write both with the same position if they belong voxel on voxel",
                mask,
            )
        sizes = f"{times(stored.shape)} voxels, where its image has {times(header.shape)}"
        sizes += ", and lies on these by the qform" if self.by_second else ""
        if outside == "ask" and (self.covered < 1 or self.by_second):
            return Problem(
                "warning",
                f"{sizes}, and {what}: {done}, void where it does not reach",
                "Say what lies outside of it: `outside_mask=background`, or `outside_mask=void` "
                "where nobody looked",
                mask,
            )
        end = f": {done}" if self.covered == 1 else f", and {what}; the rest is {rest}"
        return Problem("note", f"{sizes}{end}", path=mask)


def place_mask(
    header: ScanHeader, stored: ScanHeader, image: Path, mask: Path, outside: OutsideMask
) -> Placement:
    """Find how the mask of a volume lies on its image.

    Args:
        header: Of the image.
        stored: Of the mask.
        image: For messages.
        mask: For messages.
        outside: What the user said of voxels that the mask does not cover.

    Raises:
        DataError: If they cannot be brought together without guessing; both are named.
    """
    assert header.affine is not None
    assert stored.affine is not None
    shape, own = _three(header.shape), _three(stored.shape)
    distance = grid_distance_mm(header.affine, stored.affine, shape) if own == shape else None
    if own == shape:
        found = _voxel_on_voxel(header, stored, distance)
        if found is not None:
            return found
    _require_position(header, stored, image, mask)
    affine, by_second = _affine_of_image(header, stored.affine)
    if is_turned_only(own, stored.affine, shape, affine):
        return Placement("turned", affine, by_second, distance_mm=distance)
    covered = covered_share(own, stored.affine, shape, affine)
    if covered == 0 or (own == shape and covered < MIN_COVERED):
        raise DataError(
            f"{mask} ({times(own)}) covers {covered:.0%} of {image} ({times(shape)}) in space; one "
            "of them has a wrong affine: write both with the same one."
        )
    if own != shape and covered < ASK_BELOW and outside == "ask":
        raise DataError(
            f"{mask} ({times(own)}) covers {_percent(covered)} of {image} ({times(shape)}) in "
            "space; say what lies outside of it: `outside_mask=background` (annotation programs "
            "save no more than the extent of the drawing), or `outside_mask=void` where nobody "
            "looked."
        )
    return Placement("resampled", affine, by_second, covered, distance)


def brought_onto_image(
    labels: npt.NDArray[np.uint8],
    affine: Affine,
    header: ScanHeader,
    placement: Placement,
    outside: OutsideMask,
) -> npt.NDArray[np.uint8]:
    """The labels of a mask on the grid of its image.

    Args:
        labels: `(X, Y, Z)`, on the grid of the mask.
        affine: Of the mask.
        header: Of the image.
        placement: How the one lies on the other.
        outside: What voxels are that the mask does not cover: background, else void.
    """
    if placement.way in ("grid", "unplaced"):
        return labels
    fill = 0 if outside == "background" else IGNORE_INDEX
    shape = _three(header.shape)
    moved = resample_labels(labels, affine, shape, placement.affine, outside=fill)
    return moved.astype(np.uint8, copy=False)


def _voxel_on_voxel(
    header: ScanHeader, stored: ScanHeader, distance: float | None
) -> Placement | None:
    """The placement of a mask of the image's own shape whose voxels are those of the image."""
    assert header.affine is not None
    assert stored.affine is not None
    if same_grid(header.affine, stored.affine, header.shape):
        return Placement("grid", header.affine)
    if not header.has_position and not stored.has_position:
        return Placement("unplaced", header.affine)
    if not (header.has_position and stored.has_position):
        return None
    theirs = [affine for affine in (header.affine, header.other_affine) if affine is not None]
    own = [affine for affine in (stored.affine, stored.other_affine) if affine is not None]
    for one, other in product(theirs, own):
        if same_grid(one, other, header.shape):
            return Placement("grid", one, by_second=True, distance_mm=distance)
    return None


def _affine_of_image(header: ScanHeader, affine: Affine) -> tuple[Affine, bool]:
    """The one that a mask goes by, and whether it is the second one.

    Annotation programs that look at the qform draw, and cut out, where it says.
    """
    first, second = header.affine, header.other_affine
    assert first is not None
    if second is None or lies_on_voxels(affine, header.shape, first):
        return first, False
    return (second, True) if lies_on_voxels(affine, header.shape, second) else (first, False)


def _require_position(header: ScanHeader, stored: ScanHeader, image: Path, mask: Path) -> None:
    if header.has_position and stored.has_position:
        return
    if header.has_position == stored.has_position:
        raise DataError(
            f"{mask} ({times(stored.shape)}) cannot be aligned with {image} "
            f"({times(header.shape)}): neither has a position in space (sform or qform); write "
            "both with their affines, or in one shape."
        )
    lost = image if stored.has_position else mask
    raise DataError(
        f"{mask} cannot be aligned with {image}: {lost.name} has no position in space (neither "
        "sform nor qform); write both with the same affine."
    )


def _unplaced_problem(header: ScanHeader, stored: ScanHeader, mask: Path) -> Problem:
    assert header.affine is not None
    assert stored.affine is not None
    own, theirs = (
        " x ".join(f"{side:.4g}" for side in spacing_of(affine))
        for affine in (stored.affine, header.affine)
    )
    return Problem(
        "warning",
        f"has voxels of {own} mm, where those of its image have {theirs} mm, and neither says "
        "where it lies: taken voxel by voxel",
        "Check that it fits; then write image and mask with one affine",
        mask,
    )


def _percent(share: float) -> str:
    """Never rounded to all of it where it is not."""
    return "100 %" if share == 1 else f"{min(share * 100, 99.9):.3g} %"


def _three(shape: tuple[int, ...]) -> _Shape:
    return shape[0], shape[1], shape[2]
