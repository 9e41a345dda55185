"""What the corrector learns: correction maps and its loss (eqs. 1 and 2)."""

import torch

from ecs_med.losses.cross_entropy import as_labels, cross_entropy
from ecs_med.types import IGNORE_INDEX

__all__ = ["correction_map", "corrector_loss", "right_map"]


def correction_map(
    predicted: torch.Tensor, reference: torch.Tensor, num_classes: int
) -> torch.Tensor:
    """Where a segmentation is right, and what is right elsewhere.

    Args:
        predicted: Labels of the segmentation in 0..N-1, any shape; or its scores
            `(B, N, *spatial)` in floating point, of which the argmax is taken.
        reference: Reference labels of the same shape, `IGNORE_INDEX` where void.
        num_classes: N, without the added class.

    Returns:
        int64 labels of `reference`'s shape: N where both agree, the reference label
        where they differ, `IGNORE_INDEX` where void.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> correction_map(torch.tensor([0, 1, 2, 1]), torch.tensor([0, 2, 2, 255]), 3).tolist()
        [3, 2, 3, 255]

    Source:
        Mendel et al. 2020, eq. 1.
    """
    reference = reference.long()
    right = as_labels(predicted, like=reference) == reference
    return reference.masked_fill(right & (reference != IGNORE_INDEX), num_classes)


def right_map(reference: torch.Tensor, num_classes: int) -> torch.Tensor:
    """The correction map of the reference itself: class N everywhere but in void (`y_t`).

    Args:
        reference: Labels of any shape, `IGNORE_INDEX` where void.
        num_classes: N, without the added class.
    """
    void = reference == IGNORE_INDEX
    return torch.full_like(reference, num_classes, dtype=torch.long).masked_fill(void, IGNORE_INDEX)


def corrector_loss(
    logits: torch.Tensor,
    target: torch.Tensor,
    *,
    class_weight: float = 2.0,
    focusing: float = 0.0,
) -> torch.Tensor:
    """One term of the corrector's loss, `H_a`: the N real classes weigh more than "right".

    Args:
        logits: `(B, N+1, *spatial)`, before the softmax.
        target: Correction map `(B, *spatial)`.
        class_weight: Alpha of the N real classes; class N has weight 1.
        focusing: 0 for cross-entropy, 2 for the focal loss of section 4.6.

    Returns:
        Weighted mean over the pixels that are not void; 0 where all are.

    Source:
        Mendel et al. 2020, eq. 2 and section 3.1.
    """
    weights = logits.new_full((logits.shape[1],), class_weight)
    weights[-1] = 1.0
    return cross_entropy(logits, target, class_weights=weights, focusing=focusing)
