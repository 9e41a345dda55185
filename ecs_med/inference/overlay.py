"""Pictures with a segmentation drawn in: contours and a transparent fill."""

import math
from collections.abc import Sequence

import nibabel.orientations
import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from ecs_med.data.scans import Scan
from ecs_med.palette import class_color

__all__ = ["draw_labels", "draw_overlay", "draw_volume_overlay"]

FILL_OPACITY = 0.35
TILE_SIDE = 256
"""Longer side of a slice in a montage, in pixels."""
MAX_TILES = 12

Labels = npt.NDArray[np.uint8]
Picture = npt.NDArray[np.uint8]


def draw_overlay(
    scan: Scan, labels: Labels, *, axis: int = 2, window: tuple[float, float] | None = None
) -> Picture:
    """Draw the labels of a scan into the scan.

    Args:
        scan: Picture or volume.
        labels: Classes on its grid, `(H, W)` or `(X, Y, Z)`.
        axis: Slice axis of a volume.
        window: Intensities of a volume that become black and white; `None`: its percentiles
            0.5 and 99.5.

    Returns:
        `(H, W, 3)` uint8: of the picture's own size, or a montage of slices.
    """
    if not scan.is_volume:
        picture = np.moveaxis(scan.array.astype(np.uint8), 0, -1)
        return draw_labels(picture, labels)
    return draw_volume_overlay(scan, labels, axis=axis, window=window)


def draw_labels(picture: Picture, labels: Labels) -> Picture:
    """Fill each class transparently with its colour and draw its contour.

    Args:
        picture: `(H, W, 3)`.
        labels: `(H, W)`; class 0 stays as it is.

    Returns:
        `(H, W, 3)`.
    """
    canvas = picture.astype(np.float32)
    # One pixel of contour in 400 of picture keeps it visible when the picture is shown small.
    width = max(1, round(max(labels.shape) / 400))
    for label in np.unique(labels[labels > 0]):
        region = labels == label
        color = np.array(class_color(int(label)), np.float32)
        canvas[region] = (1 - FILL_OPACITY) * canvas[region] + FILL_OPACITY * color
        inside = ndimage.binary_erosion(region, iterations=width, border_value=1)
        canvas[region & ~inside] = color
    return np.rint(canvas).astype(np.uint8)


def draw_volume_overlay(
    scan: Scan, labels: Labels, *, axis: int, window: tuple[float, float] | None = None
) -> Picture:
    """Montage of the slices that hold labels, in true proportions.

    At most twelve slices, evenly spread over those with labels (over all of them where there
    are none), from the first axis end to the last. Seen in planes across the body, the
    patient's right is on the left and anterior or superior is up, as radiology shows it.

    Args:
        scan: A volume; its first channel is shown.
        labels: `(X, Y, Z)`.
        axis: Array axis along which it is sliced.
        window: Intensities that become black and white; `None`: percentiles 0.5 and 99.5.

    Returns:
        `(H, W, 3)` uint8.
    """
    assert scan.affine is not None
    assert scan.spacing_mm is not None
    image = scan.array[0]
    lower, upper = window or tuple(np.percentile(image, (0.5, 99.5)))
    orientation = nibabel.orientations.io_orientation(scan.affine)
    shown = nibabel.orientations.apply_orientation(image, orientation)
    drawn = nibabel.orientations.apply_orientation(labels, orientation)
    spacing: list[float] = [0.0, 0.0, 0.0]
    for old, (new, _) in enumerate(orientation):
        spacing[int(new)] = scan.spacing_mm[old]
    along = int(orientation[axis][0])
    in_plane = [step for direction, step in enumerate(spacing) if direction != along]
    scale = 255 / (upper - lower) if upper > lower else 0.0
    tiles = []
    for index in _slices_to_show(drawn, along):
        grey = np.clip((np.take(shown, index, along) - lower) * scale, 0, 255)
        plane = np.take(drawn, index, along)
        tiles.append(_tile(_upright(grey, along), _upright(plane, along), in_plane))
    return _montage(tiles)


def _slices_to_show(labels: Labels, axis: int) -> list[int]:
    others = tuple(other for other in range(3) if other != axis)
    labeled = np.flatnonzero((labels > 0).any(axis=others))
    if len(labeled) == 0:
        labeled = np.arange(labels.shape[axis])
    count = min(MAX_TILES, len(labeled))
    # Centres of equal parts: the ends of a structure show less than its middle.
    chosen = (np.arange(count) + 0.5) * len(labeled) / count
    return [int(labeled[int(position)]) for position in chosen]


def _upright(plane: npt.NDArray[np.generic], along: int) -> npt.NDArray[np.generic]:
    """From the plane's two RAS axes, (right, anterior) for example, to rows and columns."""
    rows = plane.T[::-1]
    # Columns run towards the patient's left where the first axis points right; sagittal planes
    # run towards anterior, and are shown facing left.
    return rows[:, ::-1]


def _tile(
    grey: npt.NDArray[np.generic], labels: npt.NDArray[np.generic], in_plane: Sequence[float]
) -> Picture:
    rows_mm, columns_mm = grey.shape[0] * in_plane[1], grey.shape[1] * in_plane[0]
    scale = TILE_SIDE / max(rows_mm, columns_mm)
    size = (max(1, round(columns_mm * scale)), max(1, round(rows_mm * scale)))
    enlarged = Image.fromarray(np.rint(grey).astype(np.uint8)).resize(
        size, Image.Resampling.BILINEAR
    )
    classes = Image.fromarray(np.ascontiguousarray(labels, np.uint8)).resize(
        size, Image.Resampling.NEAREST
    )
    return draw_labels(np.repeat(np.asarray(enlarged)[..., None], 3, axis=-1), np.asarray(classes))


def _montage(tiles: Sequence[Picture]) -> Picture:
    """Tiles of one size in rows of about equal number, two pixels apart."""
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = math.ceil(len(tiles) / columns)
    height, width = tiles[0].shape[:2]
    canvas = np.zeros((rows * (height + 2) - 2, columns * (width + 2) - 2, 3), np.uint8)
    for index, tile in enumerate(tiles):
        top, left = index // columns * (height + 2), index % columns * (width + 2)
        canvas[top : top + height, left : left + width] = tile
    return canvas
