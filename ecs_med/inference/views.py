"""What a person looks at: slices the right way up, and pictures with a segmentation drawn in.

There is one rule of orientation. Seen in planes across the body, the patient's right is on the
left and anterior or superior is up, as radiology shows it; sagittal planes face left. It follows
from the affine, so that the same anatomy gives the same picture however it is stored.
"""

import math
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from nibabel.orientations import apply_orientation
from PIL import Image
from scipy import ndimage

from ecs_med.data.intensities import intensity_range
from ecs_med.data.readers import Scan
from ecs_med.data.readers.grids import orientation_of
from ecs_med.palette import class_color

__all__ = [
    "draw_labels",
    "draw_overlay",
    "grey_slices",
    "stored_index",
    "upright_slices",
]

FILL_OPACITY = 0.35
TILE_SIDE = 256
"""Longer side of a slice in a montage, in pixels."""
MAX_TILES = 12
_BAND_ROWS = 256

Affine = npt.NDArray[np.float64]
Labels = npt.NDArray[np.uint8]
Picture = npt.NDArray[np.uint8]
Value = TypeVar("Value", bound=np.generic)


def upright_slices(volume: npt.NDArray[Value], affine: Affine, axis: int) -> npt.NDArray[Value]:
    """The slices of a volume as a person sees them.

    Args:
        volume: `(X, Y, Z)`, axes as in the file.
        affine: `(4, 4)`, voxel to RAS mm.
        axis: Array axis along which it is sliced.

    Returns:
        `(D, rows, columns)`, a view: from right to left, posterior to anterior or inferior to
        superior.
    """
    orientation = orientation_of(affine)
    along = int(orientation[axis][0])
    canonical = apply_orientation(volume, orientation)
    # Columns run towards the patient's left where the first axis points right.
    slices: npt.NDArray[Value] = np.moveaxis(canonical, along, 0).swapaxes(1, 2)[:, ::-1, ::-1]
    return slices


def stored_index(index: int, num_slices: int, affine: Affine, axis: int) -> int:
    """The index along `axis` of the array of the slice that is `upright_slices(...)[index]`."""
    flipped = orientation_of(affine)[axis][1] < 0
    return num_slices - 1 - index if flipped else index


def grey_slices(
    scan: Scan,
    axis: int,
    window: tuple[float, float] | None = None,
    indices: Sequence[int] | None = None,
) -> npt.NDArray[np.float32]:
    """The first channel of a volume, upright, as grey values 0..255, not rounded.

    Args:
        scan: A volume.
        axis: Array axis along which it is sliced.
        window: Intensities that become black and white; `None`: as `intensity_range` says
            for percentiles 0.5 and 99.5.
        indices: Which of the upright slices; `None`: all of them.

    Returns:
        `(D, rows, columns)`.
    """
    assert scan.affine is not None
    lower, upper = window or intensity_range(scan.array[0], (0.5, 99.5))
    scale = 255 / (upper - lower) if upper > lower else 0.0
    upright = upright_slices(scan.array[0], scan.affine, axis)
    shown = (upright if indices is None else upright[list(indices)]).astype(np.float32, copy=False)
    grey: npt.NDArray[np.float32] = np.clip((shown - lower) * scale, 0, 255)
    return grey


def draw_overlay(
    scan: Scan, labels: Labels, *, axis: int = 2, window: tuple[float, float] | None = None
) -> Picture:
    """Draw the labels of a scan into the scan.

    Args:
        scan: Picture or volume, whose first channel is shown.
        labels: Classes on its grid, `(H, W)` or `(X, Y, Z)`.
        axis: Slice axis of a volume.
        window: As for `grey_slices`.

    Returns:
        `(H, W, 3)` uint8: of the picture's own size; of a volume a montage of at most twelve
        slices in true proportions, evenly spread over those with labels (over all of them where
        there are none).
    """
    if not scan.is_volume:
        return draw_labels(np.moveaxis(scan.array.astype(np.uint8), 0, -1), labels)
    assert scan.affine is not None
    assert scan.spacing_mm is not None
    drawn = upright_slices(labels, scan.affine, axis)
    indices = _slices_to_show(drawn)
    # Rows run along the later of the two RAS axes of the plane.
    directions = [int(new) for new, _ in orientation_of(scan.affine)]
    columns_mm, rows_mm = (
        step
        for new, step in sorted(zip(directions, scan.spacing_mm, strict=True))
        if new != directions[axis]
    )
    return _montage(
        [
            _tile(grey, drawn[index], (rows_mm, columns_mm))
            for index, grey in zip(indices, grey_slices(scan, axis, window, indices), strict=True)
        ]
    )


def draw_labels(picture: Picture, labels: Labels) -> Picture:
    """Fill each class transparently with its colour and draw its contour.

    Args:
        picture: `(H, W, 3)`.
        labels: `(H, W)`; class 0 stays as it is.

    Returns:
        `(H, W, 3)`.
    """
    canvas = np.array(picture, np.uint8)
    # One pixel of contour in 400 of picture keeps it visible when the picture is shown small.
    width = max(1, round(max(labels.shape) / 400))
    for label in np.unique(labels[labels > 0]):
        region = labels == label
        color = np.array(class_color(int(label)), np.float32)
        for band, part in zip(_bands(canvas), _bands(region), strict=True):
            filled = (1 - FILL_OPACITY) * band[part].astype(np.float32) + FILL_OPACITY * color
            band[part] = np.rint(filled)
        inside = ndimage.binary_erosion(region, iterations=width, border_value=1)
        canvas[region & ~inside] = color
    return canvas


def _bands(picture: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
    """Views of its rows, of which one at a time may take more memory."""
    return [picture[top : top + _BAND_ROWS] for top in range(0, len(picture), _BAND_ROWS)]


def _slices_to_show(labels: Labels) -> list[int]:
    labeled = np.flatnonzero(labels.any(axis=(1, 2)))
    if len(labeled) == 0:
        labeled = np.arange(len(labels))
    count = min(MAX_TILES, len(labeled))
    # Centres of equal parts: the ends of a structure show less than its middle.
    chosen = (np.arange(count) + 0.5) * len(labeled) / count
    return [int(labeled[int(position)]) for position in chosen]


def _tile(grey: npt.NDArray[np.float32], labels: Labels, sides_mm: tuple[float, float]) -> Picture:
    """One slice; `sides_mm` are those of a pixel, rows first."""
    rows_mm, columns_mm = grey.shape[0] * sides_mm[0], grey.shape[1] * sides_mm[1]
    scale = TILE_SIDE / max(rows_mm, columns_mm)
    size = (max(1, round(columns_mm * scale)), max(1, round(rows_mm * scale)))
    shown = Image.fromarray(np.rint(grey).astype(np.uint8)).convert("RGB")
    classes = Image.fromarray(np.ascontiguousarray(labels, np.uint8))
    return draw_labels(
        np.asarray(shown.resize(size, Image.Resampling.BILINEAR)),
        np.asarray(classes.resize(size, Image.Resampling.NEAREST)),
    )


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
