"""Rank correlations of two quantities over pixels that are drawn of many images."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from ecs_med.metrics import ErrorDetection
from ecs_med.records import Record
from ecs_med.splits.ordering import digest

__all__ = ["PixelSample", "RankCorrelation", "correlate", "spearman"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class RankCorrelation(Record):
    """Rank correlations over pixels of one kind of images."""

    rho: float | None
    """Over pixels of all classes, -1 to 1; `None` where it is undefined (fewer than two pixels, or
    one of the two quantities constant)."""
    rho_per_class: tuple[float | None, ...]
    """Over the pixels of one reference class each, background first; likewise."""
    rho_foreground: float | None
    """Over the pixels of all classes but the background; likewise."""
    num_pixels: int
    """Pixels behind `rho`."""
    num_pixels_foreground: int
    """Pixels behind `rho_foreground`."""
    num_pixels_per_class: tuple[int, ...]
    """Pixels behind each of `rho_per_class`."""
    num_images: int
    """Images (or volumes) that the pixels come from."""
    detection: ErrorDetection | None = None
    """1 - P(right) as a detector of the segmenter's errors on all pixels of these images."""


def spearman(first: Floats, second: Floats) -> float | None:
    """Spearman's coefficient of two quantities `(n,)`; equal values share the mean of their ranks.

    Returns:
        -1 to 1; `None` for fewer than two pixels or where one of the two is constant.

    Example:
        >>> import numpy as np
        >>> round(spearman(np.array([1.0, 2.0, 3.0]), np.array([0.1, 9.0, 0.5])), 3)
        0.5
    """
    if len(first) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(spearmanr(first, second).statistic)


def correlate(
    everywhere: Floats,
    by_class: Sequence[Floats],
    num_images: int,
    foreground: Floats | None = None,
) -> RankCorrelation:
    """Correlations of two quantities `(n, 2)`, over all pixels and over those of each class.

    `foreground` are pixels of all classes but the first; `None`: all that `by_class` has of them.
    """
    if foreground is None:
        foreground = np.concatenate([np.empty((0, 2)), *by_class[1:]])
    return RankCorrelation(
        rho=spearman(everywhere[:, 0], everywhere[:, 1]),
        rho_per_class=tuple(spearman(pairs[:, 0], pairs[:, 1]) for pairs in by_class),
        rho_foreground=spearman(foreground[:, 0], foreground[:, 1]),
        num_pixels=len(everywhere),
        num_pixels_foreground=len(foreground),
        num_pixels_per_class=tuple(len(pairs) for pairs in by_class),
        num_images=num_images,
    )


class PixelSample:
    """Pixels drawn of image after image: of all, of each class, and of the foreground.

    Args:
        num_classes: N.
        limit: At most so many pixels of an image, of each class in it, and of its foreground.
    """

    def __init__(self, num_classes: int, limit: int) -> None:
        nothing = np.empty((0, 2))
        self._limit = limit
        self._everywhere, self._foreground = [nothing], [nothing]
        self._by_class = [[nothing] for _ in range(num_classes)]

    def add(self, pairs: Floats, labels: Integers, name: str) -> None:
        """Draw of the pixels of one image; which ones follows from its name.

        Args:
            pairs: Both quantities of each pixel, `(n, 2)`.
            labels: Its reference class, `(n,)`.
            name: Of the image.
        """
        rng = np.random.default_rng(int.from_bytes(digest(f"pixels:{name}")[:8]))
        self._everywhere.append(pairs[_drawn(np.arange(len(pairs)), self._limit, rng)])
        for label, drawn in enumerate(self._by_class):
            drawn.append(pairs[_drawn(np.flatnonzero(labels == label), self._limit, rng)])
        # Last, so that what is drawn of all and of each class stays what it was.
        if len(self._by_class) > 2:
            front = _drawn(np.flatnonzero(labels > 0), self._limit, rng)
            self._foreground.append(pairs[front])
        else:
            self._foreground.append(self._by_class[1][-1])

    def correlation(self) -> RankCorrelation:
        """Of all that was drawn."""
        return correlate(
            np.concatenate(self._everywhere),
            [np.concatenate(drawn) for drawn in self._by_class],
            len(self._everywhere) - 1,
            np.concatenate(self._foreground),
        )


def _drawn(positions: Integers, limit: int, rng: np.random.Generator) -> Integers:
    """All positions, or `limit` of them without replacement."""
    if len(positions) <= limit:
        return positions
    return rng.choice(positions, limit, replace=False)
