"""What the headers of NRRD and MetaImage say, and what both are held to."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.grids import Affine
from ecs_med.data.readers.nifti_header import MAX_VOXELS
from ecs_med.errors import UnreadableFileError
from ecs_med.files import regular_file

__all__ = [
    "COPY_AGAIN",
    "LPS_TO_RAS",
    "TextHeader",
    "data_beside",
    "real_numbers",
    "require_readable",
    "split_lines",
    "start_of",
    "whole_numbers",
]

COPY_AGAIN = "copy or export it again"
LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])

_MAX_HEADER = 2**20
_MAX_DEFLATE_RATIO = 1040
"""DEFLATE cannot compress better than 1032:1."""
_MAX_CHANNELS = 1024


@dataclass(frozen=True, slots=True)
class TextHeader:
    """A header that has been checked, and where its voxels are.

    Attributes:
        shape: `(X, Y, Z)`; Z is 1 for a file of two axes.
        num_channels: Values of a voxel.
        channels_first: Whether the values of a voxel follow each other in the file.
        dtype: Of a value, with its byte order.
        affine: Voxel to RAS mm.
        has_position: Whether the file says where in the body it lies.
        data: The file of the voxels: the file itself, or one beside it.
        offset: Where they begin in it, in bytes; `None`: they end where it ends.
        packed: Whether they are deflated.
        pairs: Values by key of what a program added to NRRD, such as the segments of 3D Slicer.
    """

    shape: tuple[int, int, int]
    num_channels: int
    channels_first: bool
    dtype: np.dtype[Any]
    affine: Affine
    has_position: bool
    data: Path
    offset: int | None
    packed: bool
    pairs: Mapping[str, str] = field(default_factory=dict)

    @property
    def num_bytes(self) -> int:
        """Of the voxels, unpacked."""
        return math.prod(self.shape) * self.num_channels * self.dtype.itemsize


def start_of(path: Path) -> bytes:
    """As much of a file as a header may take.

    Raises:
        UnreadableFileError: If it cannot be read.
    """
    try:
        with regular_file(path).open("rb") as file:
            return file.read(_MAX_HEADER)
    except OSError as error:
        raise UnreadableFileError(path, error.strerror or "cannot be read", "check it") from error


def split_lines(start: bytes) -> list[tuple[str, int]]:
    """Lines without their ends, each with the place behind it; the last one may be cut."""
    lines, place = [], 0
    for line in start.split(b"\n"):
        place += len(line) + 1
        lines.append((line.rstrip(b"\r").decode("utf-8", "replace"), min(place, len(start))))
    return lines


def whole_numbers(path: Path, text: str) -> tuple[int, ...]:
    """Sizes.

    Raises:
        UnreadableFileError: If there are others than whole numbers of at most nine digits.
    """
    parts = text.split()
    if not all(re.fullmatch(r"[0-9]{1,9}", part) for part in parts):
        raise UnreadableFileError(path, "has sizes that are no whole numbers", COPY_AGAIN)
    return tuple(map(int, parts))


def real_numbers(path: Path, text: str, count: int) -> npt.NDArray[np.float64]:
    """So many finite numbers.

    Raises:
        UnreadableFileError: If there are others.
    """
    parts = text.split()
    try:
        found = np.array([float(part) for part in parts[: count + 1]])
    except ValueError:
        found = np.array([])
    if len(found) != count or not np.isfinite(found).all():
        raise UnreadableFileError(path, "has a place in space that is no numbers", COPY_AGAIN)
    return found


def require_readable(header: TextHeader, path: Path) -> TextHeader:
    """The header, if its sizes can be and the data is as large as they need.

    Raises:
        UnreadableFileError: If not.
    """
    if min(header.shape) < 1 or header.num_channels < 1:
        raise UnreadableFileError(path, "has an axis without voxels", COPY_AGAIN)
    if header.num_channels > _MAX_CHANNELS:
        raise UnreadableFileError(
            path, f"has {header.num_channels:,} values a voxel, and {_MAX_CHANNELS:,} are read at "
            "most", "store fewer channels",
        )  # fmt: skip
    count = math.prod(header.shape) * header.num_channels
    if count > MAX_VOXELS:
        raise UnreadableFileError(
            path,
            f"has {count:,} values, and {MAX_VOXELS:,} are read at most",
            "crop or resample it",
        )
    affine = header.affine
    # What overflows is refused as what it is.
    with np.errstate(all="ignore"):
        spans = np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 1e-12
    if not spans:
        raise UnreadableFileError(path, "has axes that span no space", COPY_AGAIN)
    _require_bytes(header, path)
    return header


def _require_bytes(header: TextHeader, path: Path) -> None:
    size = header.data.stat().st_size
    there = size - (header.offset or 0)
    needed = header.num_bytes
    if needed > there * (_MAX_DEFLATE_RATIO if header.packed else 1):
        raise UnreadableFileError(
            path, f"needs {needed:,} bytes of voxels by its header, which its data cannot hold",
            COPY_AGAIN,
        )  # fmt: skip
    if not header.packed and header.offset is not None and needed < there:
        raise UnreadableFileError(
            path, f"needs {needed:,} bytes of voxels by its header, and its data holds {there:,}",
            COPY_AGAIN,
        )  # fmt: skip


def data_beside(path: Path, name: str) -> Path:
    """The file of the voxels, which must lie beside its header.

    Args:
        path: The header.
        name: What it says of the file.

    Raises:
        UnreadableFileError: If there are several, or it is elsewhere, or cannot be read.
    """
    name = name.strip()
    if name.upper().split()[:1] in ([], ["LIST"]) or "%" in name:
        raise UnreadableFileError(path, "has its voxels in several files", "store them in one file")
    if Path(name).name != name or "\\" in name or "\0" in name:
        raise UnreadableFileError(
            path, "names a file of voxels that does not lie beside it", "put both into one folder"
        )
    try:
        # A header may be a link to one that lies beside its voxels.
        beside = (path.parent / name, path.resolve().parent / name)
        data = beside[0] if beside[0].exists() else beside[1]
        if data.samefile(path):
            raise UnreadableFileError(path, "names itself as its voxels", COPY_AGAIN)
        return regular_file(data)
    except (OSError, ValueError) as error:
        raise UnreadableFileError(
            path, "has its voxels in a file beside it, which cannot be read", "copy that as well"
        ) from error
