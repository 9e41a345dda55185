"""Where an endoscope sees: the bright round or octagonal field, without the black border around it.

Endoscopic pictures are often a disc or an octagon on black, with the patient's name, the date or a
map of the instrument written beside it. None of that is tissue.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["find_field"]

_SIDE = 160
"""Longer side on which it is looked for, in pixels: noise of JPEG goes, and it is quick."""
_DARK = 18
"""Largest channel of a border, averaged: JPEG leaves some brightness beside a bright edge."""
_SMALLEST = 0.3
"""Share of the frame below which what is bright is a spot in a dark frame, and no field."""
_LARGEST = 0.99
"""Share of the frame from which on there is no border."""
_BRIGHT_OUTSIDE = 0.25
"""Share of the pixels outside that may be bright (writing, maps); with more it is no border."""

Mask = npt.NDArray[np.bool_]


def find_field(picture: npt.NDArray[np.uint8]) -> Mask | None:
    """Find the field of view of an endoscopic picture.

    The largest bright component of the picture, brought down to 160 pixels, and its convex hull:
    a dark lumen at the edge of the field is part of it. The hull is widened by one of these pixels,
    so that it rather takes some border than leaves out some tissue.

    Args:
        picture: `(C, H, W)`, uint8.

    Returns:
        `(H, W)`, true inside; `None` where the whole frame counts: no border, a frame that is too
        dark to tell, or bright parts all over it.

    Example:
        >>> rows, columns = np.mgrid[:80, :100]
        >>> disc = (rows - 40) ** 2 + (columns - 50) ** 2 < 35**2
        >>> field = find_field(np.where(disc, 120, 2).astype(np.uint8)[None])
        >>> bool(field[disc].all()), bool(field[0, 0])
        (True, False)
    """
    from scipy import ndimage

    height, width = picture.shape[-2:]
    if min(height, width) < 16:
        return None
    bright = _small(picture.max(axis=0)) > _DARK
    # Opened, so that writing and maps that touch the field are not part of it.
    parts, count = ndimage.label(ndimage.binary_opening(bright, iterations=2))
    if not count:
        return None
    largest = parts == 1 + np.argmax(np.bincount(parts.ravel())[1:])
    field = ndimage.binary_dilation(_hull(largest), np.ones((3, 3), bool), iterations=1)
    outside = bright[~field]
    if not _SMALLEST <= field.mean() < _LARGEST or outside.mean() > _BRIGHT_OUTSIDE:
        return None
    whole = Image.fromarray(field).resize((width, height), Image.Resampling.NEAREST)
    return np.asarray(whole, bool)


def _small(brightness: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    image = Image.fromarray(brightness)
    factor = min(1.0, _SIDE / max(image.size))
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return np.asarray(image.resize(size, Image.Resampling.BOX))


def _hull(part: Mask) -> npt.NDArray[Any]:
    from skimage.morphology import convex_hull_image

    hull: npt.NDArray[Any] = convex_hull_image(part)
    return hull
