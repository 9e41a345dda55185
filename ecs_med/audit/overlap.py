"""How much of a given mask the probabilities of a model cover, and the reverse: a soft Dice."""

import torch

__all__ = ["SMOOTHING", "Overlap"]

SMOOTHING = 0.01
"""Share of the pixels of a slice that count as agreed upon: without them a mask that is rightly
empty would have no overlap at all, since no probability is 0."""


class Overlap:
    """Soft Dice of each class of a case, from maps piece by piece.

    (2 sum p g + s) / (sum p + sum g + s), over the pixels that have a given label; s is
    `SMOOTHING` of the pixels of one slice, so that a structure weighs alike in a picture and in a
    volume.

    Args:
        num_pixels: Of one slice.
        num_classes: N.
    """

    def __init__(self, num_pixels: int, num_classes: int) -> None:
        self._smoothing = SMOOTHING * num_pixels
        self._sums = torch.zeros(3, num_classes, dtype=torch.float64)
        self._num_classes = num_classes

    def add(self, probabilities: torch.Tensor, given: torch.Tensor) -> None:
        """Take in maps of some slices, or of some rows of one.

        Args:
            probabilities: `(n, N, rows, W)`.
            given: Labels `(n, rows, W)`; what is none of the N classes does not count.
        """
        known = given < self._num_classes
        for index in range(self._num_classes):
            p = probabilities[:, index].double().nan_to_num().cpu()[known]
            g = (given == index)[known].double()
            self._sums[:, index] += torch.stack([(p * g).sum(), p.sum(), g.sum()])

    @property
    def of_classes(self) -> list[float]:
        """One a class, 0..1."""
        both, first, second = self._sums
        smoothing = self._smoothing
        values: list[float] = ((2 * both + smoothing) / (first + second + smoothing)).tolist()
        return values
