"""Colours as integers, and numbers of pixels in words."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

__all__ = ["Color", "color_distance", "pack_colors", "rgb_of", "told_colors", "told_values"]

Color = tuple[int, int, int]
"""Red, green, blue; 0 to 255 each."""

_TOLD = 10


def pack_colors(rgb: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """`(..., 3)` colours as single integers, red in the highest byte."""
    wide = rgb.astype(np.int64)
    packed: npt.NDArray[np.int64] = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    return packed


def rgb_of(code: int) -> Color:
    """The colour of a packed integer."""
    return code >> 16, code >> 8 & 255, code & 255


def color_distance(code: int, color: Color) -> int:
    """Largest difference of a channel between a packed colour and another colour, 0 to 255."""
    return max(abs(a - b) for a, b in zip(rgb_of(code), color, strict=True))


def told_values(counts: Mapping[int, int]) -> str:
    """Values with their numbers of pixels, for a message: the most frequent ones, in order."""
    most = sorted(counts, key=lambda value: -counts[value])[:_TOLD]
    told = ", ".join(f"{value}: {counts[value]:,} pixels" for value in sorted(most))
    return told + (f", and {len(counts) - _TOLD} more values" if len(counts) > _TOLD else "")


def told_colors(counts: Mapping[int, int]) -> str:
    """As `told_values` for packed colours, most frequent first, in hexadecimal."""
    most = sorted(counts, key=lambda code: -counts[code])[:_TOLD]
    told = ", ".join(f"#{code:06x}: {counts[code]:,} pixels" for code in most)
    return told + (f", and {len(counts) - _TOLD} more colours" if len(counts) > _TOLD else "")
