"""Whether the values between black and white line borders, as in masks whose edges are soft."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["BLACK_TO", "WHITE_FROM", "EdgeCounts"]

BLACK_TO = 63
"""The darker of two noisy classes has at most this value."""

WHITE_FROM = 192
"""The brighter one has at least this value."""

MAX_FLAT = 0.02
"""At most this share of the pixels in between lies amid pixels of the same value; where values in
between are classes, most of their pixels do."""


@dataclass(slots=True)
class EdgeCounts:
    """Pixels of masks that are neither near black nor near white.

    Attributes:
        between: How many there are.
        flat: How many of them have the same value as all their neighbours along the axes.
    """

    between: int = 0
    flat: int = 0

    def add(self, values: npt.NDArray[Any]) -> None:
        """Add one mask, `(H, W)` or `(X, Y, Z)`."""
        between = (values > BLACK_TO) & (values < WHITE_FROM)
        flat = between.copy()
        for axis in range(values.ndim):
            along, marked = np.moveaxis(values, axis, 0), np.moveaxis(flat, axis, 0)
            differs = along[1:] != along[:-1]
            marked[1:] &= ~differs
            marked[:-1] &= ~differs
        self.between += int(np.count_nonzero(between))
        self.flat += int(np.count_nonzero(flat))

    @property
    def are_edges(self) -> bool:
        """Whether such pixels line borders alone, as smoothing and antialiasing leave them."""
        return self.flat <= MAX_FLAT * self.between
