"""What DICOM files say of one another: which images a mask is of, and in which space it lies."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ecs_med.data.readers.dicom.files import is_dicom
from ecs_med.data.readers.dicom.headers import read_header
from ecs_med.errors import UnreadableFileError

if TYPE_CHECKING:
    import pydicom

__all__ = ["frame_of_reference", "instance_uid", "require_one_space"]


def instance_uid(path: Path) -> str:
    """The UID of a file, never shown; empty where it has none or is no DICOM."""
    return read_header(path).plane.sop_instance_uid if is_dicom(path) else ""


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
    theirs = read_header(images[0]).frame_of_reference_uid if is_dicom(images[0]) else ""
    if own and theirs and own != theirs:
        raise UnreadableFileError(
            path, f"lies in another frame of reference than {images[0]}",
            "give it with the series that it was drawn on",
        )  # fmt: skip
