"""The values of a header that count, converted at once and within bounds."""

from collections.abc import Iterator, MutableSequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecs_med.data.readers.dicom.bounded import BoundedStream
from ecs_med.errors import UnreadableFileError

if TYPE_CHECKING:
    import pydicom

__all__ = ["convert_values"]

_GROUPS_THAT_COUNT = (0x0020, 0x0028, 0x0062, 0x3006, 0x5200)
"""Position, pixels, segments, contours, frames: what is damaged there is not left out silently."""

_OTHERS = (0x00080008, 0x00080016, 0x00080060, 0x00180050, 0x00180088, 0x00181120)
"""Image type, SOP class, modality, thickness, distance, tilt."""

_NUMBERS = ("DS", "FD", "FL", "IS", "SL", "SS", "SV", "UL", "US", "UV")


def convert_values(dataset: "pydicom.FileDataset", stream: BoundedStream, path: Path) -> None:
    """Make pydicom convert the values that count, so that none raises when it is asked for.

    Sequences are unfolded here down to their last item, so that nothing without end is left for
    later.

    Args:
        dataset: A header as it was read; what is damaged and only describes is taken out.
        stream: Where it was read from; it is left where it stands.
        path: The file, for messages.

    Raises:
        UnreadableFileError: If a value that counts makes no sense.
    """
    place = stream.tell()
    for tag in list(_wanted(dataset)):
        if _is_sensible(dataset, tag, stream):
            continue
        if tag in _OTHERS:
            del dataset[tag]
            continue
        where = f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
        raise UnreadableFileError(
            path, f"the value of its element {where} makes no sense", "copy or export it again"
        )
    stream.seek(place)


def _wanted(dataset: "pydicom.FileDataset") -> Iterator[int]:
    for tag in dataset.keys():  # noqa: SIM118 - a dataset yields elements, converted
        if tag.group in _GROUPS_THAT_COUNT or tag in _OTHERS:
            yield tag


def _is_sensible(dataset: "pydicom.Dataset", tag: int, stream: BoundedStream) -> bool:
    """Whether an element can be converted, and is a number if it should be one."""
    try:
        raw: Any = dataset.get_item(tag, keep_deferred=True)
        if _is_sequence(raw):
            _unfold(dataset, tag, stream)
            return True
        if raw.value is None and getattr(raw, "length", None):
            return False  # so long that it was left out
        element = dataset[tag]
    except Exception:  # pydicom raises what it likes
        return False
    if element.VR not in _NUMBERS:
        return True
    value = element.value
    values = value if isinstance(value, MutableSequence) else [value]
    return all(isinstance(each, int | float | None) for each in values)


def _is_sequence(raw: Any) -> bool:
    from pydicom.datadict import dictionary_VR

    if raw.VR not in (None, "UN"):
        return bool(raw.VR == "SQ")
    try:
        return bool(dictionary_VR(raw.tag) == "SQ")
    except KeyError:
        return False


def _unfold(dataset: "pydicom.Dataset", tag: int, stream: BoundedStream) -> None:
    """Read a sequence and those inside it, which pydicom would do without bounds."""
    from pydicom.dataelem import DataElement
    from pydicom.filereader import read_sequence

    raw: Any = dataset.get_item(tag, keep_deferred=True)
    if raw.is_raw and raw.length:
        if raw.value is None:  # long, and left out before
            stream.seek(raw.value_tell)
        items = read_sequence(
            stream if raw.value is None else stream.within(raw.value),
            raw.is_implicit_VR,
            raw.is_little_endian,
            raw.length,
            dataset.original_character_set,
        )
        dataset[tag] = DataElement(tag, "SQ", items)
    for item in dataset[tag].value or ():
        for inner in list(item.keys()):
            if _is_sequence(item.get_item(inner, keep_deferred=True)):
                _unfold(item, inner, stream)
