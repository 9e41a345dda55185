"""What the header of one file says, as numbers: read once, and only the elements that count."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ecs_med.data.readers.dicom.files import guarded, open_dataset
from ecs_med.errors import UnreadableFileError

if TYPE_CHECKING:
    import pydicom

__all__ = ["FileKind", "ImageHeader", "Plane", "Vector", "kind_of", "numbers", "read_header"]

FileKind = Literal["slice", "enhanced", "frames", "picture", "segmentation", "structures", "other"]
"""What a file is: a slice of a volume; several frames that have places in space; several without;
a picture; a DICOM SEG; an RTSTRUCT; anything else, such as a report or a dose."""

Vector = tuple[float, ...]

_SEGMENTATIONS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_STRUCTURES = "1.2.840.10008.5.1.4.1.1.481.3"
_NOT_IMAGES = (
    "1.2.840.10008.5.1.4.1.1.481.2",  # dose
    "1.2.840.10008.5.1.4.1.1.30",  # parametric map
    "1.2.840.10008.5.1.4.1.1.66.5",  # surfaces
)
_CROSS_SECTIONAL = (
    "1.2.840.10008.5.1.4.1.1.2",  # CT
    "1.2.840.10008.5.1.4.1.1.4",  # MR
    "1.2.840.10008.5.1.4.1.1.128",  # PET
)
_CROSS_SECTIONAL_MODALITIES = ("CT", "MR", "PT")

_MODALITIES = frozenset(
    (
        *("BI", "CR", "CT", "DG", "DX", "ES", "GM", "IO", "IVOCT", "IVUS", "LS", "MG", "MR", "NM"),
        *("OCT", "OP", "OPT", "OT", "PT", "PX", "RF", "RG", "RTDOSE", "RTIMAGE", "RTPLAN"),
        *("RTSTRUCT", "SC", "SEG", "SM", "SR", "TG", "US", "XA", "XC"),
    )
)

_TAGS = (
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber"),
    *("FrameOfReferenceUID", "Modality", "ImageType", "InstanceNumber"),
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
class Plane:
    """One slice: where it lies, and what its stored values stand for.

    Attributes:
        path: The file.
        frame: Which of its frames, from 0; `None` for a file of one.
        rows: Number of rows.
        columns: Number of columns.
        position: `(3,)`, centre of the first pixel in mm, to the left, back and head.
        orientation: `(6,)`, direction in which columns count up, then that of rows.
        spacing: `(2,)` mm from row to row, and from column to column.
        spacing_between: Distance of slices in mm, by the header's word.
        thickness: Of the slice in mm, which is no distance.
        slope: Real values are `slope * stored + intercept`.
        intercept: See `slope`.
        padding: Lowest and highest stored value that stand for "nothing here".
        dark_is_high: Whether high values are shown dark (MONOCHROME1).
        sop_instance_uid: Identifier of the file: never shown.
    """

    path: Path
    frame: int | None
    rows: int
    columns: int
    position: Vector | None = None
    orientation: Vector | None = None
    spacing: Vector | None = None
    spacing_between: float | None = None
    thickness: float | None = None
    slope: float = 1.0
    intercept: float = 0.0
    padding: tuple[int, int] | None = None
    dark_is_high: bool = False
    sop_instance_uid: str = ""

    @property
    def name(self) -> str:
        """File and frame, for messages."""
        return str(self.path) if self.frame is None else f"frame {self.frame + 1} of {self.path}"


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
    sop_instance, of_meta = _sop_uid(dataset, "SOPInstanceUID", "MediaStorageSOPInstanceUID")
    _require_a_size(dataset, path)
    return ImageHeader(
        kind=kind_of(dataset),
        plane=_plane(dataset, path, sop_instance),
        modality=modality if (modality := _text(dataset, "Modality")) in _MODALITIES else "",
        study_uid=_text(dataset, "StudyInstanceUID"),
        series_uid=_text(dataset, "SeriesInstanceUID"),
        frame_of_reference_uid=_text(dataset, "FrameOfReferenceUID"),
        series_number=int(_number(dataset, "SeriesNumber", path)),
        num_frames=max(1, int(_number(dataset, "NumberOfFrames", path, 1))),
        divided_by=tuple((k, _text(dataset, k)) for k in _DIVIDING if dataset.get(k) is not None),
        uids_of_meta=of_meta,
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
        dark_is_high=_text(dataset, "PhotometricInterpretation") == "MONOCHROME1",
        sop_instance_uid=sop_instance,
    )


def kind_of(dataset: "pydicom.Dataset") -> FileKind:
    """What a file is, by its class, its modality and the elements that it has."""
    sop_class, _ = _sop_uid(dataset, "SOPClassUID", "MediaStorageSOPClassUID")
    modality = _text(dataset, "Modality")
    if sop_class in _SEGMENTATIONS or modality == "SEG":
        return "segmentation"
    if sop_class == _STRUCTURES or modality == "RTSTRUCT":
        return "structures"
    if sop_class in _NOT_IMAGES or not (dataset.get("Rows") and dataset.get("Columns")):
        return "other"
    several = int(dataset.get("NumberOfFrames") or 1) > 1
    one_value = int(dataset.get("SamplesPerPixel") or 1) == 1
    palette = _text(dataset, "PhotometricInterpretation") == "PALETTE COLOR"
    if one_value and not palette and _frames_have_places(dataset):
        return "enhanced"
    if several:
        return "frames"
    places = dataset.get("ImagePositionPatient") or dataset.get("ImageOrientationPatient")
    sectional = sop_class in _CROSS_SECTIONAL or (
        not sop_class and modality in _CROSS_SECTIONAL_MODALITIES
    )
    return "slice" if one_value and not palette and (places or sectional) else "picture"


def _require_a_size(dataset: "pydicom.FileDataset", path: Path) -> None:
    """Refuse an image that says no size: it is cut off, and a series without it is not whole."""
    from pydicom.uid import UID

    sop_class, _ = _sop_uid(dataset, "SOPClassUID", "MediaStorageSOPClassUID")
    is_image = "Image Storage" in UID(sop_class).name or not sop_class
    if is_image and not (dataset.get("Rows") and dataset.get("Columns")):
        reason = (
            "does not say how many rows and columns it has"
            if sop_class
            else "does not say what it is"
        )
        raise UnreadableFileError(path, reason, "copy or export it again")


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


def _frames_have_places(dataset: "pydicom.Dataset") -> bool:
    """Whether every frame has a position of its own in the functional groups."""
    groups = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    return bool(groups) and all("PlanePositionSequence" in group for group in groups)


def _sop_uid(dataset: "pydicom.Dataset", keyword: str, meta_keyword: str) -> tuple[str, bool]:
    """An identifier, and whether it is only in the file's meta header."""
    own = _text(dataset, keyword)
    return (own, False) if own else (_text(getattr(dataset, "file_meta", {}), meta_keyword), True)


def _text(dataset: Any, keyword: str) -> str:
    """Text of an element without blanks around; empty where it is absent."""
    value = dataset.get(keyword)
    return "" if value is None else str(value).strip()
