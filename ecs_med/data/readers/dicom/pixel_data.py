"""Where the pixels of a file lie, held against its header and the bytes that are there."""

import io
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ecs_med.data.readers.dicom.bounded import BoundedStream
from ecs_med.data.readers.dicom.files import EXPORT_AGAIN, guarded
from ecs_med.data.readers.dicom.pixel_format import PixelFormat, pixel_format
from ecs_med.errors import UnreadableFileError

if TYPE_CHECKING:
    import pydicom

__all__ = ["Pixels", "pixels_of_dataset", "pixels_of_file"]

_KEYWORDS = {0x0008: "FloatPixelData", 0x0009: "DoubleFloatPixelData", 0x0010: "PixelData"}
_VRS = (b"OB", b"OW", b"OF", b"OD", b"UN")
_UNDEFINED = 0xFFFFFFFF
_ITEM = 0xFFFEE000


@dataclass(frozen=True, slots=True)
class Pixels:
    """The element that holds pixels.

    Attributes:
        stream: What it is read from.
        start: Of its value.
        length: In bytes; `None` for compressed ones.
        format: What the header says.
        options: The same in pydicom's words.
        syntax: Transfer syntax.
        path: The file, for messages.
    """

    stream: BinaryIO
    start: int
    length: int | None
    format: PixelFormat
    options: dict[str, Any]
    syntax: "pydicom.uid.UID"
    path: Path


def pixels_of_file(dataset: "pydicom.FileDataset", stream: BoundedStream, path: Path) -> Pixels:
    """Read the start of the element at which reading of the header stopped.

    Args:
        dataset: A header, as `opened` gives it.
        stream: Its file, which is not bounded any more afterwards.
        path: The same, for messages.

    Raises:
        UnreadableFileError: If there are no pixels, or the header is wrong about them.
    """
    head = stream.read(8)
    little = head[:2] == b"\xe0\x7f"
    order = "<" if little else ">"
    group, element, length = struct.unpack(f"{order}HHI", head) if len(head) == 8 else (0, 0, 0)
    if group != 0x7FE0 or element not in _KEYWORDS:
        raise UnreadableFileError(path, "holds no pixels", "leave it out")
    explicit = head[4:6] in _VRS  # a length that spells these would be odd
    if explicit:
        length = int.from_bytes(stream.read(4), "little" if little else "big")
    stream.unbind()
    return _checked(
        dataset,
        path,
        _KEYWORDS[element],
        _Element(stream, length, _plain_syntax(explicit, little), head[4:6].decode("latin-1")),
    )


def pixels_of_dataset(dataset: "pydicom.Dataset", path: Path) -> Pixels:
    """The same of a dataset that holds its pixels; errors as of `pixels_of_file`."""
    with guarded(path):
        element = dataset["PixelData"]
        length = _UNDEFINED if element.is_undefined_length else len(element.value)
        plain = _plain_syntax(*_encoding(dataset))
        held = _Element(io.BytesIO(element.value), length, plain, element.VR)
    return _checked(dataset, path, "PixelData", held)


def _encoding(dataset: "pydicom.Dataset") -> tuple[bool, bool]:
    implicit, little = dataset.original_encoding
    return implicit is False, little is not False


def _plain_syntax(explicit: bool, little: bool) -> str:
    if not little:
        return "1.2.840.10008.1.2.2"
    return "1.2.840.10008.1.2.1" if explicit else "1.2.840.10008.1.2"


@dataclass(frozen=True, slots=True)
class _Element:
    stream: BinaryIO
    length: int
    plain_syntax: str
    vr: str


def _checked(dataset: "pydicom.Dataset", path: Path, keyword: str, element: _Element) -> Pixels:
    """Hold the header against itself and against the bytes that are there."""
    from pydicom.pixels.utils import as_pixel_options
    from pydicom.uid import UID

    found = pixel_format(dataset, path, keyword)
    with guarded(path):
        meta = getattr(dataset, "file_meta", None) or {}
        syntax = UID(str(meta.get("TransferSyntaxUID") or element.plain_syntax))
        options = as_pixel_options(
            dataset, pixel_keyword=keyword, number_of_frames=found.num_frames
        )
    compressed = element.length == _UNDEFINED
    if not syntax.is_private and syntax.is_transfer_syntax:
        if compressed != syntax.is_compressed:
            raise UnreadableFileError(
                path, f"its pixels are not stored as its transfer syntax says ({syntax.name})",
                EXPORT_AGAIN,
            )  # fmt: skip
    elif compressed:
        raise UnreadableFileError(path, "its transfer syntax is unknown", "export it uncompressed")
    else:
        syntax = UID(element.plain_syntax)
    if compressed:
        length = None
    else:
        length = element.length
        _require_low_bits(dataset, found, path)
        options["pixel_vr"] = element.vr if element.vr in ("OB", "OW") else "OW"
    start = element.stream.tell()
    pixels = Pixels(element.stream, start, length, found, options, syntax, path)
    _require_bytes(pixels)
    return pixels


def _require_low_bits(dataset: "pydicom.Dataset", found: PixelFormat, path: Path) -> None:
    """Numbers of few bits lie at the lower end, as the standard has had it since 1993."""
    high = dataset.get("HighBit")
    if isinstance(high, int) and high != found.bits_stored - 1:
        raise UnreadableFileError(
            path, f"its numbers of {found.bits_stored} bits end at bit {high}", EXPORT_AGAIN
        )


def _require_bytes(pixels: Pixels) -> None:
    """Whether all frames can be there, and whether there are more than the header knows of."""
    stream, found = pixels.stream, pixels.format
    size = stream.seek(0, io.SEEK_END)
    stream.seek(pixels.start)
    if pixels.length is None:
        there = _count_fragments(pixels, size)
        if there < found.num_frames:
            raise UnreadableFileError(
                pixels.path, f"is said to hold {found.num_frames:,} frames, and {there:,} are "
                "there", EXPORT_AGAIN,
            )  # fmt: skip
        return
    needed = math.ceil(found.frame_bits * found.num_frames / 8)
    there = min(pixels.length, size - pixels.start)
    if there < needed:
        raise UnreadableFileError(
            pixels.path, f"truncated: {there:,} of {needed:,} bytes of pixels are there",
            EXPORT_AGAIN,
        )  # fmt: skip
    if there >= needed + math.ceil(found.frame_bits / 8):
        raise UnreadableFileError(
            pixels.path, f"holds {there:,} bytes of pixels, and its header describes {needed:,}",
            EXPORT_AGAIN,
        )  # fmt: skip


def _count_fragments(pixels: Pixels, size: int) -> int:
    """Pieces of compressed pixels after the table of offsets; a frame has one or more."""
    stream, number = pixels.stream, -1
    while len(head := stream.read(8)) == 8:
        group, element, length = struct.unpack("<HHI", head)
        if group << 16 | element != _ITEM:
            break
        if stream.tell() + length > size:
            raise UnreadableFileError(
                pixels.path, "truncated: its compressed pixels go on beyond its end", EXPORT_AGAIN
            )
        stream.seek(length, io.SEEK_CUR)
        number += 1
    stream.seek(pixels.start)
    return number
