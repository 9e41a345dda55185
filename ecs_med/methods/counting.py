"""Which pixels count, and shares and means among them over all processes."""

import torch

from ecs_med.distributed import mean_over_processes
from ecs_med.types import Batch

__all__ = ["any_valid", "mean", "share", "unlabeled_valid"]


def share(of: torch.Tensor, among: torch.Tensor) -> torch.Tensor:
    """Share of `of` among the elements in `among`; NaN where there are none.

    Args:
        of: Bool, any shape.
        among: Bool, the same shape.
    """
    return mean_over_processes((of & among).sum()) / mean_over_processes(among.sum())


def mean(values: torch.Tensor, among: torch.Tensor) -> torch.Tensor:
    """Mean of `values` over the elements in `among`; NaN where there are none."""
    return mean_over_processes((values * among).sum()) / mean_over_processes(among.sum())


def any_valid(valid: torch.Tensor) -> torch.Tensor:
    """Pictures with a valid pixel: `(B,)` of `(B, *spatial)`, bool."""
    return valid.flatten(1).any(dim=1)


def unlabeled_valid(batch: Batch) -> torch.Tensor:
    """Where unlabelled images are no padding, `(M, *spatial)`, bool."""
    assert batch.unlabeled_images is not None
    if batch.unlabeled_valid is not None:
        return batch.unlabeled_valid
    return torch.ones_like(batch.unlabeled_images[:, 0], dtype=torch.bool)
