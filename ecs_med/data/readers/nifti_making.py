"""NIfTI images made anew from voxels and their place in space, without the past of a file."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.grids import Affine
from ecs_med.data.readers.scans import Scan

__all__ = ["placed_image", "write_volume"]

_PERPENDICULAR = 1e-4
"""Cosine of the angle between axes that still are perpendicular."""


def placed_image(values: npt.NDArray[Any], affine: Affine | None, code: int | str) -> Any:
    """An image in mm that says by sform and, where it can, by qform where it lies.

    Args:
        values: `(X, Y, Z)` or `(X, Y, Z, C)`.
        affine: `(4, 4)`, voxel to RAS mm; a volume has one.
        code: Of sform and qform, as of nibabel.
    """
    image = nibabel.Nifti1Image(values, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, code=code)
    # A qform cannot hold axes that are not perpendicular: it would say something else.
    axes = image.affine[:3, :3] / np.linalg.norm(image.affine[:3, :3], axis=0)
    sheared = np.abs(axes.T @ axes - np.eye(3)).max() > _PERPENDICULAR
    image.set_qform(None if sheared else affine, code="unknown" if sheared else code)
    return image


def write_volume(path: Path, values: npt.NDArray[Any], scan: Scan) -> None:
    """Write voxels on the grid of a scan: no description, no name, no tag of a source goes over.

    Args:
        path: Of a `.nii` or `.nii.gz` file; it is written in place.
        values: `(X, Y, Z)` or `(X, Y, Z, C)`.
        scan: Whose grid they have.
    """
    if values.dtype.kind == "b" or values.dtype == np.int64:
        values = values.astype(np.int32)
    placed_image(values, scan.affine, 1 if scan.has_position else 0).to_filename(path)
