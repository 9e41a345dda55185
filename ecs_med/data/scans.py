"""Reading a case's image: one picture, one volume, or one file a channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.grids import grid_distance_mm, spacing_of
from ecs_med.data.readers.nifti import VOLUME_SUFFIXES, read_volume_channels, read_volume_header
from ecs_med.data.readers.pictures import (
    PICTURE_SUFFIXES,
    decode_picture,
    exif_orientation,
    picture_size,
    to_rgb,
)
from ecs_med.errors import UnreadableFileError

__all__ = [
    "PICTURE_SUFFIXES",
    "VOLUME_SUFFIXES",
    "Scan",
    "ScanHeader",
    "exif_orientation",
    "is_volume_path",
    "read_header",
    "read_scan",
    "stem",
]

CHANNEL_TOLERANCE = 0.1
"""Channel files of one case may lie this share of the smallest voxel side apart."""

Affine = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ScanHeader:
    """What the headers of a case's files say, before any pixel is decoded.

    Attributes:
        shape: `(H, W)` of a picture, `(X, Y, Z)` of a volume.
        num_channels: 3 for pictures.
        affine: `(4, 4)`, voxel to RAS mm; `None` for pictures.
    """

    shape: tuple[int, ...]
    num_channels: int
    affine: Affine | None

    @property
    def is_volume(self) -> bool:
        """Whether this is a volume."""
        return self.affine is not None

    @property
    def spacing_mm(self) -> tuple[float, float, float] | None:
        """Voxel sides in mm along the array axes; `None` for pictures."""
        return None if self.affine is None else spacing_of(self.affine)


@dataclass(frozen=True, slots=True)
class Scan:
    """The pixels of one case, on the grid of its file.

    Attributes:
        array: `(3, H, W)` uint8 for a picture, `(C, X, Y, Z)` float32 for a
            volume, axes as in the file.
        affine: `(4, 4)` float64, voxel to RAS mm; `None` for a picture.
    """

    array: npt.NDArray[np.generic]
    affine: Affine | None

    @property
    def is_volume(self) -> bool:
        """Whether this is a volume."""
        return self.affine is not None

    @property
    def spacing_mm(self) -> tuple[float, float, float] | None:
        """Voxel sides in mm along the array axes; `None` for pictures."""
        return None if self.affine is None else spacing_of(self.affine)

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """`(H, W)` or `(X, Y, Z)`."""
        return self.array.shape[1:]


def is_volume_path(path: Path) -> bool:
    """Whether the name is that of a NIfTI volume."""
    return path.name.lower().endswith(VOLUME_SUFFIXES)


def stem(path: Path) -> str:
    """File name without its suffix, where `.nii.gz` is one suffix.

    Example:
        >>> stem(Path("scans/liver_01.v2.nii.gz"))
        'liver_01.v2'
    """
    for suffix in (".nii.gz", ".nii"):
        if path.name.lower().endswith(suffix):
            return path.name[: -len(suffix)]
    return path.stem


def read_scan(images: Sequence[Path]) -> Scan:
    """Read the image of a case.

    Several volumes are channels of one grid: equal shapes, and corners that lie within
    a tenth of a voxel of each other. Two or three grey pictures become the first
    channels of one picture; a missing third channel is 0.

    Args:
        images: One file, or one a channel in channel order.

    Raises:
        UnreadableFileError: If a file cannot be read, or the files do not belong on one grid.
    """
    if not images:
        raise ValueError("a case has at least one image")
    if _is_volume_case(images):
        return _read_volumes(images)
    pictures = [to_rgb(decode_picture(path), path) for path in images]
    if len(pictures) == 1:
        return Scan(pictures[0], None)
    return Scan(_joined(pictures, images), None)


def read_header(images: Sequence[Path]) -> ScanHeader:
    """Shape, number of channels and affine of a case, without decoding pixels.

    Args:
        images: As for `read_scan`.

    Raises:
        UnreadableFileError: If a header cannot be read, or the files do not share a grid.
    """
    if not images:
        raise ValueError("a case has at least one image")
    if not _is_volume_case(images):
        sizes = [picture_size(path) for path in images]
        _require_equal_shapes(sizes, images)
        return ScanHeader(sizes[0], 3, None)
    headers = [read_volume_header(path) for path in images]
    _require_one_grid([(shape[:3], affine) for shape, affine in headers], images)
    return ScanHeader(headers[0][0][:3], sum(shape[3] for shape, _ in headers), headers[0][1])


def _is_volume_case(images: Sequence[Path]) -> bool:
    first = is_volume_path(images[0])
    for path in images:
        if is_volume_path(path) != first:
            raise UnreadableFileError(
                path, f"is no channel of {images[0]}: one is a picture and one a volume",
                "keep pictures and volumes in cases of their own",
            )  # fmt: skip
        if not first and path.suffix.lower() not in PICTURE_SUFFIXES:
            raise UnreadableFileError(
                path, "of unknown kind", "expected PNG, JPEG, TIFF, BMP or NIfTI (.nii, .nii.gz)"
            )
    return first


def _read_volumes(images: Sequence[Path]) -> Scan:
    volumes = [read_volume_channels(path) for path in images]
    _require_one_grid([(array.shape[1:], affine) for array, affine in volumes], images)
    affine = volumes[0][1]
    if len(volumes) == 1:
        return Scan(volumes[0][0], affine)
    return Scan(np.concatenate([array for array, _ in volumes]), affine)


def _joined(pictures: list[npt.NDArray[np.uint8]], images: Sequence[Path]) -> npt.NDArray[np.uint8]:
    _require_equal_shapes([picture.shape[1:] for picture in pictures], images)
    if len(pictures) > 3:
        raise UnreadableFileError(
            images[3], "is the fourth picture of one case", "three channels at most for pictures"
        )
    joined = np.zeros_like(pictures[0])
    for channel, (picture, path) in enumerate(zip(pictures, images, strict=True)):
        if not ((picture[0] == picture[1]) & (picture[1] == picture[2])).all():
            raise UnreadableFileError(
                path, "is coloured, but one of several channel files",
                "store every channel as grey, or all of them as one RGB picture",
            )  # fmt: skip
        joined[channel] = picture[0]
    return joined


def _require_one_grid(
    grids: Sequence[tuple[tuple[int, ...], Affine]], images: Sequence[Path]
) -> None:
    shape, affine = grids[0]
    _require_equal_shapes([grid_shape for grid_shape, _ in grids], images)
    allowed = CHANNEL_TOLERANCE * min(spacing_of(affine))
    for path, (_, other) in zip(images, grids, strict=True):
        distance = grid_distance_mm(affine, other, shape)
        if distance > allowed:
            raise UnreadableFileError(
                path, f"lies {distance:.3g} mm away from {images[0]}, another channel of the case",
                "resample the channels onto one grid",
            )  # fmt: skip


def _require_equal_shapes(shapes: Sequence[tuple[int, ...]], images: Sequence[Path]) -> None:
    for path, shape in zip(images, shapes, strict=True):
        if shape != shapes[0]:
            told = " x ".join(map(str, shape)), " x ".join(map(str, shapes[0]))
            raise UnreadableFileError(
                path, f"is {told[0]}, but {images[0]}, another channel of the case, is {told[1]}",
                "resample the channels onto one grid",
            )  # fmt: skip
