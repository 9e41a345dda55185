"""Pixels of DICOM files, one frame at a time, after everything was held against its bounds."""

import io
import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.dicom.bounded import BoundedStream
from ecs_med.data.readers.dicom.codestreams import Family, require_same_size
from ecs_med.data.readers.dicom.files import EXPORT_AGAIN, guarded, opened
from ecs_med.data.readers.dicom.pixel_format import PixelFormat, pixel_format
from ecs_med.errors import MissingExtraError, UnreadableFileError

if TYPE_CHECKING:
    import pydicom

__all__ = ["decode_frames", "decode_opened"]

_PLUGINS = ("pydicom", "pylibjpeg", "pyjpegls", "gdcm", "pillow")
_JPEG_PLUGINS = ("gdcm", "pillow", "pylibjpeg")
"""pylibjpeg decodes JPEG with a library under the GPL, if at all: only where nothing else can."""

_KEYWORDS = {0x0008: "FloatPixelData", 0x0009: "DoubleFloatPixelData", 0x0010: "PixelData"}
_VRS = (b"OB", b"OW", b"OF", b"OD", b"UN")
_UNDEFINED = 0xFFFFFFFF
_ITEM, _END = 0xFFFEE000, 0xFFFEE0DD


@dataclass(frozen=True, slots=True)
class _Pixels:
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


def decode_frames(
    source: "Path | pydicom.Dataset", *, frames: Sequence[int] | None = None
) -> Iterator[npt.NDArray[np.generic]]:
    """Decode frames one after another; never more than one is held.

    Numbers come as they are stored, before slopes and palettes; YBR colours come as RGB.

    Args:
        source: A file, or a dataset that was read from one, with its pixels or without.
        frames: Which ones, in this order; `None`: all.

    Yields:
        `(rows, columns)`, or `(rows, columns, 3)` for colours.

    Raises:
        UnreadableFileError: If the file holds no pixels or too few of them, if its header is
            contradicted by what is there, if it claims too much, or if a frame is damaged.
        MissingExtraError: If nothing is installed that decodes its compression.
    """
    if isinstance(source, Path):
        with opened(source) as (dataset, stream):
            yield from decode_opened(dataset, stream, source, frames=frames)
        return
    path = Path(str(getattr(source, "filename", None) or "dataset"))
    if "PixelData" in source:
        yield from _decoded(_of_dataset(source, path), frames)
    else:
        yield from decode_frames(path, frames=frames)


def decode_opened(
    dataset: "pydicom.FileDataset",
    stream: BoundedStream,
    path: Path,
    *,
    frames: Sequence[int] | None = None,
) -> Iterator[npt.NDArray[np.generic]]:
    """As `decode_frames`, of what `opened` gave; its header is not read again."""
    yield from _decoded(_of_file(dataset, stream, path), frames)


def _of_file(dataset: "pydicom.FileDataset", stream: BoundedStream, path: Path) -> _Pixels:
    """Read the start of the element at which reading of the header stopped."""
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


def _of_dataset(dataset: "pydicom.Dataset", path: Path) -> _Pixels:
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


def _checked(dataset: "pydicom.Dataset", path: Path, keyword: str, element: _Element) -> _Pixels:
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
    pixels = _Pixels(element.stream, start, length, found, options, syntax, path)
    _require_bytes(pixels)
    return pixels


def _require_low_bits(dataset: "pydicom.Dataset", found: PixelFormat, path: Path) -> None:
    """Numbers of few bits lie at the lower end, as the standard has had it since 1993."""
    high = dataset.get("HighBit")
    if isinstance(high, int) and high != found.bits_stored - 1:
        raise UnreadableFileError(
            path, f"its numbers of {found.bits_stored} bits end at bit {high}", EXPORT_AGAIN
        )


def _require_bytes(pixels: _Pixels) -> None:
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


def _count_fragments(pixels: _Pixels, size: int) -> int:
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


def _decoded(pixels: _Pixels, frames: Sequence[int] | None) -> Iterator[npt.NDArray[np.generic]]:
    number = pixels.format.num_frames
    for frame in frames or ():
        if not 0 <= frame < number:
            raise UnreadableFileError(
                pixels.path, f"has no frame {frame}", f"name one of 0 to {number - 1}"
            )
    chosen = range(number) if frames is None else frames
    if pixels.length is None:
        found = _compressed(pixels, frames)
    elif pixels.format.bits_allocated == 1:
        found = (_unpacked(pixels, frame) for frame in chosen)
    else:
        found = (_plain(pixels, frame) for frame in chosen)
    for array in found:
        if array.shape != pixels.format.frame_shape:
            raise UnreadableFileError(pixels.path, "a frame has another size", EXPORT_AGAIN)
        yield array.astype(array.dtype.newbyteorder("="), copy=False)


