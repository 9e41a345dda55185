"""Doubt, pixel by pixel: how likely a network holds it that a segmentation is wrong there.

A doubt is kept as one of `NUM_BINS` bins of the log-odds of "wrong", x: equal parts of
x / (8 + |x|), which lies between -1 and 1. Networks are sure of most pixels, where probabilities
differ by 1e-5 and less; such bins keep those apart, equal parts of probability would not.
Counting bins takes the same memory for any number of pixels.
"""

import math
from typing import TYPE_CHECKING

from ecs_med.metrics.detection import ErrorDetection, detection_from_counts
from ecs_med.types import IGNORE_INDEX

if TYPE_CHECKING:
    import torch

__all__ = ["NUM_BINS", "DoubtCounts", "doubt_of_corrector", "doubt_of_segmenter", "right_of_bin"]

NUM_BINS = 4096
"""At most 0.001 wide in probability, and 0.05 in log-odds up to 2e-9 and 1 - 2e-9."""
_SCALE = 8.0
_HUGE = 1e30


def doubt_of_segmenter(logits: "torch.Tensor", segmented: "torch.Tensor") -> "torch.Tensor":
    """What a segmenter itself tells of its errors: 1 - its largest probability.

    Args:
        logits: `(B, N, *spatial)`, N at least 2.
        segmented: Their largest class, `(B, *spatial)`, any integer type.

    Returns:
        Bins of `NUM_BINS`, `(B, *spatial)`, int16, on the device of `logits`.
    """
    if logits.shape[1] == 2:
        return _bins(-(logits[:, 0] - logits[:, 1]).abs())
    # The largest one is left out of the sum, not taken from it: 1 - p has no digits near p = 1.
    others = (logits - logits.amax(dim=1, keepdim=True)).exp_()
    others.scatter_(1, segmented.to(logits.device).long().unsqueeze(1), 0.0)
    return _bins(others.sum(dim=1).log_())


def doubt_of_corrector(probabilities: "torch.Tensor") -> "torch.Tensor":
    """What a corrector tells of the segmenter's errors: 1 - P(right).

    Args:
        probabilities: `(B, N+1, *spatial)`, after the softmax; the last class says "right".

    Returns:
        As `doubt_of_segmenter`.
    """
    wrong = probabilities[:, :-1].sum(dim=1)
    return _bins(wrong.div_(probabilities[:, -1]).log_())


def right_of_bin(index: int) -> float:
    """P(right) in the middle of a bin, 0..1.

    Example:
        >>> right_of_bin(0), round(right_of_bin(NUM_BINS // 2), 2), right_of_bin(NUM_BINS - 1)
        (1.0, 0.5, 0.0)
    """
    place = 2 * index / (NUM_BINS - 1) - 1
    if abs(place) == 1:
        return float(place < 0)
    log_odds = _SCALE * place / (1 - abs(place))
    return 1 / (1 + math.exp(min(log_odds, 700.0)))


def _bins(log_odds: "torch.Tensor") -> "torch.Tensor":
    import torch

    # A network that has diverged says nothing: even odds.
    known = log_odds.nan_to_num_(0.0, _HUGE, -_HUGE)
    place = known.div_(known.abs().add_(_SCALE))
    return place.add_(1).mul_((NUM_BINS - 1) / 2).round_().to(torch.int16)


class DoubtCounts:
    """Counts pixels by reference class, right or wrong, and the doubts of both networks.

    Counts of several sets add up. Their size depends on the number of classes alone.

    Args:
        num_classes: N.

    Example:
        >>> import torch
        >>> counts = DoubtCounts(2)
        >>> doubt = torch.tensor([0, 9], dtype=torch.int16)
        >>> counts.add(doubt, doubt, torch.tensor([0, 1]), torch.tensor([0, 0]))
        >>> counts.detection().all_pixels.corrector.auroc
        1.0
    """

    def __init__(self, num_classes: int) -> None:
        import torch

        self._num_classes = num_classes
        # Network, reference class, wrong or not, bin; the added class takes what is void.
        size = (2, num_classes + 1, 2, NUM_BINS)
        self._counts = torch.zeros(size, dtype=torch.int64)

    def add(
        self,
        of_corrector: "torch.Tensor",
        of_segmenter: "torch.Tensor",
        segmented: "torch.Tensor",
        reference: "torch.Tensor",
    ) -> None:
        """Count the pixels of one case; void does not count.

        Args:
            of_corrector: Bins of its doubt, any shape, on the CPU.
            of_segmenter: Likewise, same shape.
            segmented: Class by the segmenter, same shape, any integer type.
            reference: Reference class, same shape, `IGNORE_INDEX` where void.
        """
        labels = reference.int()
        wrong = segmented.int() != labels
        labels = labels.masked_fill_(labels == IGNORE_INDEX, self._num_classes)
        place = labels.mul_(2).add_(wrong).mul_(NUM_BINS).reshape(-1)
        shape = self._counts[0].shape
        for own, doubt in zip(self._counts, (of_corrector, of_segmenter), strict=True):
            own += (place + doubt.reshape(-1)).bincount(minlength=shape.numel()).view(shape)

    def merge(self, other: "DoubtCounts") -> None:
        """Add the counts of another set of pixels."""
        self._counts += other._counts

    def detection(self) -> ErrorDetection | None:
        """What the counts say; `None` without a pixel."""
        counts = self._counts[:, : self._num_classes]
        if not counts.any():
            return None
        probabilities = [right_of_bin(index) for index in range(NUM_BINS)]
        return detection_from_counts(counts.numpy(), probabilities)
