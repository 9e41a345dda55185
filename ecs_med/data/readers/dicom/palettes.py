"""Colours of PALETTE COLOR pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.dicom.files import guarded
from ecs_med.errors import UnreadableFileError

if TYPE_CHECKING:
    import pydicom

__all__ = ["Palette", "read_palette"]

_CHANNELS = ("Red", "Green", "Blue")
_ALL_ENTRIES = 2**16
_DISCRETE, _LINEAR, _INDIRECT = 0, 1, 2
_MAX_DEPTH = 2
"""A segment that repeats others must not repeat itself."""


class Palette:
    """Turns indices into colours.

    Attributes:
        colors: `(entries, 3)` uint8; those of 16 bits were divided by 256.
        first: The index of the first one; those below it have its colour, and those beyond the
            last one have that of the last.
    """

    def __init__(self, colors: npt.NDArray[np.uint8], first: int) -> None:
        self.colors = colors
        self.first = first

    def __call__(self, indices: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
        """`(H, W, 3)` colours of `(H, W)` indices."""
        places = indices.astype(np.int64) - self.first
        return self.colors[np.clip(places, 0, len(self.colors) - 1)]


def read_palette(dataset: "pydicom.Dataset", path: Path) -> Palette:
    """The palette of a file.

    Segmented ones are expanded; 16-bit tables that hold 8-bit values, as some programs write
    them, are taken as such.

    Args:
        dataset: The header.
        path: Its file, for messages.

    Raises:
        UnreadableFileError: If there is none, or it is damaged.
    """
    try:
        with guarded(path):
            return _palette(dataset)
    except UnreadableFileError:
        raise UnreadableFileError(
            path, "has colours by a palette, which is missing or damaged", "export it as RGB"
        ) from None


def _palette(dataset: "pydicom.Dataset") -> Palette:
    channels = []
    first = 0
    for channel in _CHANNELS:
        number, first, bits = (
            int(value) for value in dataset[f"{channel}PaletteColorLookupTableDescriptor"].value
        )
        values = _entries(dataset, channel, number % _ALL_ENTRIES or _ALL_ENTRIES, bits)
        channels.append(values)
    if max(channel.max() for channel in channels) > 255:
        channels = [channel // np.uint16(256) for channel in channels]
    if first >= 2**15 and dataset.get("PixelRepresentation") == 1:
        first -= 2**16
    return Palette(np.stack(channels, axis=-1).astype(np.uint8), first)


def _entries(
    dataset: "pydicom.Dataset", channel: str, number: int, bits: int
) -> npt.NDArray[np.uint16]:
    """`(number,)`, the values of one channel as they are stored."""
    if bits not in (8, 16):
        raise ValueError
    order = "<" if dataset.original_encoding[1] is not False else ">"
    name = f"{channel}PaletteColorLookupTableData"
    if name in dataset:
        data = dataset[name].value
        is_bytes = isinstance(data, bytes) and len(data) < 2 * number
        values = _numbers(data, "u1" if is_bytes else f"{order}u2")[:number]
    else:
        data = dataset[f"Segmented{name}"].value
        words = _numbers(data, "u1" if bits == 8 else f"{order}u2").tolist()
        values = np.array(_expanded(words, number), np.uint16)
    if len(values) != number:
        raise ValueError
    return values


def _numbers(data: Any, kind: str) -> npt.NDArray[np.uint16]:
    if not isinstance(data, bytes):
        return np.asarray(data, np.uint16)
    usable = len(data) - len(data) % np.dtype(kind).itemsize
    return np.frombuffer(data[:usable], kind).astype(np.uint16)


def _expanded(words: Sequence[int], number: int) -> list[int]:
    """`number` values of a segmented table (PS3.3 C.7.9.2)."""
    values: list[int] = []
    _expand(words, 0, len(words), values, number, 0)
    return values


def _expand(
    words: Sequence[int], place: int, num_segments: int, values: list[int], number: int, depth: int
) -> None:
    for _ in range(num_segments):
        if place + 2 >= len(words) or len(values) >= number:
            return
        kind, length = words[place], words[place + 1]
        place += 2
        if kind == _DISCRETE:
            values.extend(words[place : place + length])
            place += length
        elif kind == _LINEAR:
            steps = np.linspace(values[-1], words[place], length + 1)[1:]
            values.extend(np.rint(steps).astype(int).tolist())
            place += 1
        elif kind == _INDIRECT and depth < _MAX_DEPTH:
            offset = words[place] | words[place + 1] << 16
            _expand(words, offset, length, values, number, depth + 1)
            place += 2
        else:
            raise ValueError
