"""What the segmenter learns from unlabelled images (eqs. 4 to 6)."""

import torch
from torch.nn import functional as F

from ecs_med.distributed import mean_over_processes
from ecs_med.losses.cross_entropy import as_labels, positive
from ecs_med.types import IGNORE_INDEX

__all__ = ["certainty", "corrected_probabilities", "negated_focal_loss", "pseudo_labels"]


def pseudo_labels(
    segmented: torch.Tensor, corrected: torch.Tensor, num_classes: int
) -> torch.Tensor:
    """The segmentation, with the corrector's corrections put in.

    Args:
        segmented: Labels of the segmenter in 0..N-1, any shape; or its scores
            `(B, N, *spatial)` in floating point, of which the argmax is taken.
        corrected: Labels of the corrector in 0..N, or its scores `(B, N+1, *spatial)`.
        num_classes: N, without the added class.

    Returns:
        int64 labels: `corrected` where that is a real class, `segmented` where it is
        N ("right"). Void in either input stays void. No gradient.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> pseudo_labels(torch.tensor([0, 1, 1]), torch.tensor([2, 0, 2]), 2).tolist()
        [0, 0, 1]

    Source:
        Mendel et al. 2020, eq. 4.
    """
    corrected = as_labels(corrected.detach()).long()
    segmented = as_labels(segmented.detach(), like=corrected).long()
    labels = torch.where(corrected == num_classes, segmented, corrected)
    return labels.masked_fill(segmented == IGNORE_INDEX, IGNORE_INDEX)


def corrected_probabilities(
    segmented: torch.Tensor, corrector_probabilities: torch.Tensor
) -> torch.Tensor:
    """Probabilities of the N classes by the corrector: "right" counts for the class segmented.

    Args:
        segmented: Scores of the segmenter, `(B, N, *spatial)`, of which the argmax is taken.
        corrector_probabilities: `(B, N+1, *spatial)`, after the softmax.

    Returns:
        `(B, N, *spatial)`; the largest one is the class of `pseudo_labels`, but where the corrector
        is torn between the segmented class and "right", which are one here.

    Example:
        >>> judged = torch.tensor([[[0.125], [0.25], [0.625]]])
        >>> corrected_probabilities(torch.tensor([[[0.9], [0.1]]]), judged).flatten().tolist()
        [0.75, 0.25]
    """
    classes, right = corrector_probabilities[:, :-1], corrector_probabilities[:, -1:]
    return classes.scatter_add(1, segmented.argmax(dim=1, keepdim=True), right)


def certainty(corrector_probabilities: torch.Tensor) -> torch.Tensor:
    """How sure the corrector is: the largest probability of each pixel.

    Args:
        corrector_probabilities: `(B, N+1, *spatial)`, after the softmax.

    Returns:
        `(B, *spatial)`, in [1 / (N+1), 1].
    """
    return corrector_probabilities.amax(dim=1)


def negated_focal_loss(
    logits: torch.Tensor,
    pseudo_labels: torch.Tensor,
    corrector_probabilities: torch.Tensor,
    gamma: float = 2.0,
) -> torch.Tensor:
    """Cross-entropy on pseudo-labels, weighted by the corrector's certainty.

    Args:
        logits: The segmenter's `(B, N, *spatial)`, before the softmax.
        pseudo_labels: `(B, *spatial)`, integers in 0..N-1, or `IGNORE_INDEX`.
        corrector_probabilities: `(B, N+1, *spatial)`, after the softmax; no gradient
            flows into them.
        gamma: Focusing parameter; 0 gives plain cross-entropy.

    Returns:
        Mean over the pixels that are not `IGNORE_INDEX`; 0 where all are.

    Raises:
        ValueError: If the spatial shapes differ.

    Source:
        Mendel et al. 2020, eqs. 5 and 6.
    """
    if logits.shape[2:] != pseudo_labels.shape[1:]:
        raise ValueError(f"shapes differ: {tuple(logits.shape)}, {tuple(pseudo_labels.shape)}")
    weight = certainty(corrector_probabilities.detach()) ** gamma
    pixelwise = F.cross_entropy(
        logits, pseudo_labels.long(), ignore_index=IGNORE_INDEX, reduction="none"
    )
    num_valid = mean_over_processes((pseudo_labels != IGNORE_INDEX).sum())
    return (weight * pixelwise).sum() / positive(num_valid)
