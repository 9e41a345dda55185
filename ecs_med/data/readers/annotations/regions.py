"""Regions that annotation files describe, and drawing them as one label map."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = [
    "Region",
    "Shape",
    "box_outline",
    "draw",
    "ellipse_outline",
    "fill",
    "outline_of",
    "turned_outline",
]

Mask = npt.NDArray[np.bool_]
Outline = npt.NDArray[np.float64]
Shape = tuple[int, int]
"""Height and width."""

_FARTHEST = 1e7
"""Pixels from the corner of a picture beyond which a point is no place."""
_MAX_CROSSINGS = 50_000_000
"""Of the rows of a picture with the edges of one outline, before it is no drawing any more."""
_ELLIPSE_POINTS = 360


@dataclass(frozen=True, slots=True)
class Region:
    """What somebody has drawn as one object.

    Attributes:
        number: Value that its pixels get.
        mask: From the shape of the picture to its pixels, `(H, W)`; a `ValueError` says in words
            what is wrong with it.
        layer: Regions of a higher layer lie above those of a lower one.
    """

    number: int
    mask: Callable[[Shape], Mask]
    layer: int = 0


def draw(regions: Sequence[Region], shape: Shape, *, larger_first: bool) -> npt.NDArray[np.uint8]:
    """All regions of a picture as one label map; each pixel is of the one that lies on top.

    Args:
        regions: In the order of their file, later ones above earlier ones of the same layer.
        shape: Height and width of the picture.
        larger_first: Whether, within a layer, larger regions lie below smaller ones wherever they
            stand in the list, so that nothing is hidden by what was drawn around it.

    Returns:
        `(H, W)`, the numbers of the regions, 0 where none lies.

    Raises:
        ValueError: If a region cannot be drawn; says which one, by its place from 1, and why.
    """
    labels = np.zeros(shape, np.uint8)
    # Size of the region on top of each pixel: one pass, however many regions there are.
    size_on_top = np.zeros(shape, np.int64)
    layer: int | None = None
    for place, region in sorted(enumerate(regions, start=1), key=lambda found: found[1].layer):
        try:
            mask = region.mask(shape)
        except ValueError as error:
            raise ValueError(f"its region {place} {error}") from None
        if region.layer != layer:
            size_on_top[:] = mask.size
            layer = region.layer
        window = _window(mask)
        mask, tops = mask[window], size_on_top[window]
        size = np.count_nonzero(mask)
        shown = mask & (size <= tops) if larger_first else mask
        labels[window][shown] = region.number
        tops[shown] = size
    return labels


def _window(mask: Mask) -> tuple[slice, slice]:
    """The smallest part that holds all pixels, so that a thousand regions stay small."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def outline_of(numbers: object) -> Outline:
    """Points of a closed outline, `(P, 2)` as x and y, from what a file gives for them.

    Args:
        numbers: `[x1, y1, x2, y2, ...]` or `[[x1, y1], ...]`.

    Raises:
        ValueError: If they are no numbers, not finite, too far away, or fewer than three points.
    """
    if not isinstance(numbers, list | tuple):
        raise ValueError("has an outline that is no list of points")
    try:
        points = np.array(numbers, np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("has points that are no numbers") from None
    if points.ndim == 1 and points.size % 2 == 0:
        points = points.reshape(-1, 2)
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError("has points that are no pairs of x and y")
    if not np.isfinite(points).all() or np.abs(points).max(initial=0) > _FARTHEST:
        raise ValueError("has points that are not finite or far outside of any picture")
    if len(points) < 3:
        raise ValueError(f"has an outline of {len(points)} point(s), where three are the fewest")
    return points


def box_outline(left: float, top: float, right: float, bottom: float) -> Outline:
    """The corners of a box.

    Raises:
        ValueError: As `outline_of`.
    """
    return outline_of([left, top, right, top, right, bottom, left, bottom])


def ellipse_outline(x: float, y: float, across: float, down: float) -> Outline:
    """Points around an ellipse of those half axes, less than a ten-thousandth of them inside it.

    Raises:
        ValueError: As `outline_of`.
    """
    angles = np.linspace(0, 2 * math.pi, _ELLIPSE_POINTS, endpoint=False)
    points = np.stack([x + across * np.cos(angles), y + down * np.sin(angles)], axis=1)
    return outline_of(points.tolist())


def turned_outline(
    points: Outline, degrees: float, about: tuple[float, float] | None = None
) -> Outline:
    """An outline turned clockwise as pictures are shown.

    Args:
        points: `(P, 2)`, x and y.
        degrees: How far.
        about: About which point; `None`: the middle of its extent.

    Raises:
        ValueError: As `outline_of`.
    """
    if not degrees:
        return points
    extent = (points.min(axis=0) + points.max(axis=0)) / 2
    middle = extent if about is None else np.array(about)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turned = (points - middle) @ np.array([[cos, sin], [-sin, cos]]) + middle
    return outline_of(turned.tolist())


def fill(outlines: Sequence[Outline], shape: Shape) -> Mask:
    """The pixels of some outlines together.

    A pixel is inside where its middle is: pixel 0 reaches from 0 to 1, its middle is 0.5. An
    outline that crosses itself is filled by the even-odd rule; several outlines are united.

    Args:
        outlines: Each `(P, 2)`, x and y, closed by itself.
        shape: Height and width; what lies outside is cut off.

    Raises:
        ValueError: If an outline has more edges than a drawing has.
    """
    filled = np.zeros(shape, np.bool_)
    for points in outlines:
        _add_outline(filled, points)
    return filled


def _add_outline(filled: Mask, points: Outline) -> None:
    """Even-odd filling: every crossing of an edge with the middle of a row turns what follows."""
    height, width = filled.shape
    ends = np.roll(points, -1, axis=0)
    is_down = (points[:, 1] <= ends[:, 1])[:, None]
    upper, lower = np.where(is_down, points, ends), np.where(is_down, ends, points)
    # Of an edge, the rows whose middle lies from its upper end (included) to its lower one.
    first = np.clip(np.ceil(upper[:, 1] - 0.5), 0, height).astype(np.int64)
    number = np.clip(np.ceil(lower[:, 1] - 0.5), 0, height).astype(np.int64) - first
    if int(number.sum()) > _MAX_CROSSINGS:
        raise ValueError("has an outline with more edges than a drawing has")
    edge = np.repeat(np.arange(len(points)), number)
    if not len(edge):
        return
    row = np.arange(len(edge)) - np.repeat(np.cumsum(number) - number, number) + first[edge]
    (x0, y0), (x1, y1) = upper[edge].T, lower[edge].T
    crossing = x0 + (row + 0.5 - y0) / (y1 - y0) * (x1 - x0)
    column = np.clip(np.ceil(crossing - 0.5), 0, width).astype(np.int64)
    top, left = int(row.min()), int(column.min())
    turns = np.zeros((int(row.max()) - top + 1, int(column.max()) - left + 1), np.bool_)
    np.logical_xor.at(turns, (row - top, column - left), True)
    inside = np.logical_xor.accumulate(turns, axis=1)[:, : width - left]
    filled[top : top + inside.shape[0], left : left + inside.shape[1]] |= inside
