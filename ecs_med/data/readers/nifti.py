"""Reading and writing of NIfTI volumes, every failure as one sentence."""

import gzip
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
from nibabel.filebasedimages import ImageFileError

from ecs_med.data.readers.grids import resample_labels
from ecs_med.data.readers.nifti_header import (
    Affine,
    checked_header,
    is_compressed,
    open_volume_header,
    read_volume_header,
)
from ecs_med.data.readers.nifti_writing import write_labels_like, write_map_like
from ecs_med.errors import UnreadableFileError

__all__ = [
    "VOLUME_SUFFIXES",
    "read_stored_volume",
    "read_volume",
    "read_volume_channels",
    "read_volume_header",
    "resample_labels",
    "write_labels_like",
    "write_map_like",
]

VOLUME_SUFFIXES = (".nii", ".nii.gz")
"""Suffixes of volumes, lower case; names are compared without regard to case."""


def read_volume(path: Path) -> tuple[npt.NDArray[np.float32], Affine]:
    """Read a volume of one channel.

    Args:
        path: `.nii` or `.nii.gz`.

    Returns:
        `(X, Y, Z)` float32 with the file's scaling applied, axes as in the file, and
        the `(4, 4)` affine from voxel to RAS millimetres.

    Raises:
        UnreadableFileError: As `read_volume_channels`, or if there are several channels.
    """
    channels, affine = read_volume_channels(path)
    if len(channels) > 1:
        raise UnreadableFileError(
            path, f"holds {len(channels)} channels where one is expected", "store one a file"
        )
    return channels[0], affine


def read_volume_channels(path: Path) -> tuple[npt.NDArray[np.float32], Affine]:
    """Read a volume whose fourth axis, if there is one, holds channels.

    Returns:
        `(C, X, Y, Z)` float32 with the file's scaling applied, and the affine.

    Raises:
        UnreadableFileError: If the file is missing, truncated, not NIfTI, of complex or RGB voxels,
            larger than `MAX_VOXELS`, has a singular affine, or holds NaN or infinite voxels.
    """
    stored, affine = read_stored_volume(path)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused as infinite
        values = stored.astype(np.float32, copy=False)
    _require_finite(values, path)
    return np.moveaxis(values, -1, 0), affine


def read_stored_volume(path: Path) -> tuple[npt.NDArray[Any], Affine]:
    """Read voxels in the number type of the file, where it has no scaling.

    Returns:
        `(X, Y, Z, C)` and the affine.

    Raises:
        UnreadableFileError: As `read_volume_channels`, but NaN is let through.
    """
    header = open_volume_header(path)
    shape, affine = checked_header(header, path)
    try:
        with ExitStack() as stack:
            stream: BinaryIO = stack.enter_context(path.open("rb"))
            if is_compressed(path):
                stream = cast(BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=stream)))
            values = np.asanyarray(type(header).from_stream(stream).dataobj)
            # The checksum of a compressed file is only compared at its end.
            stream.read(1)
            if not values.flags.writeable:  # uncompressed files come memory-mapped
                values = values.copy()
    except (OSError, EOFError, ValueError, zlib.error, ImageFileError) as error:
        raise UnreadableFileError(
            path,
            f"damaged or truncated ({' '.join(str(error).split())})",
            "copy or export it again",
        ) from error
    return values.reshape(shape), affine


def _require_finite(values: npt.NDArray[np.float32], path: Path) -> None:
    # Minimum and maximum show NaN and infinity without a mask as large as the volume.
    if np.isfinite(values.min()) and np.isfinite(values.max()):
        return
    broken = values.size - int(np.count_nonzero(np.isfinite(values)))
    raise UnreadableFileError(
        path, f"{broken} of its {values.size} voxels are NaN or infinite",
        "replace them, for example by the value of air, or export it again",
    )  # fmt: skip
