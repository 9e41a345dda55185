"""Label maps as pieces that lie together, each with its outline, as annotation tools draw them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from skimage.measure import approximate_polygon, find_contours

from ecs_med.data.readers.annotations.regions import Outline, fill

__all__ = ["Piece", "pieces_of"]

TOLERANCES = (0.75, 0.5, 0.4, 0.3)
"""How far, in pixels, an outline may leave the boundary of its pixels, so that it has few points to
be moved; the first one is taken that is near enough."""
MOST_WRONG = 0.01
"""Share of its pixels that an outline may lose or gain in all."""
_DIGITS = 2
_ALL_AROUND = np.ones((3, 3), np.bool_)

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Piece:
    """Pixels of one class that touch each other by their sides.

    Attributes:
        number: Class index; 0 of background that lies within a hole.
        corner: Left and top of the smallest box around it.
        mask: Its pixels in that box, `(h, w)`.
        filled: The same with its holes.
    """

    number: int
    corner: tuple[int, int]
    mask: Mask
    filled: Mask

    @property
    def has_hole(self) -> bool:
        """Whether anything lies within it."""
        return bool((self.mask != self.filled).any())

    @property
    def size(self) -> int:
        """Its pixels."""
        return int(np.count_nonzero(self.mask))

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, width and height."""
        height, width = self.mask.shape
        return (*self.corner, width, height)

    def outline(self) -> list[list[float]]:
        """The outline with its holes filled, as x and y, where pixel 0 reaches from 0 to 1.

        It parts the middles of pixels inside from those outside, but for `MOST_WRONG` of them
        along the boundary, at most one deep.
        """
        # The margin closes what touches the box. Levels lie half-way between middles of pixels.
        padded = np.pad(self.filled, 1).astype(np.float64)
        (contour,) = find_contours(padded, 0.5, fully_connected="low")
        smooth = (approximate_polygon(contour, tolerance) for tolerance in TOLERANCES)
        chosen = next((points for points in smooth if self._is_near(points)), contour)
        points = chosen[:-1, ::-1] - 0.5 + self.corner
        rounded: list[list[float]] = np.round(points, _DIGITS).tolist()
        return rounded

    def _is_near(self, contour: Outline) -> bool:
        """Whether it encloses the piece but for few pixels along the boundary."""
        if len(contour) < 4:
            return False
        inside = np.pad(self.filled, 1)
        drawn = fill([contour[:-1, ::-1] + 0.5], inside.shape)
        if np.count_nonzero(drawn != inside) > MOST_WRONG * np.count_nonzero(inside):
            return False
        outermost = ndimage.binary_dilation(inside, _ALL_AROUND)
        innermost = ndimage.binary_erosion(inside, _ALL_AROUND)
        return bool((innermost <= drawn).all() and (drawn <= outermost).all())


def pieces_of(labels: npt.NDArray[np.uint8], *, background: bool = False) -> list[Piece]:
    """The pieces of a label map, those first that enclose more.

    Drawn one above the other in this order, each with its holes filled, they give the label map:
    what lies within a hole comes after what is around it.

    Args:
        labels: `(H, W)`, class indices.
        background: Whether the background within holes is a piece, too; without it, such holes
            are to be left open.
    """
    found = [piece for number in np.unique(labels) if number for piece in _of(labels, int(number))]
    if background:
        found += _within(labels, found)
    # Sorting keeps the order of pieces of one size.
    return sorted(found, key=lambda piece: -int(np.count_nonzero(piece.filled)))


def _of(labels: npt.NDArray[np.uint8], number: int) -> Iterator[Piece]:
    parts, _ = ndimage.label(labels == number)
    for index, window in enumerate(ndimage.find_objects(parts), start=1):
        mask = parts[window] == index
        # Pixels touch by their sides, so that what is around them touches by its corners, too.
        filled = ndimage.binary_fill_holes(mask, _ALL_AROUND)
        yield Piece(number, (window[1].start, window[0].start), mask, filled)


def _within(labels: npt.NDArray[np.uint8], pieces: list[Piece]) -> Iterator[Piece]:
    """Background that lies in holes of pieces."""
    enclosed = np.zeros(labels.shape, np.bool_)
    for piece in pieces:
        left, top, width, height = piece.box
        enclosed[top : top + height, left : left + width] |= piece.filled & ~piece.mask
    for piece in _of((enclosed & (labels == 0)).astype(np.uint8), 1):
        yield Piece(0, piece.corner, piece.mask, piece.filled)
