"""Reading and writing of NIfTI volumes, every failure as one sentence."""

import gzip
import zlib
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt
from nibabel.filebasedimages import ImageFileError
from nibabel.fileholders import FileHolder
from nibabel.volumeutils import apply_read_scaling

from ecs_med.data.readers.base import Reader
from ecs_med.data.readers.grids import Affine, require_one_grid
from ecs_med.data.readers.nifti_header import (
    checked_header,
    has_position,
    is_compressed,
    open_volume_header,
    quiet_nibabel,
    second_affine,
)
from ecs_med.data.readers.nifti_making import placed_image
from ecs_med.data.readers.nifti_oddities import oddities_of
from ecs_med.data.readers.results import header_in_space, stored_labels
from ecs_med.data.readers.scans import ResultMeaning, Scan, ScanHeader, StoredMask, joined_channels
from ecs_med.errors import UnreadableFileError
from ecs_med.files import RESULT_REMEDY, write_atomically
from ecs_med.types import Problem

__all__ = ["NiftiReader"]

_PIECE = 2**22
"""Bytes of a compressed file that are unpacked at a time."""

_Scaling = tuple[float, float]
"""Slope and intercept."""


class NiftiReader(Reader):
    """Volumes of `.nii` and `.nii.gz`, whose fourth axis, if there is one, holds channels.

    Several files are channels of one grid: equal shapes, and corners that lie within a tenth of a
    voxel of each other. Scaling of the file is applied; axes stay as in the file.
    """

    name = "nifti"
    formats = ("NIfTI",)
    suffixes = (".nii", ".nii.gz")
    output_suffix = ".nii.gz"

    def writes(self, path: Path) -> bool:
        """Both suffixes can be written."""
        return self.recognizes(path)

    def header_problems(self, files: Sequence[Path]) -> tuple[Problem, ...]:
        """Voxel sides that cannot be, sform and qform that disagree, units other than mm."""
        return tuple(problem for path in files for problem in oddities_of(path))

    def header(self, files: Sequence[Path], frame: int | None = None) -> ScanHeader:
        """Shape, channels and affine; headers that cannot be true are refused."""
        _refuse_frames(files, frame)
        images = [open_volume_header(path) for path in files]
        headers = [checked_header(image, path) for image, path in zip(images, files, strict=True)]
        require_one_grid([(shape[:3], affine) for shape, affine in headers], files)
        return ScanHeader(
            shape=headers[0][0][:3],
            num_channels=sum(shape[3] for shape, _ in headers),
            affine=headers[0][1],
            kind="volume",
            has_position=has_position(images[0]),
            other_affine=second_affine(images[0]),
        )

    def read(self, files: Sequence[Path], frame: int | None = None) -> Scan:
        """Integers of at most 32 bits as they are stored, all others and scaled ones as float32.

        Complex, RGB, NaN and infinite voxels are refused.
        """
        _refuse_frames(files, frame)
        volumes = [_read_channels(path) for path in files]
        require_one_grid([(array.shape[1:], affine) for array, affine in volumes], files)
        return Scan(
            joined_channels([array for array, _ in volumes]),
            volumes[0][1],
            "volume",
            has_position=has_position(open_volume_header(files[0])),
        )

    def read_stored_labels(self, path: Path, images: Sequence[Path] = ()) -> StoredMask:
        """Voxels in the number type of the file, where it has no scaling; one channel."""
        header = open_volume_header(path)
        stored, affine = _read_stored(path, header)
        if stored.shape[3] > 1:
            raise UnreadableFileError(
                path, f"holds {stored.shape[3]} channels where a mask has one",
                "store class numbers in a single volume",
            )  # fmt: skip
        return StoredMask(
            stored[..., 0],
            "volume",
            affine=affine,
            has_position=has_position(header),
            other_affine=second_affine(header),
        )

    def require_writable(self, like: Sequence[Path], frame: int | None = None) -> None:
        """Volumes of any format can have results as NIfTI."""
        if not all(map(self.recognizes, like)):
            header_in_space(like, frame, "NIfTI")

    def write_labels(
        self,
        path: Path,
        labels: npt.NDArray[np.integer],
        like: Sequence[Path],
        meaning: ResultMeaning | None = None,
    ) -> None:
        """Write `(X, Y, Z)` labels as uint8 where all are below 256, else as int16.

        Affine, spacing, units and the codes of sform and qform are those of `like`,
        to the last bit; scaling, intent, descriptions and header extensions (which may name a
        patient) are not taken over. The same input gives the same bytes.

        Raises:
            ValueError: If the shape is not that of `like`, or labels are negative or beyond 32767.
        """
        _write_like(path, stored_labels(labels), like)

    def write_map(self, path: Path, values: npt.NDArray[np.floating], like: Sequence[Path]) -> None:
        """Write a map as float32; otherwise as `write_labels`."""
        _write_like(path, values.astype(np.float32, copy=False), like)


def _refuse_frames(files: Sequence[Path], frame: int | None) -> None:
    if frame is not None:
        raise UnreadableFileError(files[0], "is a volume, which has no frames", "name none")


