"""What the header of a NIfTI file says, held against the file before it is believed."""

import logging
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel import imageglobals
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from ecs_med.data.readers.grids import Affine, spacing_of, times
from ecs_med.errors import UnreadableFileError
from ecs_med.files import regular_file

__all__ = [
    "MAX_VOXELS",
    "checked_header",
    "has_position",
    "is_compressed",
    "mm_per_unit",
    "open_volume_header",
    "quiet_nibabel",
    "second_affine",
]

MAX_VOXELS = 2**30
"""More voxels than this (1024 x 1024 x 1024) are refused before any memory is asked for."""

_MAX_DEFLATE_RATIO = 1040
"""DEFLATE cannot compress better than 1032:1, so a header that claims more is lying."""

_MAX_OFFSET = 2**26
"""Extensions of a header end before this; in a compressed file, finding out takes long."""

_COPY_AGAIN = "copy or export it again"

_quiet: ContextVar[bool] = ContextVar("quiet", default=False)


def _is_to_be_said(record: logging.LogRecord) -> bool:
    return not _quiet.get()


imageglobals.logger.addFilter(_is_to_be_said)


@contextmanager
def quiet_nibabel() -> Iterator[None]:
    """Let nibabel log nothing in this thread: its lines name no file; `oddities_of` says it all."""
    token = _quiet.set(True)
    try:
        yield
    finally:
        _quiet.reset(token)


def has_position(image: Any) -> bool:
    """Whether the header says where in space the volume lies (a non-zero sform or qform code)."""
    return bool(image.header["sform_code"] > 0 or image.header["qform_code"] > 0)


def is_compressed(path: Path) -> bool:
    """Whether the name says that the file is gzip-compressed."""
    return path.name.lower().endswith(".gz")


def open_volume_header(path: Path) -> Any:
    """The file as a nibabel image, its voxels not read and its header not yet believed.

    Raises:
        UnreadableFileError: If it is missing or not NIfTI.
    """
    try:
        with regular_file(path).open("rb") as file:
            start = file.read(2)
    except FileNotFoundError:
        raise UnreadableFileError(path, "no such file", "check the name") from None
    except OSError as error:
        reason = f"cannot be opened ({error.strerror})"
        raise UnreadableFileError(path, reason, "check the path and its permissions") from error
    if not start:
        raise UnreadableFileError(path, "empty file", _COPY_AGAIN)
    if is_compressed(path) != (start == b"\x1f\x8b"):
        what, right = ("is not", ".nii") if is_compressed(path) else ("is", ".nii.gz")
        raise UnreadableFileError(
            path, f"{what} gzip-compressed, against its name",
            f"name it {right} if it is a NIfTI file, or {_COPY_AGAIN}",
        )  # fmt: skip
    try:
        with quiet_nibabel():
            image = nibabel.load(path)
    except (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error) as error:
        raise UnreadableFileError(path, "not a NIfTI file, or truncated", _COPY_AGAIN) from error
    if not isinstance(image, nibabel.Nifti1Image):  # Nifti2Image derives from it
        raise UnreadableFileError(path, "not a NIfTI file", "convert it to .nii.gz")
    return image


def checked_header(image: Any, path: Path) -> tuple[tuple[int, int, int, int], Affine]:
    """Shape with channels and affine, after holding the header against the file."""
    shape = _shape_with_channels(tuple(int(side) for side in image.shape), path)
    kind = image.get_data_dtype()
    if kind.fields is not None or kind.kind not in "iuf":
        raise UnreadableFileError(
            path, f"its voxels are {_kind_in_words(kind)}", "store one real number a voxel"
        )
    voxels = math.prod(shape)
    if voxels > MAX_VOXELS:
        raise UnreadableFileError(
            path, f"its header claims {times(shape)} voxels", "crop or resample the volume"
        )
    size = path.stat().st_size
    room = size * _MAX_DEFLATE_RATIO if is_compressed(path) else size
    room -= int(image.dataobj.offset)  # nibabel sets the header's own vox_offset to 0
    if image.dataobj.offset > _MAX_OFFSET:
        raise UnreadableFileError(
            path, f"its header puts the voxels at byte {image.dataobj.offset:,}", _COPY_AGAIN
        )
    if voxels * kind.itemsize > room:
        raise UnreadableFileError(
            path, f"truncated: {size} bytes cannot hold the {times(shape)} voxels of its header",
            _COPY_AGAIN,
        )  # fmt: skip
    return shape, _checked_affine(_in_mm(image.affine, image.header), path)


def second_affine(image: Any) -> Affine | None:
    """The qform where the sform is what counts and both say a position; `None` else."""
    if not (image.header["sform_code"] > 0 and image.header["qform_code"] > 0):
        return None
    try:
        matrix = _in_mm(image.header.get_qform(), image.header)
    except (HeaderDataError, ValueError):  # its quaternion is none
        return None
    usable = np.isfinite(matrix).all() and np.linalg.det(matrix[:3, :3]) != 0
    return matrix if usable else None


def mm_per_unit(header: Any) -> float:
    """Millimetres in the unit of length of a header; an unknown one counts as millimetre."""
    return {1: 1000.0, 3: 0.001}.get(int(header["xyzt_units"]) & 7, 1.0)


def _in_mm(affine: Any, header: Any) -> Affine:
    matrix = np.array(affine, np.float64)
    factor = mm_per_unit(header)
    if factor != 1:
        matrix[:3] *= factor
    return matrix


def _shape_with_channels(shape: tuple[int, ...], path: Path) -> tuple[int, int, int, int]:
    sides = list(shape)
    if len(sides) == 2:
        sides.append(1)
    while len(sides) > 4 and 1 in sides[3:]:
        del sides[3 + sides[3:].index(1)]
    if len(sides) == 3:
        sides.append(1)
    if len(sides) != 4 or min(sides) < 1:
        raise UnreadableFileError(
            path, f"its shape is {times(shape)}", "three axes in space and one of channels at most"
        )
    return sides[0], sides[1], sides[2], sides[3]


def _checked_affine(affine: Any, path: Path) -> Affine:
    matrix = np.asarray(affine, np.float64)
    usable = bool(np.isfinite(matrix).all())
    if usable:
        spacing = np.array(spacing_of(matrix))
        # Axes of unit length span almost no volume where they nearly coincide.
        usable = bool((spacing > 0).all()) and bool(
            abs(np.linalg.det(matrix[:3, :3] / spacing)) > 1e-4
        )
    if not usable:
        raise UnreadableFileError(
            path, "its affine is singular or not finite", "export it again with correct spacing"
        )
    return matrix


def _kind_in_words(kind: np.dtype[Any]) -> str:
    if kind.fields is not None:
        return "RGB colours"
    return "complex numbers" if kind.kind == "c" else f"of type {kind}"
