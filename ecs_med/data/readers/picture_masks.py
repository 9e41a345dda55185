"""What a picture holds as a mask: grey values, palette indices, or colours."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ecs_med.data.readers.picture_decoding import Picture, to_rgb
from ecs_med.data.readers.scans import StoredMask

__all__ = ["stored_mask"]

_GRAY_SPREAD = 24
_GRAY_SHARE = 0.99
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
_DESCRIPTION, _SOFTWARE = 270, 305


def stored_mask(picture: Picture, path: Path) -> StoredMask:
    """Grey values, palette indices, or colours of a decoded picture.

    Palettes give their indices, except that of two entries with white first, whose brightness
    counts; equal colour channels are grey. Where alpha varies, transparent pixels are 0.

    Args:
        picture: The mask, decoded.
        path: Its file, for messages.
    """
    image = picture.image
    if image.mode == "P":
        return _palette_mask(image, picture)
    if image.mode in ("1", "L"):
        return _gray_mask(*_as_meant(image), picture)
    if image.mode in ("I", "F") or image.mode.startswith("I;"):
        return _gray_mask(np.asarray(image), False, picture)
    if image.mode in ("LA", "La"):
        gray = np.asarray(image.getchannel(0))
        rgb, by_alpha = _drawn(gray[..., None], np.asarray(image.getchannel(1)))
        return _gray_mask(rgb[..., 0], False, picture, by_alpha)
    rgb = np.moveaxis(to_rgb(picture, path), 0, -1)
    by_alpha = False
    if image.mode in ("RGBA", "RGBa", "PA"):
        rgb, by_alpha = _drawn(rgb, np.asarray(image.convert("RGBA").getchannel(3)))
    if _is_gray(rgb, picture.lossy):
        return _gray_mask(rgb[..., 1].copy(), False, picture, by_alpha)
    return StoredMask(
        rgb, "picture", picture.lossy, True, orientation=picture.orientation, by_alpha=by_alpha
    )


def _gray_mask(
    values: npt.NDArray[Any],
    unlike_shown: bool,
    picture: Picture,
    by_alpha: bool = False,
    palette: Mapping[int, int] | None = None,
) -> StoredMask:
    return StoredMask(
        values,
        "picture",
        lossy=picture.lossy,
        orientation=picture.orientation,
        palette=palette,
        by_alpha=by_alpha,
        unlike_shown=unlike_shown,
    )


def _palette_mask(image: Image.Image, picture: Picture) -> StoredMask:
    palette = image.getpalette("RGB") or []
    if _is_white_first(palette):
        brightness = np.asarray(image.convert("L"))
        return _gray_mask(brightness, False, picture, palette={0: 0, 255: 0xFFFFFF})
    indices = np.asarray(image)
    # An index beyond the palette has no colour: viewers show black.
    packed = [r << 16 | g << 8 | b for r, g, b in zip(*[iter(palette)] * 3, strict=False)]
    used = np.flatnonzero(np.bincount(indices.ravel())).tolist()
    colors = {index: packed[index] if index < len(packed) else 0 for index in used}
    if all(code == index * 0x010101 for index, code in colors.items()):
        return _gray_mask(indices, False, picture)  # as grey as any other mask
    return _gray_mask(indices, False, picture, palette=colors)


def _is_white_first(palette: list[int]) -> bool:
    """Whether the palette is one of black and white in the wrong order, as optimisers write."""
    return palette[:6] == [255, 255, 255, 0, 0, 0] and not any(palette[6:])


def _as_meant(image: Image.Image) -> tuple[npt.NDArray[Any], bool]:
    """Grey values of 1 or 8 bits, and whether viewers show them exchanged.

    TIFF files can say that 0 is white, and Pillow exchanges their values as viewers do. Arrays of
    truth values (tifffile, scikit-image) and masks of ImageJ are written so without being
    exchanged before: what is set means the class. Neither are class numbers meant to be exchanged.
    """
    values = np.asarray(image)
    tags: Mapping[int, Any] = getattr(image, "tag_v2", {})
    if tags.get(_PHOTOMETRIC) != _WHITE_IS_ZERO:
        return values, False
    software, description = str(tags.get(_SOFTWARE, "")), str(tags.get(_DESCRIPTION, ""))
    of_arrays = software.startswith("tifffile") or description.startswith(("ImageJ=", '{"shape"'))
    if of_arrays or len(np.unique(values)) > 2:
        return ~values, True
    return values, False


def _drawn(
    colors: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.uint8], bool]:
    """Colours with what is transparent as 0, and whether that tells more than the colours do.

    Args:
        colors: `(H, W, C)`.
        alpha: `(H, W)`; where it is the same everywhere it says nothing, except that a picture of
            one colour that cannot be seen is empty.
    """
    one_color = bool((colors == colors[:1, :1]).all())
    if alpha.min() == alpha.max():
        return (np.zeros_like(colors), False) if one_color and not alpha.any() else (colors, False)
    opaque = alpha.astype(np.uint16) * 2 > alpha.max()
    drawn = np.where(opaque[..., None], colors, np.uint8(0))
    if not drawn.any():  # drawn in black
        drawn = np.repeat(opaque[..., None] * np.uint8(255), colors.shape[-1], axis=-1)
    return drawn, not np.array_equal(drawn, colors)


def _is_gray(rgb: npt.NDArray[np.uint8], lossy: bool) -> bool:
    if lossy:
        spread = rgb.max(axis=-1) - rgb.min(axis=-1)
        return bool((spread <= _GRAY_SPREAD).mean() >= _GRAY_SHARE)
    return bool((rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 1] == rgb[..., 2]).all())
