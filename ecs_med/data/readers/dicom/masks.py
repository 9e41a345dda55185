"""DICOM objects that are masks: segmentations and sets of structures."""

from collections.abc import Sequence
from pathlib import Path

from ecs_med.data.readers.base import ScanHeader, StoredMask
from ecs_med.data.readers.dicom.files import open_dataset
from ecs_med.data.readers.dicom.rtstruct import (
    STRUCTURE_SET_CLASS,
    read_structures,
    structures_header,
    structures_problems,
)
from ecs_med.data.readers.dicom.segmentation import (
    SEGMENTATION_CLASSES,
    read_segmentation,
    segmentation_header,
    segmentation_problems,
)
from ecs_med.errors import UnreadableFileError
from ecs_med.types import Problem

__all__ = ["dicom_mask", "dicom_mask_header", "dicom_mask_problems"]


def dicom_mask(path: Path, images: Sequence[Path] = ()) -> StoredMask:
    """Read a DICOM SEG or RTSTRUCT; arguments and errors as of `read_stored_labels`."""
    if _is_segmentation(path):
        return read_segmentation(path, images)
    return read_structures(path, images)


def dicom_mask_header(path: Path, images: Sequence[Path] = ()) -> ScanHeader:
    """The grid on which `dicom_mask` gives it."""
    if _is_segmentation(path):
        return segmentation_header(path, images)
    return structures_header(path, images)


def dicom_mask_problems(path: Path, images: Sequence[Path] = ()) -> tuple[Problem, ...]:
    """What a person should know of how it is read."""
    if _is_segmentation(path):
        return tuple(segmentation_problems(path))
    return tuple(structures_problems(path, images))


def _is_segmentation(path: Path) -> bool:
    """Whether it is one, and not a set of structures; others are refused."""
    dataset = open_dataset(path)
    meta = getattr(dataset, "file_meta", None)
    uid = str(dataset.get("SOPClassUID") or (meta and meta.get("MediaStorageSOPClassUID")) or "")
    if uid not in (*SEGMENTATION_CLASSES, STRUCTURE_SET_CLASS):
        raise UnreadableFileError(
            path, "is a DICOM file, but neither SEG nor RTSTRUCT",
            "give masks as DICOM SEG, RTSTRUCT or NIfTI",
        )  # fmt: skip
    return uid in SEGMENTATION_CLASSES
