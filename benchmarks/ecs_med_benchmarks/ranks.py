"""Spearman's rank correlation over pixels, of everything and class by class."""

import numpy as np
import numpy.typing as npt
from scipy.stats import spearmanr

from ecs_med.records import Record

__all__ = ["Correlation", "correlate", "spearman"]

Values = npt.NDArray[np.float64]


class Correlation(Record):
    """Rank correlations over pixels of one group of images."""

    rho: float | None
    """Over pixels of all classes, -1 to 1; `None` where it is undefined (fewer than two pixels, or
    one of the two quantities constant)."""
    rho_per_class: tuple[float | None, ...]
    """Over the pixels of one reference class each, background first; likewise."""
    num_pixels: int
    """Pixels behind `rho`."""
    num_pixels_per_class: tuple[int, ...]
    """Pixels behind each of `rho_per_class`."""
    num_images: int
    """Images (or volumes) that the pixels come from."""


def spearman(first: Values, second: Values) -> float | None:
    """Spearman's coefficient; equal values share the mean of their ranks.

    Args:
        first: One value per pixel, `(n,)`.
        second: The same.

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
    everywhere: npt.NDArray[np.float64],
    by_class: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int64],
    *,
    num_classes: int,
    num_images: int,
) -> Correlation:
    """Correlations over all pixels and of each class.

    Args:
        everywhere: The two quantities of pixels drawn from all there are, `(n, 2)`.
        by_class: The same of pixels that were drawn class by class, `(m, 2)`.
        labels: Reference class of the pixels in `by_class`, `(m,)`, 0 to N-1.
        num_classes: N.
        num_images: Kept in the result.
    """
    members = [by_class[labels == label] for label in range(num_classes)]
    return Correlation(
        rho=spearman(everywhere[:, 0], everywhere[:, 1]),
        rho_per_class=tuple(spearman(pairs[:, 0], pairs[:, 1]) for pairs in members),
        num_pixels=len(everywhere),
        num_pixels_per_class=tuple(len(pairs) for pairs in members),
        num_images=num_images,
    )
