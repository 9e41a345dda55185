"""The images that a DICOM SEG is made for: their headers completed, their frames in order."""

import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from datetime import date
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
    from pydicom.tag import BaseTag

__all__ = ["INSTEAD", "NOT_ALLOWED", "on_source_frames", "planes_in_order", "source_headers"]

NOT_ALLOWED = "its headers do not allow a DICOM segmentation"
INSTEAD = "write NIfTI or PNG instead"
_EVEN_SHARE = 0.05
"""How far a slice may lie off an even grid, in steps, as `place_planes` lets it."""

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

_ABOUT_PEOPLE = (0x0008, 0x0010, 0x0012, 0x0032, 0x0038)
"""Groups of patients, visits, requests, trials, and of who did what where and why."""

_TAKEN_OVER = {
    *_EMPTY_WHERE_MISSING,
    "ImageType",
    "IssuerOfAccessionNumberSequence",
    "IssuerOfPatientID",
    "IssuerOfPatientIDQualifiersSequence",
    "Modality",
    "PatientAge",
    "PatientBirthTime",
    "SOPClassUID",
    "SOPInstanceUID",
    "SpecificCharacterSet",
    "StudyDescription",
    "TimezoneOffsetFromUTC",
}
"""What is taken of those: whose study it is, so that archives find it, and no histories, comments,
diagnoses, further names and numbers, which the standard leaves open and highdicom would copy."""


def _is_date(text: str) -> bool:
    if re.fullmatch(r"\d{8}", text) is None:
        return not text
    try:
        date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return False
    return True


def _is_time(text: str) -> bool:
    hours, minutes, seconds = r"([01]\d|2[0-3])", r"[0-5]\d", r"([0-5]\d|60)(\.\d{1,6})?"
    return re.fullmatch(rf"({hours}({minutes}({seconds})?)?)?", text) is not None


_VALID: Mapping[str, Callable[[str], bool]] = {
    "PatientBirthDate": _is_date,
    "PatientBirthTime": _is_time,
    "StudyDate": _is_date,
    "StudyTime": _is_time,
    "PatientSex": lambda text: text in ("", "M", "F", "O"),
    "PatientAge": lambda text: re.fullmatch(r"(\d{3}[DWMY])?", text) is not None,
}
"""What the standard lets stand in attributes that are taken over; all else is left out, as
highdicom, archives and validators refuse the whole file for it. Names and numbers of a patient,
by which archives find them, are never changed."""


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
    planes = planes_in_order(like)
    # Frames of one file come as they are stored there.
    order = sorted(range(len(planes)), key=lambda index: planes[index].frame or 0)
    if labels.ndim == 2:
        shape, frames = (planes[0].rows, planes[0].columns), labels[None]
    else:
        shape = (planes[0].columns, planes[0].rows, len(planes))
        frames = labels.transpose(2, 1, 0)
    if labels.shape != shape:
        raise ValueError(f"{labels.shape} does not fit the frames {shape} of {like[0]}")
    frames = np.ascontiguousarray(frames[order])
    sources = source_headers(planes)
    return sources, frames, [planes[index] for index in order]


def planes_in_order(like: Sequence[Path]) -> tuple[Plane, ...]:
    """The slices of a volume along their normal, or the one plane of a picture.

    No even grid is asked for: labels of a resampled series lie on its slices.
    """
    header = read_header(like[0])
    return planes_of_files(like)[0] if header.kind in ("slice", "enhanced") else (header.plane,)


def source_headers(planes: Sequence[Plane]) -> list["pydicom.Dataset"]:
    """Headers of the files that hold planes, as highdicom takes them.

    Attributes that real files lack are there, and slices say alike what the reader takes for
    alike. Where slices lie is not touched.

    Raises:
        UnreadableFileError: If a file cannot be read.
    """
    paths = dict.fromkeys(plane.path for plane in planes)
    with guarded(planes[0].path, NOT_ALLOWED, INSTEAD):
        sources = [_completed(open_dataset(path)) for path in paths]
        for source in sources:
            if "PerFrameFunctionalGroupsSequence" in source:
                _share_groups(source)
            elif source.get("ImagePositionPatient") is None:
                _make_picture(source)
            else:
                # highdicom refuses directions that differ by their rounding.
                source.ImageOrientationPatient = sources[0].ImageOrientationPatient
        _say_sides(sources, planes)
        return sources


