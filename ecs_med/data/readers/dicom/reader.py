"""Reading DICOM series."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.base import Reader, ResultMeaning, Scan, ScanHeader, StoredMask
from ecs_med.data.readers.dicom.files import SUFFIXES, is_dicom, open_dataset, quiet_libraries
from ecs_med.data.readers.dicom.geometry import place_slices
from ecs_med.data.readers.dicom.masks import dicom_mask, dicom_mask_header, dicom_mask_problems
from ecs_med.errors import UnreadableFileError
from ecs_med.types import Problem

__all__ = ["DicomReader"]


class DicomReader(Reader):
    """A case is the files of one series, or one file of many frames."""

    name = "dicom"
    formats = ("DICOM",)
    suffixes = SUFFIXES
    output_format = "dicom-seg"
    output_suffix = ".dcm"
    result_format = "nifti"
    priority = -1

    def recognizes(self, path: Path) -> bool:
        """By suffix; a file without one, or with a number for one, by its first bytes."""
        name = path.name.lower()
        if name.endswith(self.suffixes):
            return True
        return path.suffix[1:].isdigit() or (not path.suffix and is_dicom(path))

    def header(self, files: Sequence[Path], frame: int | None = None) -> ScanHeader:
        """The grid of a series."""
        placed = place_slices([open_dataset(path) for path in files], files)
        return ScanHeader(placed.shape, 1, placed.affine, "volume")

    def read(self, files: Sequence[Path], frame: int | None = None) -> Scan:
        """The voxels of a series, rescaled."""
        datasets = [open_dataset(path, pixels=True) for path in files]
        placed = place_slices(datasets, files)
        array = np.empty((1, *placed.shape), np.float32)
        for index, source in enumerate(placed.order):
            dataset = datasets[source]
            with quiet_libraries():
                pixels = dataset.pixel_array.astype(np.float32)
            slope = float(dataset.get("RescaleSlope", 1))
            array[0, :, :, index] = (pixels * slope + float(dataset.get("RescaleIntercept", 0))).T
        return Scan(array, placed.affine, "volume")

    def read_stored_labels(self, path: Path, images: Sequence[Path] = ()) -> StoredMask:
        """A DICOM SEG or RTSTRUCT, see `read_segmentation` and `read_structures`."""
        return dicom_mask(path, images)

    def mask_header(self, path: Path, images: Sequence[Path] = ()) -> ScanHeader:
        """The grid on which `read_stored_labels` gives it."""
        return dicom_mask_header(path, images)

    def mask_problems(self, path: Path, images: Sequence[Path] = ()) -> tuple[Problem, ...]:
        """Fractions that are thresholded, structures that are left out."""
        return dicom_mask_problems(path, images)

    def write_labels(
        self,
        path: Path,
        labels: npt.NDArray[np.integer],
        like: Sequence[Path],
        meaning: ResultMeaning | None = None,
    ) -> None:
        """Write a DICOM SEG."""
        raise UnreadableFileError(path, "cannot be written yet", "choose NIfTI")

    def write_map(self, path: Path, values: npt.NDArray[np.floating], like: Sequence[Path]) -> None:
        """Certainty has no DICOM form here."""
        raise UnreadableFileError(path, "cannot be written as DICOM", "choose NIfTI")
