"""Reading DICOM: series, enhanced objects, pictures and sequences; masks; segmentations out."""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.base import Reader
from ecs_med.data.readers.dicom.files import SUFFIXES, is_dicom
from ecs_med.data.readers.dicom.headers import read_header
from ecs_med.data.readers.dicom.kinds import FileKind
from ecs_med.data.readers.dicom.stack import place_series
from ecs_med.data.readers.scans import ResultMeaning, Scan, ScanHeader, StoredMask
from ecs_med.errors import UnreadableFileError
from ecs_med.types import Problem

__all__ = ["DicomReader"]

_MADE_OF: dict[FileKind, str] = {
    "segmentation": "is a segmentation, not an image",
    "structures": "is a set of contours, not an image",
    "other": "is DICOM, but no image",
}


class DicomReader(Reader):
    """A case is the files of one series, or one file of many frames.

    Volumes are `(column, row, slice)`, slices in order along their normal; see `place_planes` for
    what is refused and `read_values` for what the values are. Files that make one series are found
    by `find_series`.
    """

    name = "dicom"
    formats = ("DICOM",)
    suffixes = SUFFIXES
    output_format = "dicom-seg"
    output_suffix = ".dcm"
    result_format = "nifti"
    priority = -1
    shares_masks = True

    def recognizes(self, path: Path) -> bool:
        """By suffix; a file without one, or with a number for one, by its first bytes."""
        if path.name.lower().endswith(self.suffixes):
            return True
        return (not path.suffix or path.suffix[1:].isdigit()) and is_dicom(path)

    def stem(self, path: Path) -> str:
        """The name without a suffix of DICOM; numbers after a dot belong to the name."""
        return path.stem if path.name.lower().endswith(self.suffixes) else path.name

    def header_problems(self, files: Sequence[Path]) -> tuple[Problem, ...]:
        """Copies left out, uneven positions, padding, missing identifiers, a single slice."""
        return place_series(files).problems if _is_volume(files) else ()

    def header(self, files: Sequence[Path], frame: int | None = None) -> ScanHeader:
        """The grid of a series, or the size of pictures."""
        if not _is_volume(files):
            from ecs_med.data.readers.dicom import frames

            return frames.header(_only(files), frame)
        _refuse_frame(files, frame)
        placed = place_series(files)
        return ScanHeader(placed.shape, 1, placed.affine, "volume")

    def read(self, files: Sequence[Path], frame: int | None = None) -> Scan:
        """Real values of a volume, int16 where they are whole numbers; colours of pictures."""
        if not _is_volume(files):
            from ecs_med.data.readers.dicom import frames

            return frames.read(_only(files), frame)
        from ecs_med.data.readers.dicom.values import read_values

        _refuse_frame(files, frame)
        placed = place_series(files)
        return Scan(read_values(placed)[None], placed.affine, "volume")

    def mask_header(self, path: Path, images: Sequence[Path] = ()) -> ScanHeader:
        """The grid of a segmentation; contours have that of their images."""
        if read_header(path).kind == "segmentation":
            from ecs_med.data.readers.dicom.segmentation import segmentation_header

            return segmentation_header(path, images)
        _require_contours(path)
        from ecs_med.data.readers.dicom.rtstruct import structures_header

        return structures_header(path, images)

    def mask_problems(self, path: Path, images: Sequence[Path] = ()) -> tuple[Problem, ...]:
        """Fractions that are thresholded, structures that are left out, gaps between contours."""
        if read_header(path).kind == "segmentation":
            from ecs_med.data.readers.dicom.segmentation import segmentation_problems

            return tuple(segmentation_problems(path))
        _require_contours(path)
        from ecs_med.data.readers.dicom.rtstruct import structures_problems

        return tuple(structures_problems(path, images))

    def read_stored_labels(self, path: Path, images: Sequence[Path] = ()) -> StoredMask:
        """A DICOM SEG, or contours (RTSTRUCT) on the grid of their images."""
        if read_header(path).kind == "segmentation":
            from ecs_med.data.readers.dicom.segmentation import read_segmentation

            return read_segmentation(path, images)
        _require_contours(path)
        from ecs_med.data.readers.dicom.rtstruct import read_structures

        return read_structures(path, images)

    def require_writable(self, like: Sequence[Path], frame: int | None = None) -> None:
        """Series, multi-frame objects in space and single pictures, see `seg_writing`."""
        from ecs_med.data.readers.dicom.seg_writing import require_writable

        super().require_writable(like, frame)
        require_writable(like)

    def write_labels(
        self,
        path: Path,
        labels: npt.NDArray[np.integer],
        like: Sequence[Path],
        meaning: ResultMeaning | None = None,
    ) -> None:
        """Write a DICOM SEG that refers to the files of the case."""
        from ecs_med.data.readers.dicom.seg_writing import write_segmentation

        write_segmentation(path, labels, like, meaning)

    def write_map(self, path: Path, values: npt.NDArray[np.floating], like: Sequence[Path]) -> None:
        """Certainty has no DICOM form here."""
        raise UnreadableFileError(path, "maps cannot be written as DICOM", "choose NIfTI")


def _is_volume(files: Sequence[Path]) -> bool:
    """Whether a case is a volume; what is no image at all is refused."""
    first = read_header(files[0])
    if first.kind in _MADE_OF:
        _refuse_kind(files[0], first.kind)
    return first.kind in ("slice", "enhanced")


def _refuse_kind(path: Path, kind: FileKind) -> NoReturn:
    raise UnreadableFileError(path, _MADE_OF[kind], "give the files of the image series")


def _require_contours(path: Path) -> None:
    kind = read_header(path).kind
    if kind != "structures":
        reason = _MADE_OF["other"] if kind == "other" else "is an image, not a mask"
        raise UnreadableFileError(path, reason, "give a DICOM SEG, an RTSTRUCT or NIfTI as mask")


def _refuse_frame(files: Sequence[Path], frame: int | None) -> None:
    if frame is not None:
        raise UnreadableFileError(files[0], "is a volume, which has no frames", "name none")


def _only(files: Sequence[Path]) -> Path:
    if len(files) > 1:
        raise UnreadableFileError(
            files[1], f"is no slice of a volume, nor is {files[0]}", "give pictures one by one"
        )
    return files[0]
