"""Reading NRRD and MetaImage; results as NRRD."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.base import Reader
from ecs_med.data.readers.grids import require_one_grid
from ecs_med.data.readers.nrrd.header import TextHeader
from ecs_med.data.readers.nrrd.meta_header import meta_header
from ecs_med.data.readers.nrrd.nrrd_header import nrrd_header
from ecs_med.data.readers.nrrd.segments import laid_together, segments_of
from ecs_med.data.readers.nrrd.voxels import read_voxels
from ecs_med.data.readers.nrrd.writing import write_nrrd
from ecs_med.data.readers.results import header_in_space, stored_labels
from ecs_med.data.readers.scans import ResultMeaning, Scan, ScanHeader, StoredMask, joined_channels
from ecs_med.errors import UnreadableFileError

__all__ = ["NrrdReader"]

_SEGMENTATION = ".seg.nrrd"


class NrrdReader(Reader):
    """Volumes of `.nrrd`, `.nhdr`, `.mha` and `.mhd`; an axis that is not in space holds channels.

    Several files are channels of one grid, as in NIfTI. Results are NRRD for all of them.
    """

    name = "nrrd"
    formats = ("NRRD", "MetaImage")
    suffixes = (".nrrd", ".nhdr", ".mha", ".mhd", _SEGMENTATION)
    output_suffix = ".nrrd"

    def companions(self, files: Sequence[Path]) -> tuple[Path, ...]:
        """The files of voxels beside headers that hold none."""
        found = []
        for path in files:
            with suppress(UnreadableFileError):  # told by whoever reads the file
                found.append(_header(path).data)
        return tuple(data for data in found if data not in files)

    def fingerprint(self, files: Sequence[Path]) -> str:
        """Of the files, and of data that lies beside them."""
        return super().fingerprint([*files, *self.companions(files)])

    def header(self, files: Sequence[Path], frame: int | None = None) -> ScanHeader:
        """Shape, channels and affine; headers that cannot be true are refused."""
        _refuse_frames(files, frame)
        found = [_header(path) for path in files]
        require_one_grid([(each.shape, each.affine) for each in found], files)
        return ScanHeader(
            shape=found[0].shape,
            num_channels=sum(each.num_channels for each in found),
            affine=found[0].affine,
            kind="volume",
            has_position=found[0].has_position,
        )

    def read(self, files: Sequence[Path], frame: int | None = None) -> Scan:
        """Voxels, integers as they are stored; NaN and infinite ones are refused."""
        header = self.header(files, frame)
        arrays = [_single(path) for path in files]
        return Scan(
            joined_channels(arrays), header.affine, "volume", has_position=header.has_position
        )

    def read_stored_labels(self, path: Path, images: Sequence[Path] = ()) -> StoredMask:
        """Voxels as they are stored, or the segments of a segmentation of 3D Slicer by their names.

        In `.seg.nrrd`, and wherever there are several layers, a value means what the file itself
        says; in other files of one layer a value means the same as in all masks of a data set.
        """
        header = _header(path)
        layers = read_voxels(path, header)
        names, overlaps = None, {}
        segments = None
        if len(layers) > 1 or path.name.lower().endswith(_SEGMENTATION):
            segments = segments_of(header.pairs, len(layers), path)
        if segments is not None:
            canvas = segments.paint(layers, path)
            values, names, overlaps = canvas.values, segments.names, canvas.overlaps
        else:
            values = layers[0] if len(layers) == 1 else laid_together(layers, path)
        return StoredMask(
            values,
            "volume",
            affine=header.affine,
            has_position=header.has_position,
            names=names,
            overlaps=overlaps,
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
        write_nrrd(path, stored_labels(labels), self._grid(like, labels.shape), meaning)

    def write_map(self, path: Path, values: npt.NDArray[np.floating], like: Sequence[Path]) -> None:
        """Write a map as float32; otherwise as `write_labels`."""
        write_nrrd(path, values.astype(np.float32, copy=False), self._grid(like, values.shape))

    def _grid(self, like: Sequence[Path], shape: tuple[int, ...]) -> ScanHeader:
        header = header_in_space(like, None, "NRRD")
        if header.shape != shape:
            raise ValueError(f"{shape} does not fit the grid {header.shape} of {like[0]}")
        return header


def _refuse_frames(files: Sequence[Path], frame: int | None) -> None:
    if frame is not None:
        raise UnreadableFileError(files[0], "is a volume, which has no frames", "name none")


def _header(path: Path) -> TextHeader:
    is_meta = path.name.lower().endswith((".mha", ".mhd"))
    return meta_header(path) if is_meta else nrrd_header(path)


def _single(path: Path) -> npt.NDArray[Any]:
    """`(C, X, Y, Z)` as a scan may have it: float32 where integers of 32 bits hold it not."""
    values = read_voxels(path, _header(path))
    if values.dtype.kind in "iu" and values.dtype.itemsize <= 4:
        return values
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused as infinite
        single = values.astype(np.float32, copy=False)
    if not (np.isfinite(single.min()) and np.isfinite(single.max())):
        raise UnreadableFileError(
            path, "has voxels that are NaN or infinite",
            "replace them, for example by the value of air, or export it again",
        )  # fmt: skip
    return single
