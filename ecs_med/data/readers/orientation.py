"""The orientation tag of pictures: read, and applied, so that pixels lie as viewers show them."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ecs_med.files import regular_file

__all__ = ["QUARTER_TURNS", "orientation_tag", "turned", "turned_image"]

QUARTER_TURNS = (5, 6, 7, 8)
"""The tags that exchange height and width."""

_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PNG_SOURCES = ("exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp")


def orientation_tag(image: Image.Image, path: Path) -> int | None:
    """The tag of an opened picture, 1 to 8; `None` where there is none or it makes no sense.

    Pixels are decoded for the sake of it only where a PNG has its metadata behind them.

    Args:
        image: As Pillow opened it, at the frame in question; a TIFF before its pixels are loaded.
        path: Its file.
    """
    known = image.format != "PNG" or any(name in image.info for name in _PNG_SOURCES)
    # Of a PNG, Pillow would decode the whole picture to look behind its pixels.
    if not known and not _has_late_exif(path):
        return None
    value = image.getexif().get(_TAG)
    return value if isinstance(value, int) and 1 <= value <= 8 else None


def turned_image(image: Image.Image, tag: int | None) -> Image.Image:
    """A picture as stored, brought upright."""
    method = _UPRIGHT.get(tag or 1)
    return image if method is None else image.transpose(method)


def turned(values: npt.NDArray[np.generic], tag: int | None) -> npt.NDArray[np.generic]:
    """Values as stored, `(H, W)` or `(H, W, C)`, brought upright; a view.

    Example:
        >>> turned(np.array([[1, 2, 3]]), 6).tolist()
        [[1], [2], [3]]
    """
    match tag:
        case 2:
            return values[:, ::-1]
        case 3:
            return values[::-1, ::-1]
        case 4:
            return values[::-1]
        case 5:
            return values.swapaxes(0, 1)
        case 6:
            return np.rot90(values, -1)
        case 7:
            return values[::-1, ::-1].swapaxes(0, 1)
        case 8:
            return np.rot90(values)
    return values


def _has_late_exif(path: Path) -> bool:
    """Whether a PNG has a chunk of EXIF anywhere, found by its chunks' lengths alone."""
    with regular_file(path).open("rb") as stream:
        stream.seek(8)
        while len(head := stream.read(8)) == 8:
            if head[4:] == b"eXIf":
                return True
            stream.seek(int.from_bytes(head[:4], "big") + 4, 1)
    return False
