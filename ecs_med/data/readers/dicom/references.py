"""What DICOM files say of one another: which images a mask is of, and in which space it lies."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ecs_med.data.readers.dicom.files import is_dicom, open_dataset
from ecs_med.errors import UnreadableFileError

if TYPE_CHECKING:
    import pydicom

__all__ = ["frame_of_reference", "instance_uid", "require_one_space"]


def instance_uid(path: Path) -> str | None:
    """The UID of a file, never shown; `None` where it has none or is no DICOM."""
    if not is_dicom(path):
        return None
    dataset = open_dataset(path)
    meta = getattr(dataset, "file_meta", None)
    found = dataset.get("SOPInstanceUID") or (meta and meta.get("MediaStorageSOPInstanceUID"))
    return str(found) if found else None


def frame_of_reference(dataset: "pydicom.Dataset") -> str:
    """UID of the space in which an object lies; empty where it does not say."""
    found = str(dataset.get("FrameOfReferenceUID") or "")
    items = dataset.get("ReferencedFrameOfReferenceSequence")
    if not found and items:
        found = str(items[0].get("FrameOfReferenceUID") or "")
    return found


def require_one_space(dataset: "pydicom.Dataset", path: Path, images: Sequence[Path]) -> None:
    """Refuse a mask whose positions are not those of its images.

    Args:
        dataset: The mask.
        path: Its file.
        images: Of any format; only DICOM says in which space it lies.

    Raises:
        UnreadableFileError: If both say it, and not alike.
    """
    own = frame_of_reference(dataset)
    theirs = frame_of_reference(open_dataset(images[0])) if is_dicom(images[0]) else ""
    if own and theirs and own != theirs:
        raise UnreadableFileError(
            path, f"lies in another frame of reference than {images[0]}",
            "give it with the series that it was drawn on",
        )  # fmt: skip
