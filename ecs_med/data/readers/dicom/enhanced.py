"""Multi-frame objects whose frames have places in space: enhanced CT, MR, PET and their like."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ecs_med.data.readers.dicom.files import guarded, open_dataset
from ecs_med.data.readers.dicom.headers import ImageHeader, numbers
from ecs_med.data.readers.dicom.planes import Plane
from ecs_med.errors import UnreadableFileError

if TYPE_CHECKING:
    import pydicom

__all__ = ["planes_of_frames"]

_TAGS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")

_GROUPS = {
    "position": ("PlanePositionSequence", "ImagePositionPatient", 3),
    "orientation": ("PlaneOrientationSequence", "ImageOrientationPatient", 6),
    "spacing": ("PixelMeasuresSequence", "PixelSpacing", 2),
    "spacing_between": ("PixelMeasuresSequence", "SpacingBetweenSlices", 1),
    "thickness": ("PixelMeasuresSequence", "SliceThickness", 1),
    "slope": ("PixelValueTransformationSequence", "RescaleSlope", 1),
    "intercept": ("PixelValueTransformationSequence", "RescaleIntercept", 1),
}
"""Functional group, element and count of numbers for fields of a `Plane`."""


def planes_of_frames(header: ImageHeader) -> tuple[Plane, ...]:
    """The frames of a file as slices, in the order in which they are stored.

    What a frame says for itself counts, then what is said for all, then the file's own elements.

    Raises:
        UnreadableFileError: If fewer or more frames are described than there are, or a number
            makes no sense.
    """
    path = header.plane.path
    dataset = open_dataset(path, tags=_TAGS)
    with guarded(path, "the description of its frames is damaged"):
        planes = tuple(_planes(dataset, header.plane))
    if len(planes) != header.num_frames:
        raise UnreadableFileError(
            path, f"describes {len(planes)} frames and holds {header.num_frames}",
            "copy or export it again",
        )  # fmt: skip
    return planes


def _planes(dataset: "pydicom.Dataset", whole: Plane) -> Iterator[Plane]:
    shared = next(iter(dataset.get("SharedFunctionalGroupsSequence") or ()), None)
    for index, own in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        found: dict[str, object] = {}
        for field, (group, keyword, count) in _GROUPS.items():
            values = _value(own, group, keyword, count, whole.path)
            if values is None and shared is not None:
                values = _value(shared, group, keyword, count, whole.path)
            if values is not None:
                found[field] = values[0] if count == 1 else values
        yield replace(whole, frame=index, **found)  # type: ignore[arg-type]


def _value(
    groups: "pydicom.Dataset", group: str, keyword: str, count: int, path: Path
) -> tuple[float, ...] | None:
    items = groups.get(group) or ()
    return next((numbers(item, keyword, path, count) for item in items), None)
