"""The quality of a mask from that of its pixels: a mean in which the worst ones weigh most."""

import numpy as np
import numpy.typing as npt
import torch

__all__ = ["TEMPERATURE", "PixelScores", "softmin"]

TEMPERATURE = 0.1
"""Of Lad and Mueller 2023: a pixel of score 0 weighs 22,026 times as much as one of score 1."""


def softmin(scores: npt.ArrayLike, temperature: float = TEMPERATURE) -> float:
    """The inner product of scores and softmax((1 - scores) / temperature).

    Args:
        scores: How probable the given label of each pixel is, 0..1, any shape, one at least.
        temperature: Near 0 the lowest score is given, at infinity the mean.

    Returns:
        0..1; low where some pixels are hardly what they are labelled as.

    Raises:
        ValueError: If there is no score.

    Example:
        >>> round(softmin([1.0, 1.0, 0.0]), 6), softmin([0.5, 0.5])
        (9.1e-05, 0.5)

    Source:
        Lad and Mueller 2023, "Estimating label quality and errors in semantic segmentation data via
        any model"; as `cleanlab.segmentation.rank.get_label_quality_scores`.
    """
    values = np.asarray(scores, np.float64).ravel()
    if not values.size:
        raise ValueError("softmin of nothing")
    weights = np.exp((values.min() - values) / temperature)
    return float((weights * values).sum() / weights.sum())


class PixelScores:
    """Softmin over the pixels of a case, of each slice and of each class, from maps piece by piece.

    A pixel counts for a class where it is given or expected as that class.

    Args:
        num_slices: Slices of the case.
        num_classes: N.
    """

    def __init__(self, num_slices: int, num_classes: int) -> None:
        # Scores are within 0..1, so that no weight leaves the range of float64.
        self._slices = torch.zeros(2, num_slices, dtype=torch.float64)
        self._classes = torch.zeros(2, num_classes, dtype=torch.float64)
        self._num_classes = num_classes

    def add(
        self, start: int, scores: torch.Tensor, given: torch.Tensor, expected: torch.Tensor
    ) -> None:
        """Take in the maps of slices from `start` on, or of some rows of one, `(n, rows, W)`.

        Args:
            start: Number of the first slice.
            scores: 0..1; what is not finite, as of a network that has diverged, counts as 0.
            given: Labels; what is none of the N classes, such as void, does not count.
            expected: Labels of the N classes.
        """
        known = given < self._num_classes
        values = scores.double().nan_to_num().clamp(0, 1).cpu()
        weights = ((1 - values) / TEMPERATURE).exp() * known
        parts = torch.stack([weights * values, weights])
        self._slices[:, start : start + len(scores)] += parts.flatten(2).sum(dim=2)
        for index in range(self._num_classes):
            region = known & ((given == index) | (expected == index))
            self._classes[:, index] += parts[:, region].sum(dim=1)

    @property
    def of_case(self) -> float | None:
        """Over all pixels that count; `None` where none does."""
        return _ratio(self._slices.sum(dim=1))

    @property
    def of_slices(self) -> list[float | None]:
        """One a slice; `None` where none of its pixels counts."""
        return [_ratio(column) for column in self._slices.T]

    @property
    def of_classes(self) -> list[float | None]:
        """One a class; `None` where it is neither given nor expected anywhere."""
        return [_ratio(column) for column in self._classes.T]


def _ratio(sums: torch.Tensor) -> float | None:
    above, below = sums.tolist()
    return above / below if below else None
