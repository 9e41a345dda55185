"""What is odd about the header of a NIfTI file that can be read all the same."""

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecs_med.data.readers.grids import grid_distance_mm, same_grid, spacing_of
from ecs_med.data.readers.nifti_header import (
    checked_header,
    is_compressed,
    mm_per_unit,
    open_volume_header,
    second_affine,
)
from ecs_med.files import regular_file
from ecs_med.types import Problem

__all__ = ["oddities_of"]


def oddities_of(path: Path) -> Iterator[Problem]:
    """Findings about the header of a file, with what is believed instead.

    Raises:
        UnreadableFileError: If the file cannot be read at all.
    """
    image = open_volume_header(path)
    shape, affine = checked_header(image, path)
    sides = _stored_sides(path, image)
    second = second_affine(image)
    # The side of a single layer means nothing.
    if any(n > 1 and not (np.isfinite(s) and s > 0) for s, n in zip(sides, shape, strict=False)):
        yield _wrong_sides(path, image, sides, spacing_of(affine))
    elif second is not None and not same_grid(affine, second, shape[:3]):
        distance = grid_distance_mm(affine, second, shape[:3])
        yield Problem(
            "warning",
            f"its sform and qform disagree by {distance:.3g} mm; the sform is used",
            "Keep the one by which the masks were drawn: fslorient -copysform2qform, or "
            "-copyqform2sform",
            path,
        )
    if mm_per_unit(image.header) != 1:
        unit = "metres" if mm_per_unit(image.header) > 1 else "micrometres"
        sides_mm = _listed(spacing_of(affine))
        yield Problem("note", f"its header counts in {unit}: voxels of {sides_mm} mm", path=path)


def _stored_sides(path: Path, image: Any) -> list[float]:
    """Voxel sides as the file has them, before nibabel mends them."""
    kind = type(image.header)
    with regular_file(path).open("rb") as file:
        stream: Any = gzip.GzipFile(fileobj=file) if is_compressed(path) else file
        raw = kind(stream.read(kind.template_dtype.itemsize), check=False)
    return [float(side) for side in raw["pixdim"][1:4]]


def _wrong_sides(path: Path, image: Any, stored: Sequence[float], used: Sequence[float]) -> Problem:
    source = "of its sform" if image.header["sform_code"] > 0 else "instead"
    return Problem(
        "warning",
        f"voxel sides of {_listed(stored)} mm in its header (pixdim); {_listed(used)} mm {source} "
        "are used",
        "Check that this is their size, and export the file with it",
        path,
    )


def _listed(sides: Sequence[float]) -> str:
    return " x ".join(f"{side:.4g}" for side in sides)
