"""Label maps that are hard to draw as outlines, by what is hard about them."""

import numpy as np
import numpy.typing as npt

__all__ = ["LABEL_MAPS", "along_a_boundary"]

Labels = npt.NDArray[np.uint8]


def _discs(*discs: tuple[int, int, float, int], shape: tuple[int, int] = (40, 52)) -> Labels:
    """Rows, columns, radii and classes, later ones above earlier ones."""
    rows, columns = np.indices(shape)
    labels = np.zeros(shape, np.uint8)
    for row, column, radius, label in discs:
        labels[(rows - row) ** 2 + (columns - column) ** 2 <= radius**2] = label
    return labels


def _ellipses() -> Labels:
    rows, columns = np.indices((60, 80))
    first = ((rows - 25) / 17.3) ** 2 + ((columns - 34) / 28.1) ** 2 < 1
    second = ((rows - 40) / 12) ** 2 + ((columns - 60) / 9.5) ** 2 < 1
    labels = first.astype(np.uint8)
    labels[second] = 2
    return labels


def _single_pixels() -> Labels:
    labels = np.zeros((9, 11), np.uint8)
    labels[0, 0] = labels[8, 10] = labels[4, 5] = 1
    labels[2, 2], labels[3, 3], labels[2, 4] = 2, 2, 1
    return labels


def _thin_lines() -> Labels:
    labels = np.zeros((20, 24), np.uint8)
    labels[3, 2:20] = 1
    labels[5:18, 7] = 2
    labels[np.arange(6, 18), np.arange(10, 22)] = 1
    return labels


def _two_halves() -> Labels:
    labels = np.ones((12, 16), np.uint8)
    labels[:, 8:] = 2
    return labels


def _noise(seed: int, share: float) -> Labels:
    rng = np.random.default_rng(seed)
    labels = rng.integers(1, 4, (30, 26), np.uint8)
    labels[rng.random(labels.shape) > share] = 0
    return labels


def _snail() -> Labels:
    """A ring that is closed at a corner of pixels alone: what is within is no hole."""
    labels = np.zeros((8, 8), np.uint8)
    labels[1, 1:6] = labels[1:7, 1] = labels[6, 1:6] = labels[2:6, 6] = 1
    return labels


LABEL_MAPS: dict[str, Labels] = {
    "empty": np.zeros((7, 5), np.uint8),
    "all of one class": np.full((7, 5), 2, np.uint8),
    "touching the border and each other": _two_halves(),
    "ellipses that touch": _ellipses(),
    "a hole": _discs((20, 26, 15, 1), (20, 26, 6, 0)),
    "an island in a hole": _discs((20, 26, 17, 1), (20, 26, 12, 0), (20, 26, 6, 2)),
    "rings of several classes": _discs(
        *((20, 26, r, c) for r, c in ((19, 1), (16, 2), (13, 0), (10, 3), (7, 1), (3, 0), (1, 2)))
    ),
    "a hole filled by another class": _discs((20, 26, 15, 1), (20, 24, 6, 2), (20, 31, 4, 3)),
    "single pixels": _single_pixels(),
    "thin lines": _thin_lines(),
    "closed at a corner": _snail(),
    "sparse noise": _noise(0, 0.2),
    "dense noise": _noise(1, 0.8),
}


def along_a_boundary(labels: Labels) -> npt.NDArray[np.bool_]:
    """Pixels with another class, or the border of the picture, among their eight neighbours."""
    padded = np.pad(labels, 1, constant_values=255)
    height, width = labels.shape
    around = [padded[r : r + height, c : c + width] for r in range(3) for c in range(3)]
    differs: npt.NDArray[np.bool_] = np.any([part != labels for part in around], axis=0)
    return differs
