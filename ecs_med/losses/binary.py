"""Binary cross-entropy over what is valid, for discriminators and image-level classifiers."""

import torch
from torch.nn import functional as F

from ecs_med.distributed import mean_over_processes
from ecs_med.losses.cross_entropy import positive

__all__ = ["binary_cross_entropy"]


def binary_cross_entropy(
    logits: torch.Tensor, target: torch.Tensor | float, valid: torch.Tensor | None = None
) -> torch.Tensor:
    """Mean binary cross-entropy of the valid elements.

    Args:
        logits: Any shape, before the sigmoid.
        target: Probabilities of `logits`' shape, or one for all elements: 1 for "real".
        valid: Bool, of `logits`' shape; `None` where every element is valid.

    Returns:
        A scalar; 0, with a gradient of 0, where nothing is valid. With several processes its mean
        over them is the loss of the global batch.

    Example:
        >>> logits = torch.tensor([0.0, 50.0])
        >>> binary_cross_entropy(logits, 1.0, torch.tensor([True, False])).item()
        0.6931471824645996
    """
    if not isinstance(target, torch.Tensor):
        target = torch.full_like(logits, target)
    if valid is None:
        valid = torch.ones_like(logits, dtype=torch.bool)
    each = F.binary_cross_entropy_with_logits(logits, target.to(logits), reduction="none")
    return (each * valid).sum() / positive(mean_over_processes(valid.sum()))
