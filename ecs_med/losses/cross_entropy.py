"""Cross-entropy that ignores void pixels and stays finite where all are void."""

import torch
from torch.nn import functional as F

from ecs_med.distributed import mean_over_processes
from ecs_med.types import IGNORE_INDEX

__all__ = ["as_labels", "cross_entropy", "most_probable", "positive", "weighted_cross_entropy"]


def cross_entropy(
    logits: torch.Tensor,
    labels: torch.Tensor,
    *,
    class_weights: torch.Tensor | None = None,
    focusing: float = 0.0,
) -> torch.Tensor:
    """Weighted mean of the pixels' cross-entropy, `H` of the paper.

    The mean is taken over the sum of weights, as `torch.nn.CrossEntropyLoss` does,
    so that the size of the loss does not depend on how often a class occurs.

    Args:
        logits: `(N, C, *spatial)`, before the softmax.
        labels: `(N, *spatial)`, integers in 0..C-1, or `IGNORE_INDEX` for void.
        class_weights: `(C,)`; `None` weighs all classes alike.
        focusing: Exponent of the focal loss (Lin et al. 2017); 0 is plain cross-entropy.

    Returns:
        A scalar; 0, with a gradient of 0, where every pixel is void. With several processes its
        mean over them is the loss of the global batch.

    Example:
        >>> cross_entropy(torch.zeros(1, 2, 3), torch.tensor([[0, 1, 255]])).item()
        0.6931471824645996
    """
    valid = labels != IGNORE_INDEX
    pixelwise = F.cross_entropy(logits, labels, ignore_index=IGNORE_INDEX, reduction="none")
    if focusing:
        pixelwise = (1 - torch.exp(-pixelwise)) ** focusing * pixelwise
    if class_weights is None:
        return pixelwise.sum() / positive(mean_over_processes(valid.sum()))
    weights = class_weights.to(pixelwise)[labels.where(valid, 0)] * valid
    return (weights * pixelwise).sum() / positive(mean_over_processes(weights.sum()))


def weighted_cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, valid: torch.Tensor
) -> torch.Tensor:
    """Cross-entropy with a weight for each pixel, over the number of valid ones.

    Other than in `cross_entropy` the weights do not divide: where few pixels are sure, the loss is
    small.

    Args:
        logits: `(N, C, *spatial)`, before the softmax.
        labels: `(N, *spatial)`, integers in 0..C-1; `IGNORE_INDEX` counts as invalid.
        weights: `(N, *spatial)`, 0 and up, or bool; no gradient flows into them.
        valid: `(N, *spatial)`, bool, `False` in padding.

    Returns:
        A scalar; 0 where nothing is valid. With several processes its mean over them is the loss of
        the global batch.
    """
    valid = valid & (labels != IGNORE_INDEX)
    pixelwise = F.cross_entropy(logits, labels, ignore_index=IGNORE_INDEX, reduction="none")
    weighted = pixelwise * weights.detach() * valid
    return weighted.sum() / positive(mean_over_processes(valid.sum()))


def most_probable(scores: torch.Tensor) -> torch.Tensor:
    """The class of the largest score, the first of equal ones.

    `argmax` over few classes takes 15 times as long as `max` on a CPU where the classes do not come
    last in memory, in 3-D a tenth of a step.

    Args:
        scores: `(N, C, *spatial)`.

    Returns:
        `(N, *spatial)`, int64.
    """
    return scores.max(dim=1).indices if scores.device.type == "cpu" else scores.argmax(dim=1)


def positive(count: torch.Tensor) -> torch.Tensor:
    """A count as divisor: 0 becomes 1, so that nothing over nothing is 0."""
    return count.where(count > 0, 1)


def as_labels(values: torch.Tensor, like: torch.Tensor | None = None) -> torch.Tensor:
    """Integer labels as they are; floating point scores as the argmax over axis 1.

    Args:
        values: Labels of any shape, or scores `(N, C, *spatial)`.
        like: Labels whose shape the result must have.

    Raises:
        ValueError: If the shapes differ.
    """
    labels = most_probable(values) if values.is_floating_point() else values
    if like is not None and labels.shape != like.shape:
        raise ValueError(f"shapes differ: {tuple(labels.shape)} and {tuple(like.shape)}")
    return labels
