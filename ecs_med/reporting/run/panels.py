"""Draws one case as panels: image, reference, prediction, and what should be changed."""

import math
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ecs_med.palette import RIGHT_COLOR, class_color
from ecs_med.types import IGNORE_INDEX

__all__ = ["change_panel", "fit_scale", "overlay_panel", "scale_image", "scale_map"]

Image = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Certainty = npt.NDArray[np.float32]
Value = TypeVar("Value", bound=np.generic)

MAX_SIDE = 512
"""Longer side of a panel in pixels at most."""
MIN_SIDE = 240
"""Smaller images are enlarged by a whole factor until their longer side reaches this."""

_FILL_OPACITY = 0.36
_WHITE = (255, 255, 255)
_BLACK = (0, 0, 0)


def fit_scale(height: int, width: int) -> float:
    """Factor that brings an image to panel size: below 1, or a whole number."""
    longer = max(height, width)
    if longer > MAX_SIDE:
        return MAX_SIDE / longer
    return float(max(1, min(math.ceil(MIN_SIDE / longer), MAX_SIDE // longer)))


def scale_image(image: Image, scale: float) -> Image:
    """Bring an image, (H, W, 3), to panel size with smooth interpolation."""
    from PIL import Image as Pictures

    height, width = _scaled_size(image.shape[0], image.shape[1], scale)
    resampling = Pictures.Resampling.LANCZOS if scale < 1 else Pictures.Resampling.BICUBIC
    resized = Pictures.fromarray(np.ascontiguousarray(image)).resize((width, height), resampling)
    return np.asarray(resized, dtype=np.uint8)


def scale_map(values: npt.NDArray[Value], scale: float) -> npt.NDArray[Value]:
    """Bring a map, (H, W), of labels or certainties to panel size by nearest neighbour."""
    height, width = _scaled_size(values.shape[0], values.shape[1], scale)
    rows = np.arange(height) * values.shape[0] // height
    columns = np.arange(width) * values.shape[1] // width
    return values[np.ix_(rows, columns)]


def _scaled_size(height: int, width: int, scale: float) -> tuple[int, int]:
    return max(1, round(height * scale)), max(1, round(width * scale))


def overlay_panel(image: Image, labels: Labels) -> Image:
    """The image with every class tinted and outlined; void is hatched.

    Args:
        image: (H, W, 3), already at panel size.
        labels: (H, W), class indices; 0 stays transparent, `IGNORE_INDEX` is void.
    """
    canvas = image.astype(np.float32)
    for index in sorted({*np.unique(labels).tolist()} - {0, IGNORE_INDEX}):
        region = labels == index
        _tint(canvas, region, class_color(index), _FILL_OPACITY)
        _tint(canvas, _outline(region), class_color(index), 1.0)
    _hatch(canvas, labels == IGNORE_INDEX)
    return _finished(canvas)


def change_panel(
    image: Image,
    changes: Labels,
    num_classes: int,
    certainty: Certainty | None = None,
    errors: Mask | None = None,
    void: Mask | None = None,
) -> Image:
    """Where a segmentation should be changed, and into which class, over the dimmed image.

    Args:
        image: (H, W, 3), already at panel size.
        changes: (H, W), class that a pixel should become; `num_classes` where it is right.
        num_classes: K. Pixels that should become background (0) turn white, others take the
            colour of their class.
        certainty: (H, W), 0..1; certain changes are drawn more opaque. `None`: all alike.
        errors: (H, W), where the segmentation is really wrong; outlined in black and white.
        void: (H, W), hatched.
    """
    canvas = _dimmed(image)
    right = (changes == num_classes) | (changes == IGNORE_INDEX)
    opacity: Certainty | float = 0.85
    if certainty is not None:
        opacity = 0.25 + 0.7 * np.clip(np.nan_to_num(certainty), 0, 1)
    for index in (int(value) for value in np.unique(changes[~right])):
        _tint(canvas, changes == index, _WHITE if index == 0 else class_color(index), opacity)
    if errors is not None:
        _ants(canvas, _outline(errors))
    if void is not None:
        _hatch(canvas, void)
    return _finished(canvas)


def _finished(canvas: npt.NDArray[np.float32]) -> Image:
    return np.clip(np.rint(canvas), 0, 255).astype(np.uint8)


def _dimmed(image: Image) -> npt.NDArray[np.float32]:
    gray = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    canvas = np.repeat(gray[:, :, None] * 0.5, 3, axis=2)
    _tint(canvas, np.ones(gray.shape, dtype=np.bool_), RIGHT_COLOR, 0.18)
    return canvas


def _tint(
    canvas: npt.NDArray[np.float32],
    region: Mask,
    color: tuple[int, int, int],
    opacity: Certainty | float,
) -> None:
    weight = opacity if isinstance(opacity, float) else opacity[region][:, None]
    canvas[region] = (1 - weight) * canvas[region] + weight * np.array(color, dtype=np.float32)


def _outline(region: Mask) -> Mask:
    """Pixels of `region` beside a pixel that is not; two pixels thick on large panels."""
    padded = np.pad(region, 1, mode="edge")
    inside = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    thin = region & ~inside
    if max(region.shape) < MIN_SIDE:
        return thin
    padded = np.pad(thin, 1)
    grown = padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    return (grown | thin) & region


def _ants(canvas: npt.NDArray[np.float32], line: Mask) -> None:
    """Dashes of black and white, visible on every colour and to every eye."""
    rows, columns = np.indices(line.shape)
    dark = (rows + columns) // 4 % 2 == 0
    _tint(canvas, line & dark, _BLACK, 1.0)
    _tint(canvas, line & ~dark, _WHITE, 1.0)


def _hatch(canvas: npt.NDArray[np.float32], region: Mask) -> None:
    rows, columns = np.indices(region.shape)
    stripes = (rows + columns) % 10 < 3
    _tint(canvas, region, (110, 110, 110), 0.55)
    _tint(canvas, region & stripes, (215, 215, 215), 0.8)
