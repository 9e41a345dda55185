"""What DICOM files say of one another: which images a mask is of, and in which space it lies."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ecs_med.data.readers.dicom.files import guarded, is_dicom, open_dataset
from ecs_med.data.readers.dicom.headers import read_header
from ecs_med.errors import UnreadableFileError

if TYPE_CHECKING:
    import pydicom

__all__ = [
    "References",
    "frames_of_reference",
    "instance_uid",
    "references_of",
    "require_one_space",
]


@dataclass(frozen=True, slots=True)
class References:
    """Which images a mask says that it is of; identifiers are never shown.

    Attributes:
        series: UIDs of series.
        instances: UIDs of files.
        frames_of_reference: UIDs of the spaces in which it lies; empty: unknown.
    """

    series: frozenset[str]
    instances: frozenset[str]
    frames_of_reference: frozenset[str]


def references_of(path: Path) -> References:
    """What a DICOM SEG or RTSTRUCT was drawn on.

    Raises:
        UnreadableFileError: If it cannot be read.
    """
    dataset = open_dataset(path)
    with guarded(path, "does not say what it was drawn on"):
        found = list(_referenced(dataset))
        spaces = frames_of_reference(dataset)
    return References(
        frozenset(uid for kind, uid in found if kind == "SeriesInstanceUID" and uid),
        frozenset(uid for kind, uid in found if kind == "ReferencedSOPInstanceUID" and uid),
        spaces,
    )


def _referenced(dataset: "pydicom.Dataset", *, inside: bool = False) -> Iterator[tuple[str, str]]:
    """Keyword and value of every identifier of a series or of an image below an object."""
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _referenced(item, inside=True)
        elif inside and element.keyword in ("SeriesInstanceUID", "ReferencedSOPInstanceUID"):
            yield element.keyword, str(element.value or "")


def instance_uid(path: Path) -> str:
    """The UID of a file, never shown; empty where it has none or is no DICOM."""
    return read_header(path).plane.sop_instance_uid if is_dicom(path) else ""


def frames_of_reference(dataset: "pydicom.Dataset") -> frozenset[str]:
    """UIDs of the spaces in which an object lies; empty where it does not say."""
    items = dataset.get("ReferencedFrameOfReferenceSequence") or ()
    found = [item.get("FrameOfReferenceUID") for item in (dataset, *items)]
    return frozenset(str(uid) for uid in found if uid)


def require_one_space(dataset: "pydicom.Dataset", path: Path, images: Sequence[Path]) -> None:
    """Refuse a mask whose positions are not those of its images.

    Args:
        dataset: The mask.
        path: Its file.
        images: Of any format; only DICOM says in which space it lies.

    Raises:
        UnreadableFileError: If both say it, and not alike.
    """
    with guarded(path):
        own = frames_of_reference(dataset)
    theirs = read_header(images[0]).frame_of_reference_uid if is_dicom(images[0]) else ""
    if own and theirs and theirs not in own:
        raise UnreadableFileError(
            path, f"lies in another frame of reference than {images[0]}",
            "give it with the series that it was drawn on",
        )  # fmt: skip
