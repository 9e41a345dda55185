"""Label maps as DICOM SEG, on the frames of the images that they were made from.

highdicom encodes; what this module adds is the order of frames, which is that of the source and
never of an array in another orientation, the attributes that real sources lack, and a check: what
was written is read back and compared, frame by frame, before the file gets its name.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.base import ResultMeaning
from ecs_med.data.readers.dicom.codes import codes_of
from ecs_med.data.readers.dicom.files import guarded, open_dataset, quiet_libraries
from ecs_med.data.readers.dicom.headers import read_header
from ecs_med.data.readers.dicom.planes import Plane
from ecs_med.data.readers.dicom.stack import planes_of_files
from ecs_med.errors import MissingExtraError, UnreadableFileError
from ecs_med.files import RESULT_REMEDY, write_atomically
from ecs_med.palette import class_color

if TYPE_CHECKING:
    import highdicom
    import pydicom

__all__ = ["require_writable", "write_segmentation"]

_NIFTI = "write NIfTI or PNG instead"
_NOT_ALLOWED = "its headers do not allow a DICOM segmentation"
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


def require_writable(like: Sequence[Path]) -> None:
    """Refuse a source for which no segmentation can be written, before anything is computed.

    Args:
        like: The files of a series, or one file.

    Raises:
        MissingExtraError: Without highdicom.
        UnreadableFileError: If it has no study or series to belong to, is a sequence of frames
            without places in space, or cannot be read.
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
            _NIFTI,
        )  # fmt: skip
    if header.kind in ("slice", "enhanced") and not header.frame_of_reference_uid:
        raise UnreadableFileError(
            path, "has no frame of reference, in which a DICOM segmentation would lie", _NIFTI
        )


def write_segmentation(
    path: Path,
    labels: npt.NDArray[np.integer],
    like: Sequence[Path],
    meaning: ResultMeaning | None = None,
) -> None:
    """Write labels as a binary segmentation, a segment for each class but the first.

    Args:
        path: Where to.
        labels: `(columns, rows, slices)` in the order of `planes_of_files`, or `(rows, columns)`
            of a picture; stored values.
        like: The files of the images.
        meaning: Names of classes; `None`: the values that occur.

    Raises:
        EcsMedError: See `require_writable`; or if the file cannot be written.
        AssertionError: If what was written is not what was to be written, which is a fault here.
    """
    require_writable(like)
    found = {0: "background"} | {int(value): f"class {value}" for value in np.unique(labels)}
    meaning = meaning or ResultMeaning(found)
    values = list(meaning.names)[1:]
    sources, frames = _on_source_frames(labels, like)
    numbers = np.zeros(frames.shape, np.uint8 if len(values) < 256 else np.uint16)
    for number, value in enumerate(values, 1):
        numbers[frames == value] = number
    with guarded(like[0], _NOT_ALLOWED, _NIFTI):
        made = _segmentation(sources, numbers, [meaning.names[value] for value in values], meaning)

    def write(temporary: Path) -> None:
        with quiet_libraries():
            made.save_as(temporary, enforce_file_format=True)
            _require_equal(temporary, numbers, sources)

    write_atomically(path, write, remedy=RESULT_REMEDY)


def _highdicom() -> Any:
    try:
        import highdicom
        import highdicom.seg
    except ImportError as error:
        raise MissingExtraError("Writing DICOM segmentations", "dicom") from error
    return highdicom


def _on_source_frames(
    labels: npt.NDArray[np.integer], like: Sequence[Path]
) -> tuple[list["pydicom.Dataset"], npt.NDArray[np.integer]]:
    """Headers of the source, and `(frames, rows, columns)` labels in their order."""
    if labels.ndim == 2:
        return [_completed(like[0])], labels[None]
    planes = planes_of_files(like)[0]
    shape = (planes[0].columns, planes[0].rows, len(planes))
    if labels.shape != shape:
        raise ValueError(f"{labels.shape} does not fit the frames {shape} of {like[0]}")
    frames = np.ascontiguousarray(labels.transpose(2, 1, 0))
    if planes[0].frame is None:
        return [_completed(plane.path) for plane in planes], frames
    return [_completed(planes[0].path)], frames[_order(planes)]


def _order(planes: Sequence[Plane]) -> list[int]:
    """Place among the slices of each frame as it is stored."""
    return sorted(range(len(planes)), key=lambda index: planes[index].frame or 0)


def _completed(path: Path) -> "pydicom.Dataset":
    """A header with identifiers and empty attributes where it lacks them."""
    found = open_dataset(path)
    with guarded(path, _NOT_ALLOWED, _NIFTI):
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
        _described(hd, number, name, algorithm, meaning.codes)
        for number, name in enumerate(names, 1)
    ]
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


def _described(
    hd: Any, number: int, name: str, algorithm: Any, given: Mapping[str, Mapping[str, Any]] | None
) -> Any:
    found = codes_of(name, given)
    red, green, blue = class_color(number)
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=name[:64],
        segmented_property_category=found.category,
        segmented_property_type=found.type,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm,
        tracking_uid=hd.UID(),
        tracking_id=name[:64],
        display_color=hd.color.CIELabColor.from_rgb(red, green, blue),
    )


def _require_equal(
    path: Path, numbers: npt.NDArray[np.unsignedinteger], sources: Sequence["pydicom.Dataset"]
) -> None:
    """Read a segmentation back and hold every frame against the labels of its source frame."""
    import pydicom

    written = pydicom.dcmread(path)
    pixels = written.pixel_array.reshape(-1, *numbers.shape[1:])
    index = {source.SOPInstanceUID: place for place, source in enumerate(sources)}
    seen = 0
    for frame, group in zip(pixels, written.PerFrameFunctionalGroupsSequence, strict=True):
        segment = int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        place = index[source.ReferencedSOPInstanceUID]
        if len(sources) < len(numbers):
            place = int(source.ReferencedFrameNumber) - 1
        assert ((numbers[place] == segment) == frame.astype(bool)).all(), "segmentation differs"
        seen += int(frame.sum())
    assert seen == np.count_nonzero(numbers), "segmentation lacks frames"
