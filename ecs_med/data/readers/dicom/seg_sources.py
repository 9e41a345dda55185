"""The images that a DICOM SEG is made for: their headers completed, their frames in order."""

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.dicom.files import guarded, open_dataset
from ecs_med.data.readers.dicom.headers import read_header
from ecs_med.data.readers.dicom.planes import Plane
from ecs_med.data.readers.dicom.stack import planes_of_files

if TYPE_CHECKING:
    import pydicom

__all__ = ["INSTEAD", "NOT_ALLOWED", "completed", "on_source_frames"]

NOT_ALLOWED = "its headers do not allow a DICOM segmentation"
INSTEAD = "write NIfTI or PNG instead"
_EMPTY_WHERE_MISSING = (
    "AccessionNumber",
    "PatientBirthDate",
    "PatientID",
    "PatientName",
    "PatientSex",
    "ReferringPhysicianName",
    "StudyDate",
    "StudyID",
    "StudyTime",
)
"""Attributes that have to be there and may be empty (type 2 of the standard)."""


def on_source_frames(
    labels: npt.NDArray[np.integer], like: Sequence[Path]
) -> tuple[list["pydicom.Dataset"], npt.NDArray[np.integer], list[Plane]]:
    """What a segmentation is made of, in the order in which the frames of its source are stored.

    Args:
        labels: `(columns, rows, slices)` of a volume, slices in order along their normal;
            `(rows, columns)` of a picture.
        like: The files of the images.

    Returns:
        Headers of the files, labels as `(frames, rows, columns)`, and where each frame lies.

    Raises:
        ValueError: If the shape is not that of the images.
        UnreadableFileError: If a file cannot be read.
    """
    shape: tuple[int, ...]
    if labels.ndim == 2:
        planes, order = [read_header(like[0]).plane], [0]
        shape, frames = (planes[0].rows, planes[0].columns), labels[None]
    else:
        # No grid is asked for: labels of a resampled series are on its slices.
        slices = planes_of_files(like)[0]
        # Frames of one file come as they are stored there.
        order = sorted(range(len(slices)), key=lambda index: slices[index].frame or 0)
        planes = [slices[index] for index in order]
        shape = (slices[0].columns, slices[0].rows, len(slices))
        frames = labels.transpose(2, 1, 0)
    if labels.shape != shape:
        raise ValueError(f"{labels.shape} does not fit the frames {shape} of {like[0]}")
    frames = np.ascontiguousarray(frames[order])
    paths = dict.fromkeys(plane.path for plane in planes)
    with guarded(like[0], NOT_ALLOWED, INSTEAD):
        sources = [completed(open_dataset(path)) for path in paths]
        if labels.ndim == 3:
            _align(sources, _step_mm(slices))
        return sources, frames, planes


def _step_mm(slices: Sequence[Plane]) -> float:
    """How far slices usually are apart; the thickness of a single one, or 1."""
    if len(slices) == 1:
        return slices[0].spacing_between or slices[0].thickness or 1.0
    positions = np.array([plane.position for plane in slices])
    return float(np.median(np.linalg.norm(np.diff(positions, axis=0), axis=1)))


def _align(sources: Sequence["pydicom.Dataset"], step_mm: float) -> None:
    """Let slices say alike what the reader takes for alike: highdicom refuses rounded directions.

    Frames of a segmentation have to be of some thickness; where that is unknown, they reach from
    one slice to the next.
    """
    for source in sources:
        if "ImageOrientationPatient" in source:
            source.ImageOrientationPatient = sources[0].ImageOrientationPatient
            source.SliceThickness = source.get("SliceThickness") or f"{step_mm:.8g}"


def completed(dataset: "pydicom.Dataset") -> "pydicom.Dataset":
    """A copy of a header with identifiers and empty attributes where it lacks them."""
    found = deepcopy(dataset)
    for own, of_file in (
        ("SOPClassUID", "MediaStorageSOPClassUID"),
        ("SOPInstanceUID", "MediaStorageSOPInstanceUID"),
    ):
        if not found.get(own):
            setattr(found, own, found.file_meta.get(of_file, ""))
    for keyword in _EMPTY_WHERE_MISSING:
        if keyword not in found:
            setattr(found, keyword, "")
    return found
