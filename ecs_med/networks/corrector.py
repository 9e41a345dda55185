"""What the corrector sees."""

import torch
from torch.nn import functional as F

from ecs_med.types import IGNORE_INDEX

__all__ = ["corrector_input", "one_hot"]


def corrector_input(images: torch.Tensor, class_map: torch.Tensor) -> torch.Tensor:
    """The image concatenated with a class map along the channels.

    Args:
        images: `(B, C, *spatial)`.
        class_map: `(B, N, *spatial)`: the segmenter's probabilities, or a one-hot reference.

    Returns:
        `(B, C + N, *spatial)`.
    """
    return torch.cat([images, class_map.to(images.dtype)], dim=1)


def one_hot(labels: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Labels as an N-channel map.

    Args:
        labels: `(B, *spatial)`, int64, `IGNORE_INDEX` where void.
        num_classes: N.

    Returns:
        `(B, N, *spatial)`, float; all N channels are 0 in void.
    """
    void = labels == IGNORE_INDEX
    encoded = F.one_hot(labels.masked_fill(void, 0), num_classes).movedim(-1, 1)
    return encoded * ~void.unsqueeze(1)
