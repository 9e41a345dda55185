"""Filling polygons on a grid of pixels."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["filled"]


def filled(
    polygons: Sequence[npt.NDArray[np.float64]], shape: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    """Pixels whose centres lie inside an odd number of closed polygons.

    A centre on a border belongs to the side of higher coordinates, so that polygons that share a
    border share no pixel and leave none out.

    Args:
        polygons: Corners `(N, 2)` of each along the two axes of the grid; pixel centres are whole
            numbers.
        shape: Of the grid.

    Returns:
        `shape`, boolean.

    Example:
        >>> square = np.array([[0.5, 0.5], [0.5, 2.5], [2.5, 2.5], [2.5, 0.5]])
        >>> filled([square], (4, 4)).astype(int).tolist()
        [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    crossings = np.zeros((shape[0], shape[1] + 1), np.uint32)
    for rows, places in _crossings(polygons, shape[0]):
        columns = np.clip(np.ceil(places), 0, shape[1]).astype(np.intp)
        np.add.at(crossings, (rows, columns), 1)
    inside: npt.NDArray[np.bool_] = np.cumsum(crossings[:, :-1], axis=1) % 2 == 1
    return inside


def _crossings(
    polygons: Sequence[npt.NDArray[np.float64]], num_rows: int
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]]:
    """Where each edge crosses the middle of which rows."""
    for corners in polygons:
        for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            low, high = (start, end) if start[0] <= end[0] else (end, start)
            first, stop = max(0, int(np.ceil(low[0]))), min(num_rows, int(np.ceil(high[0])))
            if first >= stop:
                continue
            rows = np.arange(first, stop)
            share = (rows - low[0]) / (high[0] - low[0])
            yield rows, low[1] + share * (high[1] - low[1])
