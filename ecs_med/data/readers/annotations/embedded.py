"""Masks that annotation files hold as a small PNG in text."""

import base64
import io
import warnings

import numpy as np
from PIL import Image

from ecs_med.data.readers.annotations.regions import Mask, Shape

__all__ = ["embedded_mask"]


def embedded_mask(text: object, corner: tuple[int, int], shape: Shape) -> Mask:
    """A mask of a part of the picture.

    Args:
        text: The PNG in base 64.
        corner: Left and top of that part.
        shape: Height and width of the picture.

    Raises:
        ValueError: If it is no PNG, or does not lie in the picture.
    """
    if not isinstance(text, str):
        raise ValueError("is a mask without its pixels")
    left, top = corner
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            content = io.BytesIO(base64.b64decode(text, validate=True))
            with Image.open(content, formats=["PNG"]) as image:
                width, height = image.size
                if left < 0 or top < 0 or left + width > shape[1] or top + height > shape[0]:
                    raise ValueError("reaches beyond its picture")
                part = np.asarray(image.convert("L")) > 0
    except Exception as error:  # Pillow's decoders raise anything on broken input
        said = error if isinstance(error, ValueError) else "is no PNG"
        raise ValueError(f"is a mask that cannot be used ({said})") from None
    mask = np.zeros(shape, np.bool_)
    mask[top : top + height, left : left + width] = part
    return mask
