"""What the header of one file says, as numbers: read once, and only the elements that count."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecs_med.data.readers.dicom.files import guarded, open_dataset
from ecs_med.data.readers.dicom.kinds import FileKind, kind_of, require_size, text_of, uid_of
from ecs_med.data.readers.dicom.planes import Plane, Vector
from ecs_med.errors import UnreadableFileError

if TYPE_CHECKING:
    import pydicom

__all__ = ["ImageHeader", "numbers", "read_header"]

_MODALITIES = frozenset(
    (
        *("BI", "CR", "CT", "DG", "DX", "ES", "GM", "IO", "IVOCT", "IVUS", "LS", "MG", "MR", "NM"),
        *("OCT", "OP", "OPT", "OT", "PT", "PX", "RF", "RG", "RTDOSE", "RTIMAGE", "RTPLAN"),
        *("RTSTRUCT", "SC", "SEG", "SM", "SR", "TG", "US", "XA", "XC"),
    )
)

_TAGS = (
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber"),
    *("FrameOfReferenceUID", "Modality", "ImageType"),
    *("TemporalPositionIdentifier", "AcquisitionNumber", "EchoNumbers", "EchoTime"),
    *("TriggerTime", "DiffusionBValue"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
    *("SliceThickness", "SpacingBetweenSlices"),
    *("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PhotometricInterpretation"),
    *("PixelRepresentation", "BitsAllocated", "BitsStored", "HighBit"),
    *("RescaleSlope", "RescaleIntercept", "ModalityLUTSequence"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)

_BEYOND_SENSE = 1e12
"""Larger numbers would overflow where distances are computed."""

_DIVIDING = (
    *("TemporalPositionIdentifier", "AcquisitionNumber", "EchoNumbers", "EchoTime"),
    *("TriggerTime", "DiffusionBValue", "ImageType"),
)
"""What may tell apart the volumes of one series that lie in the same place."""


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """One file.

    Attributes:
        kind: What it is.
        plane: Its geometry and values; of files of several frames without position.
        modality: Such as `CT`; empty where it is none of those known, as anything may stand there.
        study_uid: Never shown, as all UIDs.
        series_uid: See `study_uid`.
        frame_of_reference_uid: See `study_uid`.
        series_number: Of the series in its study; 0: unknown.
        num_frames: At least 1.
        divided_by: Values that tell apart the volumes of one series, by keyword.
        uids_of_meta: Whether SOP identifiers were missing and taken from the file's meta header.
        has_lookup: Whether a table, not a slope, says what stored values stand for.
        has_low_bits: Whether stored values are the lowest bits, as they are since 2003.
    """

    kind: FileKind
    plane: Plane
    modality: str
    study_uid: str
    series_uid: str
    frame_of_reference_uid: str
    series_number: int
    num_frames: int
    divided_by: tuple[tuple[str, str], ...]
    uids_of_meta: bool
    has_lookup: bool
    has_low_bits: bool

    @property
    def is_mosaic(self) -> bool:
        """Whether all slices of a volume are tiles of one picture, as in series of Siemens."""
        return "MOSAIC" in dict(self.divided_by).get("ImageType", "")


def read_header(path: Path) -> ImageHeader:
    """Read the header of a file; asked again, an unchanged file is not opened again.

    Raises:
        UnreadableFileError: If it cannot be read, or a number in it makes no sense.
    """
    try:
        state = path.stat()
    except OSError:
        return _parse(path)  # says what is wrong
    return _read(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=4096)
def _read(path: Path, size: int, changed: int) -> ImageHeader:
    return _parse(path)


def _parse(path: Path) -> ImageHeader:
    dataset = open_dataset(path, tags=_TAGS)
    # Values are converted when they are asked for.
    with guarded(path, "its DICOM header is damaged"):
        return _of_dataset(dataset, path)


def _of_dataset(dataset: "pydicom.FileDataset", path: Path) -> ImageHeader:
    sop_instance, of_meta = uid_of(dataset, "SOPInstanceUID", "MediaStorageSOPInstanceUID")
    require_size(dataset, path)
    bits = _number(dataset, "BitsStored", path)
    return ImageHeader(
        kind=kind_of(dataset),
        plane=_plane(dataset, path, sop_instance),
        modality=modality if (modality := text_of(dataset, "Modality")) in _MODALITIES else "",
        study_uid=text_of(dataset, "StudyInstanceUID"),
        series_uid=text_of(dataset, "SeriesInstanceUID"),
        frame_of_reference_uid=text_of(dataset, "FrameOfReferenceUID"),
        series_number=int(_number(dataset, "SeriesNumber", path)),
        num_frames=max(1, int(_number(dataset, "NumberOfFrames", path, 1))),
        divided_by=tuple((k, text_of(dataset, k)) for k in _DIVIDING if dataset.get(k) is not None),
        uids_of_meta=of_meta,
        has_lookup=bool(dataset.get("ModalityLUTSequence")),
        has_low_bits=_number(dataset, "HighBit", path, bits - 1) == bits - 1,
    )


def _plane(dataset: "pydicom.FileDataset", path: Path, sop_instance: str) -> Plane:
    return Plane(
        path=path,
        frame=None,
        rows=int(_number(dataset, "Rows", path)),
        columns=int(_number(dataset, "Columns", path)),
        position=numbers(dataset, "ImagePositionPatient", path, 3),
        orientation=numbers(dataset, "ImageOrientationPatient", path, 6),
        spacing=numbers(dataset, "PixelSpacing", path, 2),
        spacing_between=_optional(dataset, "SpacingBetweenSlices", path),
        thickness=_optional(dataset, "SliceThickness", path),
        slope=_number(dataset, "RescaleSlope", path, 1.0),
        intercept=_number(dataset, "RescaleIntercept", path),
        padding=_padding(dataset, path),
        dark_is_high=text_of(dataset, "PhotometricInterpretation") == "MONOCHROME1",
        sop_instance_uid=sop_instance,
    )


def numbers(
    dataset: "pydicom.Dataset", keyword: str, path: Path, count: int | None = None
) -> Vector | None:
    """The numbers of an element; `None` where it is absent or empty.

    Args:
        dataset: Where it is.
        keyword: Its name in the standard.
        path: The file, for messages.
        count: How many there must be.

    Raises:
        UnreadableFileError: If they are not that many, not finite or absurdly large.
    """
    try:
        value: Any = dataset.get(keyword)
        if value is None or value == "":
            return None
        several = isinstance(value, Sequence) and not isinstance(value, str)
        found = tuple(float(number) for number in (value if several else [value]))
    except Exception:
        found = (float("nan"),)
    if not found:
        return None
    if not all(abs(number) < _BEYOND_SENSE for number in found) or (
        count is not None and len(found) != count
    ):
        wanted = "a finite number" if count in (None, 1) else f"{count} finite numbers"
        raise UnreadableFileError(path, f"its {keyword} is not {wanted}", "export it again")
    return found


def _number(dataset: "pydicom.Dataset", keyword: str, path: Path, default: float = 0.0) -> float:
    """The first number of an element."""
    found = numbers(dataset, keyword, path)
    return default if found is None else found[0]


def _optional(dataset: "pydicom.Dataset", keyword: str, path: Path) -> float | None:
    """As `_number`, but `None` where there is none."""
    found = numbers(dataset, keyword, path)
    return None if found is None else found[0]


def _padding(dataset: "pydicom.Dataset", path: Path) -> tuple[int, int] | None:
    """Range of stored values that pad, whichever of two signs the element was written with."""
    value = numbers(dataset, "PixelPaddingValue", path)
    if value is None:
        return None
    limit = numbers(dataset, "PixelPaddingRangeLimit", path) or value
    bits = int(_number(dataset, "BitsAllocated", path, 16))
    signed = bool(_number(dataset, "PixelRepresentation", path))
    half = 1 << (bits - 1)
    low, high = sorted(
        (int(end) + half) % (2 * half) - half if signed else int(end) % (2 * half)
        for end in (value[0], limit[0])
    )
    return low, high
