"""What is odd about the place of an image in space, and about that of a mask on its image."""

import math
from collections.abc import Sequence
from pathlib import Path

from ecs_med.config import OutsideMask
from ecs_med.data.masks.alignment import place_mask
from ecs_med.data.readers import Scan, read_header, reader_of
from ecs_med.data.readers.grids import shear
from ecs_med.types import Problem

__all__ = ["image_geometry_problems", "mask_geometry_problems", "shear_problems"]

SHEAR = 1e-3
"""Cosine of the angle between two axes of voxels from which on they are not at right angles."""


def image_geometry_problems(images: Sequence[Path]) -> list[Problem]:
    """What headers say that cannot be, or say twice and not alike.

    Raises:
        DataError: If a file cannot be read.
    """
    return list(reader_of(images).header_problems(images))


def mask_geometry_problems(
    images: Sequence[Path], mask: Path, outside: OutsideMask, frame: int | None = None
) -> list[Problem]:
    """As `image_geometry_problems` of a mask, and how it lies on its image, if not on its grid.

    Args:
        images: The files of the case.
        mask: Its mask, which can be read.
        outside: What the user said of voxels that it does not cover.
        frame: As in `Case`.

    Raises:
        DataError: If image and mask do not belong on one grid.
    """
    header = read_header(images, frame)
    if not header.is_volume:
        return []
    reader = reader_of([mask])
    problems = list(reader.mask_problems(mask, images))
    stored = reader.mask_header(mask, images)
    placement = place_mask(header, stored, images[0], mask, outside)
    found = placement.problem(header, stored, mask, outside)
    return problems if found is None else [*problems, found]


def shear_problems(path: Path, scan: Scan) -> list[Problem]:
    """Whether voxels are no boxes, so that a slice shows the body distorted."""
    if scan.affine is None or shear(scan.affine) <= SHEAR:
        return []
    angle = 90 - math.degrees(math.acos(min(1.0, shear(scan.affine))))
    return [
        Problem(
            "warning",
            f"its affine is sheared: two axes of its voxels are {angle:.2g} degrees off a right "
            "angle, and slices are taken as if they were not",
            "Resample it onto a grid at right angles, or correct its affine",
            path,
        )
    ]
