"""Sizes inside compressed frames, compared with the header before a decoder sees them."""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ecs_med.data.readers.dicom.pixel_format import PixelFormat
from ecs_med.data.readers.grids import times
from ecs_med.errors import UnreadableFileError

__all__ = ["Family", "require_same_size"]

Family = Literal["JPEG", "JPEG 2000", "RLE"]

_DAMAGED = "copy or export it again"
_MAX_TILES = 65535
_RLE_RATIO = 64
_RATIO = 1000
_SLACK_BYTES = 64 * 2**20
"""Decoded frames up to this size are let be, however small they were: empty ones compress well."""

_JP2 = b"\0\0\0\x0cjP  "
_SOC_SIZ = b"\xff\x4f\xff\x51"
_NO_SOF = (0xC4, 0xC8, 0xCC)
_ALONE = (0x01, *range(0xD0, 0xD9))
"""Markers without a length."""


@dataclass(frozen=True, slots=True)
class _Size:
    rows: int
    columns: int
    samples: int
    bits: int


def require_same_size(encoded: bytes, family: Family, expected: PixelFormat, path: Path) -> None:
    """Refuse a compressed frame that is not what its header says.

    Args:
        encoded: One frame.
        family: How it is compressed.
        expected: What the header says.
        path: The file, for messages.

    Raises:
        UnreadableFileError: If its size differs, or so few bytes can hardly be so many pixels.
    """
    most = _RLE_RATIO * len(encoded)
    if family != "RLE":
        most = max(_SLACK_BYTES, _RATIO * len(encoded))
        try:
            found = _jpeg2000_size(encoded) if family == "JPEG 2000" else _jpeg_size(encoded)
        except (struct.error, ValueError, IndexError):
            raise UnreadableFileError(path, f"a frame is no {family} picture", _DAMAGED) from None
        _compare(found, expected, path)
    if expected.frame_bytes > most:
        shape = times(expected.frame_shape)
        raise UnreadableFileError(
            path, f"{len(encoded):,} bytes of a frame cannot hold its {shape} numbers", _DAMAGED
        )


def _compare(found: _Size, expected: PixelFormat, path: Path) -> None:
    if (found.rows, found.columns) != (expected.rows, expected.columns):
        inside = times((found.rows, found.columns))
        outside = times((expected.rows, expected.columns))
        raise UnreadableFileError(
            path, f"a compressed frame is {inside} pixels, its header says {outside}", _DAMAGED
        )
    if found.samples != expected.samples or found.bits > expected.bits_allocated:
        raise UnreadableFileError(
            path, f"a compressed frame has {found.samples} channels of {found.bits} bits, its "
            f"header says {expected.samples} of {expected.bits_allocated}", _DAMAGED,
        )  # fmt: skip


def _jpeg2000_size(encoded: bytes) -> _Size:
    start = _codestream_start(encoded)
    if encoded[start : start + 4] != _SOC_SIZ:
        raise ValueError
    columns, rows, left, top, tile_columns, tile_rows, tile_left, tile_top, samples = (
        struct.unpack_from(">8IH", encoded, start + 8)
    )
    parts = [struct.unpack_from("3B", encoded, start + 42 + 3 * n) for n in range(samples)]
    if not tile_columns or not tile_rows or not parts or {part[1:] for part in parts} != {(1, 1)}:
        raise ValueError
    across = -(-(columns - tile_left) // tile_columns)
    down = -(-(rows - tile_top) // tile_rows)
    if across * down > _MAX_TILES:
        raise ValueError
    bits = max(part[0] & 0x7F for part in parts) + 1
    return _Size(rows - top, columns - left, samples, bits)


def _codestream_start(encoded: bytes) -> int:
    """Where the codestream begins: at the start, or in a box of a JP2 file."""
    start = 0
    if not encoded.startswith(_JP2):
        return start
    while encoded[start + 4 : start + 8] != b"jp2c":
        (length,) = struct.unpack_from(">I", encoded, start)
        if length < 8:
            raise ValueError
        start += length
    return start + 8


def _jpeg_size(encoded: bytes) -> _Size:
    """Of JPEG and JPEG-LS, by the first header of a frame."""
    if encoded[:2] != b"\xff\xd8":
        raise ValueError
    place = 2
    while True:
        if encoded[place] != 0xFF:
            raise ValueError
        marker = encoded[place + 1]
        if marker == 0xFF:  # filling
            place += 1
        elif marker in _ALONE:
            place += 2
        elif (0xC0 <= marker <= 0xCF and marker not in _NO_SOF) or marker == 0xF7:
            bits, rows, columns, samples = struct.unpack_from(">BHHB", encoded, place + 4)
            return _Size(rows, columns, samples, bits)
        else:
            place += 2 + struct.unpack_from(">H", encoded, place + 2)[0]