def _completed(header: "pydicom.Dataset") -> "pydicom.Dataset":
    """The header with identifiers, and without what a segmentation cannot take over."""
    for tag in list(header.keys()):
        element = header.get_item(tag, keep_deferred=True)
        # Large elements were left in the file, which is closed: nothing may ask for them.
        is_left = element.is_raw and element.value is None and element.length
        if tag.is_private or is_left or not _is_taken_over(tag):
            del header[tag]
    for own, of_file in (
        ("SOPClassUID", "MediaStorageSOPClassUID"),
        ("SOPInstanceUID", "MediaStorageSOPInstanceUID"),
    ):
        if not header.get(own):
            setattr(header, own, header.file_meta.get(of_file, ""))
    for keyword in _EMPTY_WHERE_MISSING:
        if keyword not in header:
            setattr(header, keyword, "")
    for keyword, is_valid in _VALID.items():
        if keyword in header and not is_valid(str(header.get(keyword) or "")):
            setattr(header, keyword, "")
    if header.get("LossyImageCompression") not in ("00", "01"):
        header.pop("LossyImageCompression", None)
    return header


def _is_taken_over(tag: "BaseTag") -> bool:
    from pydicom.datadict import keyword_for_tag

    return tag.group not in _ABOUT_PEOPLE or keyword_for_tag(tag) in _TAKEN_OVER


def _make_picture(header: "pydicom.Dataset") -> None:
    """Without a position a frame of reference says nothing, and highdicom asks for a position."""
    from pydicom.dataset import Dataset

    header.pop("FrameOfReferenceUID", None)
    # A single frame of a kind that may have several has no functional groups, which highdicom
    # asks for; what stands here is not written.
    sides, group = Dataset(), Dataset()
    sides.PixelSpacing, sides.SliceThickness = [1, 1], 1
    group.PixelMeasuresSequence = [sides]
    header.NumberOfFrames, header.SharedFunctionalGroupsSequence = 1, [group]


def _share_groups(header: "pydicom.Dataset") -> None:
    """Say once for all frames what each of them says: highdicom looks nowhere else."""
    from pydicom.dataset import Dataset

    if not header.get("SharedFunctionalGroupsSequence"):
        header.SharedFunctionalGroupsSequence = [Dataset()]
    shared = header.SharedFunctionalGroupsSequence[0]
    first = header.PerFrameFunctionalGroupsSequence[0]
    for keyword in ("PlaneOrientationSequence", "PixelMeasuresSequence"):
        if keyword not in shared and keyword in first:
            shared[keyword] = deepcopy(first[keyword])


def _say_sides(sources: Sequence["pydicom.Dataset"], planes: Sequence[Plane]) -> None:
    """Let the third side of voxels be what positions say.

    Where these are not quite even, readers take what stands here, and without it the thickness.

    Frames have to be of some thickness; where that is unknown, they reach from one to the next.
    """
    if planes[0].position is None or planes[0].orientation is None:
        return
    normal = np.cross(planes[0].orientation[:3], planes[0].orientation[3:])
    heights = np.array([plane.position for plane in planes]) @ normal
    spacing = planes[0].spacing_between or planes[0].thickness or 1.0
    if len(heights) > 1:
        spacing = float(np.median(np.diff(heights)))
        even = np.linspace(heights[0], heights[-1], len(heights))
        if np.abs(heights - even).max() <= _EVEN_SHARE * spacing:
            spacing = float(even[1] - even[0])
    for source in sources:
        groups = source.get("SharedFunctionalGroupsSequence")
        sides = groups[0].PixelMeasuresSequence[0] if groups else source
        sides.SliceThickness = sides.get("SliceThickness") or f"{spacing:.8g}"
        sides.SpacingBetweenSlices = f"{spacing:.8g}"