def _read_channels(path: Path) -> tuple[npt.NDArray[Any], Affine]:
    """`(C, X, Y, Z)`, integers or float32 with the file's scaling applied, and the affine."""
    stored, affine, scaling = _read_unscaled(path, open_volume_header(path))
    values = stored
    if scaling is not None or stored.dtype.kind == "f" or stored.dtype.itemsize > 4:
        values = _as_float32(stored, scaling)
        _require_finite(values, path)
    return np.moveaxis(values, -1, 0), affine


def _read_stored(path: Path, header: Any) -> tuple[npt.NDArray[Any], Affine]:
    """`(X, Y, Z, C)` in the file's number type unless it is scaled, and the affine."""
    values, affine, scaling = _read_unscaled(path, header)
    return values if scaling is None else apply_read_scaling(values, *scaling), affine


def _read_unscaled(path: Path, header: Any) -> tuple[npt.NDArray[Any], Affine, _Scaling | None]:
    """`(X, Y, Z, C)` as stored, the only copy in memory; the affine; what scales it, if anything.

    Files are not mapped into memory: one that changes meanwhile would end the process.
    """
    shape, affine = checked_header(header, path)
    try:
        with ExitStack() as stack:
            stream: BinaryIO = stack.enter_context(path.open("rb"))
            if is_compressed(path):
                stream = cast(BinaryIO, stack.enter_context(_Unpacked(fileobj=stream)))
            stack.enter_context(quiet_nibabel())
            file_map = {"image": FileHolder(fileobj=stream)}
            proxy = type(header).from_file_map(file_map, mmap=False).dataobj
            values = proxy.get_unscaled()
            # The checksum of a compressed file is only compared at its end.
            stream.read(1)
    except (OSError, EOFError, ValueError, zlib.error, ImageFileError) as error:
        raise UnreadableFileError(
            path,
            f"damaged or truncated ({' '.join(str(error).split())})",
            "copy or export it again",
        ) from error
    if not values.dtype.isnative:
        values = values.byteswap(inplace=True).view(values.dtype.newbyteorder())
    scaling = float(proxy.slope), float(proxy.inter)
    return values.reshape(shape), affine, None if scaling == (1, 0) else scaling


class _Unpacked(gzip.GzipFile):
    """A compressed file that is read in pieces: at once, what it holds would be there twice."""

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, or as much of it as there is."""
        room = memoryview(buffer).cast("B")
        done = 0
        while count := super().readinto(room[done : done + _PIECE]):
            done += count
        return done


def _as_float32(stored: npt.NDArray[Any], scaling: _Scaling | None) -> npt.NDArray[np.float32]:
    """Scaled in double precision, but a few slices at a time; `(X, Y, Z, C)`."""
    if stored.dtype == np.float32 and scaling is None:
        return stored
    values = np.empty(stored.shape, np.float32, order="F")
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused as infinite
        for index in np.ndindex(stored.shape[2:]):
            part = stored[:, :, *index]
            values[:, :, *index] = part if scaling is None else apply_read_scaling(part, *scaling)
    return values


def _require_finite(values: npt.NDArray[np.float32], path: Path) -> None:
    # Minimum and maximum show NaN and infinity without a mask as large as the volume.
    if np.isfinite(values.min()) and np.isfinite(values.max()):
        return
    broken = values.size - int(np.count_nonzero(np.isfinite(values)))
    raise UnreadableFileError(
        path, f"{broken} of its {values.size} voxels are NaN or infinite",
        "replace them, for example by the value of air, or export it again",
    )  # fmt: skip


def _write_like(path: Path, values: npt.NDArray[Any], like: Sequence[Path]) -> None:
    reference = _reference(like)
    grid = (*reference.shape, 1)[:3]
    if values.shape != grid:
        raise ValueError(f"{values.shape} does not fit the grid {grid} of {like[0]}")
    # nibabel leaves sform and qform alone where the affine is the header's own.
    image = type(reference)(values, reference.affine, _clean_header(reference.header, values))

    def write(temporary: Path) -> None:
        with quiet_nibabel(), temporary.open("wb") as file:
            if not is_compressed(path):
                image.to_stream(file)
                return
            # No name and no time inside, so that equal labels are equal files.
            with gzip.GzipFile("", "wb", compresslevel=6, fileobj=file, mtime=0) as packed:
                image.to_stream(cast(BinaryIO, packed))

    write_atomically(path, write, remedy=RESULT_REMEDY)


def _reference(like: Sequence[Path]) -> Any:
    """The header to follow: that of a NIfTI file, or one made for a scan of another format."""
    if like[0].name.lower().endswith(NiftiReader.suffixes):
        return open_volume_header(like[0])
    header = header_in_space(like, None, "NIfTI")
    empty = np.broadcast_to(np.uint8(0), header.shape)
    return placed_image(empty, header.affine, "scanner")


def _clean_header(header: Any, values: npt.NDArray[Any]) -> Any:
    clean = header.copy()
    zooms = (*header.get_zooms(), 1.0)[:3]
    clean.set_data_dtype(values.dtype)
    clean.set_data_shape(values.shape)
    clean.set_zooms(zooms)
    clean.set_slope_inter(1, 0)
    clean.set_intent("none")
    clean.extensions.clear()
    clean["vox_offset"] = 0
    for field in ("cal_min", "cal_max", "slice_start", "slice_end", "slice_code", "toffset"):
        clean[field] = 0
    for field in ("descrip", "aux_file", "db_name"):
        if field in clean:
            clean[field] = b""
    return clean
