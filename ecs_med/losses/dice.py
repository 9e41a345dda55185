"""Dice loss over some of the pixels of a batch."""

import torch

from ecs_med.distributed import sum_over_processes
from ecs_med.types import IGNORE_INDEX

__all__ = ["dice_loss"]

_NOTHING = 1e-10
"""Added to both sides of the fraction, so that nothing over nothing is no loss."""


def dice_loss(
    probabilities: torch.Tensor, labels: torch.Tensor, among: torch.Tensor
) -> torch.Tensor:
    """One minus the soft Dice of each class over all pixels together; the mean over the classes.

    A class `k` with probabilities `p` and labels `y` has the Dice `2 sum(p y) / (sum(p^2) +
    sum(y))`, background and absent classes included: a class that neither is there nor is found
    has no loss.

    Args:
        probabilities: `(N, C, *spatial)`, after the softmax.
        labels: `(N, *spatial)`, integers in 0..C-1, or `IGNORE_INDEX`, which counts nowhere.
        among: `(N, *spatial)`, bool: pixels that count.

    Returns:
        A scalar in 0..1; 0 where no pixel counts. With several processes it is the loss of the
        global batch in each of them, whose gradients are to be averaged as those of other losses.

    Example:
        >>> labels = torch.tensor([[0, 1]])
        >>> among = torch.tensor([[True, True]])
        >>> dice_loss(torch.tensor([[[1.0, 0.0], [0.0, 1.0]]]), labels, among).item()
        0.0

    Source:
        Milletari et al. 2016, "V-Net", eq. for the Dice loss with squares in the denominator.
    """
    among = among & (labels != IGNORE_INDEX)
    classes = torch.arange(probabilities.shape[1], device=labels.device)
    reference = (labels.unsqueeze(-1) == classes).movedim(-1, 1) & among.unsqueeze(1)
    found = probabilities * among.unsqueeze(1)
    axes = [axis for axis in range(found.ndim) if axis != 1]
    sums = torch.stack(
        [(found * reference).sum(axes), found.square().sum(axes) + reference.sum(axes)]
    )
    overlap, size = sum_over_processes(sums).unbind()
    each = 1 - (2 * overlap + _NOTHING) / (size + _NOTHING)
    return each.mean()
