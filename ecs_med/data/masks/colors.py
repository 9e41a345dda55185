"""Colours of masks as single integers."""

import numpy as np
import numpy.typing as npt

__all__ = ["Color", "color_distance", "pack_colors", "rgb_of"]

Color = tuple[int, int, int]
"""Red, green, blue; 0 to 255 each."""


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
