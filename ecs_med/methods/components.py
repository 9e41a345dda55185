"""Objects in label maps."""

import numpy as np
import torch
from scipy import ndimage

from ecs_med.types import IGNORE_INDEX

__all__ = ["largest_components"]


def largest_components(labels: torch.Tensor) -> torch.Tensor:
    """Keep the largest object of each class in each image; the others become background.

    Objects touch by sides or corners; of two that are equally large the first one stays.

    Args:
        labels: `(B, *spatial)`, integers; 0 is the background, `IGNORE_INDEX` stays as it is.

    Returns:
        The same shape, type and device; worked out on the CPU.

    Example:
        >>> largest_components(torch.tensor([[1, 0, 1, 1, 0, 2]])).tolist()
        [[0, 0, 1, 1, 0, 2]]
    """
    kept = labels.cpu().numpy().copy()
    touching = np.ones([3] * (kept.ndim - 1))
    for image in kept:
        for value in np.setdiff1d(image, [0, IGNORE_INDEX]):
            objects, count = ndimage.label(image == value, touching)
            if count > 1:
                largest = np.bincount(objects.ravel())[1:].argmax() + 1
                image[(objects > 0) & (objects != largest)] = 0
    return torch.from_numpy(kept).to(labels.device)
