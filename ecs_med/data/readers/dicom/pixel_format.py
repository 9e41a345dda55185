"""What a header says of its pixels, held against what can be."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecs_med.data.readers.grids import times
from ecs_med.errors import UnreadableFileError

if TYPE_CHECKING:
    import pydicom

__all__ = ["MAX_VALUES", "PixelFormat", "pixel_format"]

MAX_VALUES = 2**30
"""Numbers in all frames of a file together, such as 1,024 x 1,024 x 1,024."""

_REMEDY = "export it again"
_GRAY = ("MONOCHROME1", "MONOCHROME2")
_COLORS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_FLOAT_BITS = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """How the pixels of a file are laid out, all numbers plausible.

    Attributes:
        rows: Height of each frame.
        columns: Its width.
        samples: 1, or 3 for colours.
        num_frames: At least 1.
        bits_allocated: Bits that a number takes; 1, 8, 16, 32 or 64.
        bits_stored: Bits of them that count.
        photometric: Photometric interpretation, such as `MONOCHROME2`.
    """

    rows: int
    columns: int
    samples: int
    num_frames: int
    bits_allocated: int
    bits_stored: int
    photometric: str

    @property
    def is_color(self) -> bool:
        """Whether a frame has three channels; a palette makes colours of one."""
        return self.samples == 3

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """`(rows, columns)`, or `(rows, columns, 3)`."""
        return (self.rows, self.columns, 3) if self.is_color else (self.rows, self.columns)

    @property
    def frame_bits(self) -> int:
        """Bits of a frame as it is stored without compression."""
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples
        return self.rows * self.columns * samples * self.bits_allocated

    @property
    def frame_bytes(self) -> int:
        """Bytes of a decoded frame."""
        return math.prod(self.frame_shape) * max(1, self.bits_allocated // 8)


def pixel_format(dataset: "pydicom.Dataset", path: Path, keyword: str | None = None) -> PixelFormat:
    """Read and check what a header says of its pixels; nothing else is looked at.

    Args:
        dataset: The header.
        path: Its file, for messages.
        keyword: Of the element that holds the pixels; `None`: as the header lets expect.

    Raises:
        UnreadableFileError: If something is missing, impossible or too much.
    """
    if "Rows" not in dataset:
        raise UnreadableFileError(path, "holds no image", "leave it out")
    if keyword is None:
        bits = None if "BitsStored" in dataset else dataset.get("BitsAllocated")
        keyword = next((name for name, of in _FLOAT_BITS.items() if of == bits), "PixelData")
    found = PixelFormat(
        _number(dataset, "Rows", path),
        _number(dataset, "Columns", path),
        _number(dataset, "SamplesPerPixel", path),
        _num_frames(dataset, path),
        _number(dataset, "BitsAllocated", path),
        _FLOAT_BITS.get(keyword) or _number(dataset, "BitsStored", path),
        str(dataset.get("PhotometricInterpretation", "")).strip(),
    )
    _require_colors(found, path)
    _require_bits(found, path, keyword)
    if keyword == "PixelData" and _number(dataset, "PixelRepresentation", path) > 1:
        raise UnreadableFileError(path, "its numbers are neither signed nor unsigned", _REMEDY)
    if not (0 < found.rows < 2**16 and 0 < found.columns < 2**16):
        shape = times(found.frame_shape[:2])
        raise UnreadableFileError(path, f"its frames are said to be {shape} pixels", _REMEDY)
    if found.num_frames * math.prod(found.frame_shape) > MAX_VALUES:
        shape = times((found.num_frames, *found.frame_shape))
        raise UnreadableFileError(path, f"its header claims {shape} numbers", "crop or split it")
    return found


def _require_colors(found: PixelFormat, path: Path) -> None:
    one = (*_GRAY, "PALETTE COLOR")
    if found.photometric in (one if found.samples == 1 else _COLORS) and found.samples in (1, 3):
        return
    known = (*one, *_COLORS, "YBR_PARTIAL_420", "YBR_PARTIAL_422", "HSV", "ARGB", "CMYK", "XYB")
    name = found.photometric if found.photometric in known else "an unknown way"
    raise UnreadableFileError(
        path, f"its colours are stored as {name} with {found.samples} numbers a pixel",
        "export it as grey or RGB",
    )  # fmt: skip


def _require_bits(found: PixelFormat, path: Path, keyword: str) -> None:
    allocated, stored = found.bits_allocated, found.bits_stored
    fine = allocated in (1, 8, 16, 32, 64) and 1 <= stored <= allocated
    if not fine or _FLOAT_BITS.get(keyword, allocated) != allocated:
        raise UnreadableFileError(
            path, f"its numbers are said to have {stored} bits in {allocated}", _REMEDY
        )


def _num_frames(dataset: "pydicom.Dataset", path: Path) -> int:
    """0 and an empty value count as 1, as everywhere."""
    if not dataset.get("NumberOfFrames"):
        return 1
    number = _number(dataset, "NumberOfFrames", path, least=-(2**31))
    if number < 1:
        raise UnreadableFileError(path, f"is said to hold {number} frames", _REMEDY)
    return number


def _number(dataset: "pydicom.Dataset", keyword: str, path: Path, least: int = 0) -> int:
    value: Any = dataset.get(keyword)
    if isinstance(value, int) and least <= value < 2**31:
        return int(value)
    state = "lacks" if value is None else "has no sensible"
    raise UnreadableFileError(path, f"{state} {keyword}", _REMEDY)
