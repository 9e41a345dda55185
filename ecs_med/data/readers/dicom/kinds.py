"""What a DICOM file is: by its class, its modality and the elements that it has."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ecs_med.errors import UnreadableFileError

if TYPE_CHECKING:
    import pydicom

__all__ = ["FileKind", "kind_of", "require_size", "text_of", "uid_of"]

FileKind = Literal["slice", "enhanced", "frames", "picture", "segmentation", "structures", "other"]
"""What a file is: a slice of a volume; several frames that have places in space; several without;
a picture; a DICOM SEG; an RTSTRUCT; anything else, such as a report or a dose."""

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


def kind_of(dataset: "pydicom.Dataset") -> FileKind:
    """What a file is, by its class, its modality and the elements that it has."""
    sop_class, _ = uid_of(dataset, "SOPClassUID", "MediaStorageSOPClassUID")
    modality = text_of(dataset, "Modality")
    if sop_class in _SEGMENTATIONS or modality == "SEG":
        return "segmentation"
    if sop_class == _STRUCTURES or modality == "RTSTRUCT":
        return "structures"
    if sop_class in _NOT_IMAGES or not (dataset.get("Rows") and dataset.get("Columns")):
        return "other"
    several = int(dataset.get("NumberOfFrames") or 1) > 1
    one_value = int(dataset.get("SamplesPerPixel") or 1) == 1
    palette = text_of(dataset, "PhotometricInterpretation") == "PALETTE COLOR"
    if one_value and not palette and _frames_have_places(dataset):
        return "enhanced"
    if several:
        return "frames"
    places = dataset.get("ImagePositionPatient") or dataset.get("ImageOrientationPatient")
    sectional = sop_class in _CROSS_SECTIONAL or (
        not sop_class and modality in _CROSS_SECTIONAL_MODALITIES
    )
    return "slice" if one_value and not palette and (places or sectional) else "picture"


def require_size(dataset: "pydicom.FileDataset", path: Path) -> None:
    """Refuse an image that says no size: it is cut off, and a series without it is not whole."""
    from pydicom.uid import UID

    # Two places say it: damage that takes the size away may have taken one of them, too.
    meta = text_of(getattr(dataset, "file_meta", {}), "MediaStorageSOPClassUID")
    classes = [name for name in (text_of(dataset, "SOPClassUID"), meta) if name]
    is_image = any("Image Storage" in UID(name).name for name in classes) or not classes
    if is_image and not (dataset.get("Rows") and dataset.get("Columns")):
        told = "does not say how many rows and columns it has"
        reason = told if classes else "does not say what it is"
        raise UnreadableFileError(path, reason, "copy or export it again")


def _frames_have_places(dataset: "pydicom.Dataset") -> bool:
    """Whether every frame has a position of its own in the functional groups."""
    groups = dataset.get("PerFrameFunctionalGroupsSequence") or ()
    return bool(groups) and all("PlanePositionSequence" in group for group in groups)


def uid_of(dataset: "pydicom.Dataset", keyword: str, meta_keyword: str) -> tuple[str, bool]:
    """An identifier, and whether it is only in the file's meta header."""
    own = text_of(dataset, keyword)
    return (own, False) if own else (text_of(getattr(dataset, "file_meta", {}), meta_keyword), True)


def text_of(dataset: Any, keyword: str) -> str:
    """Text of an element without blanks around; empty where it is absent."""
    value = dataset.get(keyword)
    return "" if value is None else str(value).strip()
