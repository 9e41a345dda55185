"""How far two networks' probabilities are apart."""

import torch

from ecs_med.distributed import mean_over_processes
from ecs_med.losses.cross_entropy import positive

__all__ = ["squared_distance"]


def squared_distance(
    probabilities: torch.Tensor, targets: torch.Tensor, valid: torch.Tensor
) -> torch.Tensor:
    """Squared distance of the two probability vectors of a pixel, in the mean over valid pixels.

    The squares are summed over the classes, not averaged, so that a weight on this loss means the
    same for two classes and for twenty.

    Args:
        probabilities: `(B, N, *spatial)`, 0..1, sum 1 over the classes.
        targets: Of the same shape; no gradient flows into them.
        valid: `(B, *spatial)`, bool, `False` in padding.

    Returns:
        A scalar in 0..2; 0, with a gradient of 0, where nothing is valid. With several processes
        its mean over them is the loss of the global batch.

    Example:
        >>> sure = torch.tensor([[[1.0], [0.0]]])
        >>> squared_distance(sure, sure.flip(1), torch.ones(1, 1, dtype=torch.bool)).item()
        2.0
    """
    pixelwise = (probabilities - targets.detach()).square().sum(dim=1)
    return (pixelwise * valid).sum() / positive(mean_over_processes(valid.sum()))
