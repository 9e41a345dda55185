"""Reading NRRD and MetaImage through ITK; results as NRRD."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.base import (
    Reader,
    ResultMeaning,
    Scan,
    ScanHeader,
    StoredMask,
    joined_channels,
)
from ecs_med.data.readers.grids import Affine, require_one_grid
from ecs_med.data.readers.itk.headers import COPY_AGAIN, text_header
from ecs_med.data.readers.itk.segments import Named, named_segments
from ecs_med.data.readers.itk.writing import write_nrrd
from ecs_med.data.readers.results import header_in_space
from ecs_med.errors import EcsMedError, MissingExtraError, UnreadableFileError

__all__ = ["ItkReader"]

_LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])


class ItkReader(Reader):
    """Volumes of `.nrrd`, `.nhdr`, `.mha` and `.mhd`; values of a vector are channels.

    Several files are channels of one grid, as in NIfTI. ITK turns every space that a file may name
    into its own, and from there it is one step to RAS.
    """

    name = "nrrd"
    formats = ("NRRD", "MetaImage")
    suffixes = (".nrrd", ".nhdr", ".mha", ".mhd", ".seg.nrrd")
    output_suffix = ".nrrd"

    def fingerprint(self, files: Sequence[Path]) -> str:
        """Of the files, and of data that lies beside them."""
        beside = [data for path in files if (data := _data_file(path)) is not None]
        return super().fingerprint([*files, *beside])

    def header(self, files: Sequence[Path], frame: int | None = None) -> ScanHeader:
        """Shape, channels and affine; headers that cannot be true are refused."""
        _refuse_frames(files, frame)
        found = [_header(path) for path in files]
        grids = [(shape, affine) for shape, _, affine, _ in found]
        require_one_grid(grids, files)
        return ScanHeader(
            shape=found[0][0],
            num_channels=sum(channels for _, channels, _, _ in found),
            affine=found[0][2],
            kind="volume",
            has_position=found[0][3],
        )

    def read(self, files: Sequence[Path], frame: int | None = None) -> Scan:
        """Voxels, integers as they are stored; NaN and infinite ones are refused."""
        header = self.header(files, frame)
        arrays = [_as_values(_voxels(path), path) for path in files]
        return Scan(
            joined_channels(arrays), header.affine, "volume", has_position=header.has_position
        )

    def read_stored_labels(self, path: Path, images: Sequence[Path] = ()) -> StoredMask:
        """Voxels as they are stored; of a segmentation of 3D Slicer the segments with names."""
        header = self.header([path])
        values = _voxels(path)
        named: Named | None = None
        if path.name.lower().endswith(".seg.nrrd"):
            named = named_segments(values, text_header(path).extra, path)
        elif len(values) > 1:
            raise UnreadableFileError(
                path, f"holds {len(values)} channels where a mask has one",
                "store class numbers in a single volume",
            )  # fmt: skip
        return StoredMask(
            values[0] if named is None else named.values,
            "volume",
            affine=header.affine,
            has_position=header.has_position,
            names=named.names if named else None,
            overlaps=named.overlaps if named else {},
        )

    def require_writable(self, like: Sequence[Path], frame: int | None = None) -> None:
        """Volumes of any format can have results as NRRD."""
        if not all(map(self.recognizes, like)):
            header_in_space(like, frame, "NRRD")

    def write_labels(
        self,
        path: Path,
        labels: npt.NDArray[np.integer],
        like: Sequence[Path],
        meaning: ResultMeaning | None = None,
    ) -> None:
        """Write `(X, Y, Z)` labels as uint8 where all are below 256, else as int16.

        Raises:
            ValueError: If the shape is not that of `like`, or labels are negative or beyond 32767.
        """
        highest = int(labels.max(initial=0))
        if labels.min(initial=0) < 0 or highest > np.iinfo(np.int16).max:
            raise ValueError(f"labels must lie in 0..32767, got {labels.min()}..{highest}")
        kind = np.uint8 if highest < 256 else np.int16
        write_nrrd(path, labels.astype(kind, copy=False), self._grid(like, labels.shape), meaning)

    def write_map(self, path: Path, values: npt.NDArray[np.floating], like: Sequence[Path]) -> None:
        """Write a map as float32; otherwise as `write_labels`."""
        write_nrrd(path, values.astype(np.float32, copy=False), self._grid(like, values.shape))

    def _grid(self, like: Sequence[Path], shape: tuple[int, ...]) -> Affine:
        header = header_in_space(like, None, "NRRD")
        assert header.affine is not None
        if header.shape != shape:
            raise ValueError(f"{shape} does not fit the grid {header.shape} of {like[0]}")
        return header.affine


def _refuse_frames(files: Sequence[Path], frame: int | None) -> None:
    if frame is not None:
        raise UnreadableFileError(files[0], "is a volume, which has no frames", "name none")


def _data_file(path: Path) -> Path | None:
    """The file that holds the voxels of a header that holds none."""
    if not path.name.lower().endswith((".nhdr", ".mhd")):
        return None
    try:
        name = text_header(path).data_file
    except EcsMedError:
        return None
    return path.parent / name if name else None


def _header(path: Path) -> tuple[tuple[int, int, int], int, Affine, bool]:
    """Shape, channels, affine, and whether the file says where it lies."""
    said = text_header(path)
    with _itk(path) as sitk:
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        count = reader.GetDimension()
        size = tuple(int(side) for side in reader.GetSize())
        channels = int(reader.GetNumberOfComponents())
        spacing = np.array(reader.GetSpacing())
        axes = np.array(reader.GetDirection()).reshape(count, count)
        origin = np.array(reader.GetOrigin())
    if size != said.sizes or channels != said.num_channels:
        raise UnreadableFileError(path, "has a header that can be read in two ways", COPY_AGAIN)
    affine = np.eye(4)
    affine[:count, :count] = axes * spacing
    affine[:count, 3] = origin
    if not (np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 1e-12):
        raise UnreadableFileError(path, "has axes that span no space", COPY_AGAIN)
    x, y, z = (*size, 1)[:3]
    return (x, y, z), channels, _LPS_TO_RAS @ affine, said.has_position


def _voxels(path: Path) -> npt.NDArray[Any]:
    """`(C, X, Y, Z)` in the number type of the file."""
    text_header(path)
    with _itk(path) as sitk:
        image = sitk.ReadImage(str(path))
        stored = sitk.GetArrayFromImage(image)
        several = image.GetNumberOfComponentsPerPixel() > 1
        flat = image.GetDimension() == 2
    if stored.dtype.kind not in "iuf":
        raise UnreadableFileError(path, "has voxels that are no real numbers", "store numbers")
    if not several:
        stored = stored[..., None]
    if flat:
        stored = stored[None]
    found: npt.NDArray[Any] = stored.transpose(3, 2, 1, 0)
    return found


def _as_values(values: npt.NDArray[Any], path: Path) -> npt.NDArray[Any]:
    if values.dtype.kind in "iu":
        return values
    with np.errstate(over="ignore"):  # what overflows is refused as infinite
        single = values.astype(np.float32, copy=False)
    if not (np.isfinite(single.min()) and np.isfinite(single.max())):
        raise UnreadableFileError(
            path, "has voxels that are NaN or infinite",
            "replace them, for example by the value of air, or export it again",
        )  # fmt: skip
    return single


@contextmanager
def _itk(path: Path) -> Iterator[Any]:
    """SimpleITK, whose errors become one sentence without its words, which quote paths."""
    try:
        import SimpleITK as sitk  # noqa: N813 - as its documentation calls it
    except ImportError as error:
        raise MissingExtraError("Reading NRRD and MetaImage", "itk") from error
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    try:
        yield sitk
    except EcsMedError:
        raise
    except Exception as error:
        raise UnreadableFileError(path, "damaged or truncated", COPY_AGAIN) from error
