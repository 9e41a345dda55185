"""Pixels of DICOM files, one frame at a time, after everything was held against its bounds."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.dicom.bounded import BoundedStream
from ecs_med.data.readers.dicom.codestreams import Family, require_same_size
from ecs_med.data.readers.dicom.files import EXPORT_AGAIN, guarded, opened
from ecs_med.data.readers.dicom.pixel_data import Pixels, pixels_of_dataset, pixels_of_file
from ecs_med.errors import MissingExtraError, UnreadableFileError

if TYPE_CHECKING:
    import pydicom

__all__ = ["decode_frames", "decode_opened"]

_PLUGINS = ("pydicom", "pylibjpeg", "pyjpegls", "gdcm", "pillow")
_JPEG_PLUGINS = ("gdcm", "pillow", "pylibjpeg")
"""pylibjpeg decodes JPEG with a library under the GPL, if at all: only where nothing else can."""


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
        yield from _decoded(pixels_of_dataset(source, path), frames)
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
    yield from _decoded(pixels_of_file(dataset, stream, path), frames)


def _decoded(pixels: Pixels, frames: Sequence[int] | None) -> Iterator[npt.NDArray[np.generic]]:
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


def _plain(pixels: Pixels, frame: int) -> npt.NDArray[np.generic]:
    from pydicom.pixels import get_decoder

    pixels.stream.seek(pixels.start)
    with guarded(pixels.path, "its pixels cannot be decoded"):
        decoder = get_decoder(pixels.syntax)
        array: npt.NDArray[np.generic]
        array, _ = decoder.as_array(pixels.stream, index=frame, **pixels.options)
    return array


def _unpacked(pixels: Pixels, frame: int) -> npt.NDArray[np.generic]:
    """A frame of single bits, which need not begin with a byte."""
    bits = pixels.format.frame_bits
    first, last = frame * bits, (frame + 1) * bits
    pixels.stream.seek(pixels.start + first // 8)
    packed = np.frombuffer(pixels.stream.read(math.ceil(last / 8) - first // 8), np.uint8)
    single = np.unpackbits(packed, bitorder="little")[first % 8 :][:bits]
    return single.reshape(pixels.format.frame_shape)


def _compressed(pixels: Pixels, frames: Sequence[int] | None) -> Iterator[npt.NDArray[np.generic]]:
    plugins, family = _plugins(pixels), _family(pixels)
    for encoded in _encoded(pixels, frames):
        require_same_size(encoded, family, pixels.format, pixels.path)
        yield _decode(encoded, plugins, pixels)


def _encoded(pixels: Pixels, frames: Sequence[int] | None) -> Iterator[bytes]:
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


def _family(pixels: Pixels) -> Family:
    from pydicom.uid import JPEG2000TransferSyntaxes, RLELossless

    if pixels.syntax == RLELossless:
        return "RLE"
    return "JPEG 2000" if pixels.syntax in JPEG2000TransferSyntaxes else "JPEG"


def _plugins(pixels: Pixels) -> list[str]:
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


def _decode(encoded: bytes, plugins: Sequence[str], pixels: Pixels) -> npt.NDArray[np.generic]:
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
