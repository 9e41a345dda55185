"""Label maps as DICOM SEG, on the frames of the images that they were made from.

highdicom encodes; what this module adds is the order of frames, which is that of the source and
never of an array in another orientation, the attributes that real sources lack, and a check: what
was written is read back and compared, frame by frame, before the file gets its name.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.dicom.codes import SegmentCodes, codes_of
from ecs_med.data.readers.dicom.files import guarded, quiet_libraries
from ecs_med.data.readers.dicom.headers import read_header
from ecs_med.data.readers.dicom.planes import Plane
from ecs_med.data.readers.dicom.seg_checking import require_equal
from ecs_med.data.readers.dicom.seg_sources import (
    INSTEAD,
    NOT_ALLOWED,
    on_source_frames,
    planes_in_order,
    source_headers,
)
from ecs_med.data.readers.scans import ResultMeaning
from ecs_med.errors import MissingExtraError, UnreadableFileError
from ecs_med.files import RESULT_REMEDY, write_atomically
from ecs_med.palette import class_color

if TYPE_CHECKING:
    import highdicom
    import pydicom

__all__ = ["require_writable", "write_segmentation"]

_LABEL_BYTES = 64
"""The standard counts characters, but validators bytes."""

_NOT_IN_LABELS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def require_writable(like: Sequence[Path]) -> None:
    """Refuse a source for which no segmentation can be written, before anything is computed.

    Args:
        like: The files of a series, or one file.

    Raises:
        MissingExtraError: Without highdicom.
        UnreadableFileError: If it has no study or series to belong to, is a sequence of frames
            without places in space, is of a kind that highdicom does not know, has slices of
            several studies or of one identifier, or cannot be read.
    """
    _highdicom()
    path = like[0]
    header = read_header(path)
    if header.kind == "frames":
        raise UnreadableFileError(
            path, "holds several frames without places in space, for which no DICOM segmentation "
            "can be written", "write PNG instead, one a frame",
        )  # fmt: skip
    if not header.study_uid or not header.series_uid:
        raise UnreadableFileError(
            path, "has no identifiers of study and series, to which a DICOM segmentation belongs",
            INSTEAD,
        )  # fmt: skip
    if header.kind in ("slice", "enhanced") and not header.frame_of_reference_uid:
        raise UnreadableFileError(
            path, "has no frame of reference, in which a DICOM segmentation would lie", INSTEAD
        )
    planes = planes_in_order(like)
    _require_one_identity(planes)
    with guarded(path, NOT_ALLOWED, INSTEAD):
        # Whatever highdicom asks of headers, it is asked now: a segmentation of one pixel.
        of_file = [plane for plane in planes if plane.path == planes[0].path]
        numbers = np.zeros((len(of_file), of_file[0].rows, of_file[0].columns), np.uint8)
        numbers[0, 0, 0] = 1
        _segmentation(source_headers(of_file), numbers, ["any"], ResultMeaning({}))


def _require_one_identity(planes: Sequence[Plane]) -> None:
    """Refuse files that cannot be told apart by what a segmentation says of its sources."""
    named: dict[str, Path] = {}
    first = read_header(planes[0].path)
    for path in dict.fromkeys(plane.path for plane in planes):
        header = read_header(path)
        uid = header.plane.sop_instance_uid
        reason = "" if uid else "has no identifier, by which a DICOM segmentation would refer to it"
        if uid in named:
            reason = f"has the identifier of {named[uid]}, though it is another slice"
        if header.study_uid != first.study_uid:
            reason = f"is of another study than {planes[0].path}"
        if reason:
            raise UnreadableFileError(path, reason, INSTEAD)
        named[uid] = path


def write_segmentation(
    path: Path,
    labels: npt.NDArray[np.integer],
    like: Sequence[Path],
    meaning: ResultMeaning | None = None,
) -> None:
    """Write labels as a binary segmentation, a segment for each class but the first.

    Args:
        path: Where to.
        labels: `(columns, rows, slices)` in the order of `place_series`, or `(rows, columns)` of a
            picture; stored values.
        like: The files of the images, which `require_writable` lets pass.
        meaning: Names of classes; `None`: the values that occur.

    Raises:
        EcsMedError: If the sources cannot be read or do not allow it, or the file cannot be
            written.
        ValueError: If the shape is not that of the images, or a value has no meaning.
        RuntimeError: If what was written is not what was to be written, which is a fault here.
    """
    occurring = np.unique(labels).tolist()
    meaning = meaning or ResultMeaning({0: "background"} | {v: f"class {v}" for v in occurring})
    if strange := [value for value in occurring if value not in meaning.names]:
        raise ValueError(f"labels hold {strange[0]}, which stands for none of {meaning.names}")
    values = list(meaning.names)[1:]
    sources, frames, planes = on_source_frames(labels, like)
    number_of = np.zeros(max(values, default=0) + 1, np.uint8 if len(values) < 256 else np.uint16)
    number_of[values] = np.arange(1, len(values) + 1)
    numbers = number_of[frames]
    with guarded(like[0], NOT_ALLOWED, INSTEAD):
        made = _segmentation(sources, numbers, [meaning.names[value] for value in values], meaning)

    def write(temporary: Path) -> None:
        with quiet_libraries():
            made.save_as(temporary, enforce_file_format=True)
            require_equal(temporary, numbers, sources, planes)

    write_atomically(path, write, remedy=RESULT_REMEDY)


def _highdicom() -> Any:
    try:
        import highdicom
        import highdicom.seg
    except ImportError as error:
        raise MissingExtraError("Writing DICOM segmentations", "dicom") from error
    return highdicom


def _labels_of(names: Sequence[str]) -> list[str]:
    """Names as an element of one line of text can hold them, each another."""
    # A backslash would part two values, and an empty value is none.
    clean = [" ".join(_NOT_IN_LABELS.sub(" ", name.replace("\\", "/")).split()) for name in names]
    labels: list[str] = []
    for number, name in enumerate(clean, 1):
        label = _cut(name, _LABEL_BYTES) or f"class {number}"
        if label in labels:
            label = f"{_cut(label, _LABEL_BYTES - len(f' {number}'))} {number}"
        labels.append(label)
    return labels


def _cut(text: str, num_bytes: int) -> str:
    return text.encode(errors="replace")[:num_bytes].decode(errors="ignore").strip()


def _segmentation(
    sources: Sequence["pydicom.Dataset"],
    numbers: npt.NDArray[np.unsignedinteger],
    names: Sequence[str],
    meaning: ResultMeaning,
) -> "highdicom.seg.Segmentation":
    from importlib.metadata import version

    hd = _highdicom()
    release = version("ecs-med")
    algorithm = hd.AlgorithmIdentificationSequence(
        name="ecs-med", family=_artificial_intelligence(), version=release, source="ecs-med"
    )
    segments = [
        _described(hd, number, label, codes_of(name, meaning.codes), algorithm)
        for number, (label, name) in enumerate(zip(_labels_of(names), names, strict=True), 1)
    ]
    # The letters of the source may lack those of our names, and highdicom knows few of the ways
    # to say which they are; UTF-8 has all. What is taken over comes from the first source.
    sources[0].decode()
    sources[0].SpecificCharacterSet = "ISO_IR 192"
    made = hd.seg.Segmentation(
        source_images=sources,
        pixel_array=numbers,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=hd.UID(),
        series_number=300,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="ecs-med",
        manufacturer_model_name="ecs-med",
        software_versions=release,
        device_serial_number="0",
        content_label="SEGMENTATION",
        content_description="Made by a model, not checked by a person",
    )
    made.SeriesDescription = "Segmentation by ecs-med"
    # Optional, and names the hospital, the station and the serial number of the source's machine.
    made.pop("ContributingEquipmentSequence", None)
    if not sources[0].get("FrameOfReferenceUID"):
        # Asked for where a picture does not say how it lies; may be empty.
        made.PatientOrientation = None
        for group in made.get("SharedFunctionalGroupsSequence", ()):
            # Without a place in space the sides of pixels are incomplete, and readers refuse them.
            if "PixelMeasuresSequence" in group:
                del group.PixelMeasuresSequence
    return made


def _artificial_intelligence() -> Any:
    from pydicom.sr.codedict import codes

    return codes.DCM.ArtificialIntelligence


def _described(hd: Any, number: int, label: str, found: SegmentCodes, algorithm: Any) -> Any:
    red, green, blue = class_color(number)
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=found.category,
        segmented_property_type=found.type,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        tracking_uid=hd.UID(),
        tracking_id=label,
        display_color=hd.color.CIELabColor.from_rgb(red, green, blue),
    )