def _plain(pixels: _Pixels, frame: int) -> npt.NDArray[np.generic]:
    from pydicom.pixels import get_decoder

    pixels.stream.seek(pixels.start)
    with guarded(pixels.path, "its pixels cannot be decoded"):
        decoder = get_decoder(pixels.syntax)
        array: npt.NDArray[np.generic]
        array, _ = decoder.as_array(pixels.stream, index=frame, **pixels.options)
    return array


def _unpacked(pixels: _Pixels, frame: int) -> npt.NDArray[np.generic]:
    """A frame of single bits, which need not begin with a byte."""
    bits = pixels.format.frame_bits
    first, last = frame * bits, (frame + 1) * bits
    pixels.stream.seek(pixels.start + first // 8)
    packed = np.frombuffer(pixels.stream.read(math.ceil(last / 8) - first // 8), np.uint8)
    single = np.unpackbits(packed, bitorder="little")[first % 8 :][:bits]
    return single.reshape(pixels.format.frame_shape)


def _compressed(pixels: _Pixels, frames: Sequence[int] | None) -> Iterator[npt.NDArray[np.generic]]:
    plugins, family = _plugins(pixels), _family(pixels)
    for encoded in _encoded(pixels, frames):
        require_same_size(encoded, family, pixels.format, pixels.path)
        yield _decode(encoded, plugins, pixels)


def _encoded(pixels: _Pixels, frames: Sequence[int] | None) -> Iterator[bytes]:
    """Compressed frames, one at a time."""
    from pydicom.encaps import generate_frames, get_frame

    number = pixels.format.num_frames
    offsets = pixels.options.get("extended_offsets")
    with guarded(pixels.path, "its compressed pixels are damaged"):
        pixels.stream.seek(pixels.start)
        every = generate_frames(pixels.stream, number_of_frames=number, extended_offsets=offsets)
    for frame in range(number) if frames is None else frames:
        with guarded(pixels.path, "its compressed pixels are damaged"):
            if frames is None:
                encoded = next(every)
            else:
                pixels.stream.seek(pixels.start)
                encoded = get_frame(
                    pixels.stream, frame, number_of_frames=number, extended_offsets=offsets
                )
        yield encoded


def _family(pixels: _Pixels) -> Family:
    from pydicom.uid import JPEG2000TransferSyntaxes, RLELossless

    if pixels.syntax == RLELossless:
        return "RLE"
    return "JPEG 2000" if pixels.syntax in JPEG2000TransferSyntaxes else "JPEG"


def _plugins(pixels: _Pixels) -> list[str]:
    """What decodes this compression here, in an order that does not depend on the machine."""
    from pydicom.pixels import get_decoder

    name = pixels.syntax.name
    _silence_gdcm()
    try:
        with guarded(pixels.path):
            decoder = get_decoder(pixels.syntax)
    except UnreadableFileError:
        raise UnreadableFileError(
            pixels.path, f"is compressed as {name}, which is not supported",
            "export it uncompressed or as JPEG 2000",
        ) from None  # fmt: skip
    is_jpeg = _family(pixels) == "JPEG" and "JPEG-LS" not in name
    order = _JPEG_PLUGINS if is_jpeg else _PLUGINS
    found = [plugin for plugin in order if plugin in decoder.available_plugins]
    if not found:
        raise MissingExtraError(f"{pixels.path}: its compression ({name})", "dicom")
    return found


def _silence_gdcm() -> None:
    """It writes to the terminal by itself, past Python."""
    try:
        import gdcm
    except ImportError:
        return
    gdcm.Trace.WarningOff()
    gdcm.Trace.ErrorOff()


def _decode(encoded: bytes, plugins: Sequence[str], pixels: _Pixels) -> npt.NDArray[np.generic]:
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder

    options = {
        **{key: value for key, value in pixels.options.items() if key != "extended_offsets"},
        "number_of_frames": 1,
    }
    decoder = get_decoder(pixels.syntax)
    alone = encapsulate([encoded], has_bot=False)
    array: npt.NDArray[np.generic]
    for plugin in plugins:
        try:
            with guarded(pixels.path, "a compressed frame cannot be decoded"):
                array, _ = decoder.as_array(alone, index=0, decoding_plugin=plugin, **options)
                return array
        except UnreadableFileError:
            if plugin == plugins[-1]:
                raise
    raise AssertionError  # there is a plugin, see `_plugins`
