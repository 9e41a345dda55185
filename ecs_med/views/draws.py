"""Random numbers for each image of the global batch."""

import torch

from ecs_med.distributed import own_rows, world_size

__all__ = ["chance", "uniform"]


def uniform(images: torch.Tensor, *shape: int, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
    """Numbers in `low..high`, of `shape` for each of `images`.

    Args:
        images: `(B, ...)`, floating point; gives number of rows, type and device.
        shape: Of what is drawn for one image.
        low: Lowest number.
        high: Highest number.

    Returns:
        `(B, *shape)`: this process's rows of what is drawn for the global batch.
    """
    rows = len(images) * world_size()
    drawn = torch.rand((rows, *shape), dtype=images.dtype, device=images.device)
    return own_rows(drawn) * (high - low) + low


def chance(images: torch.Tensor, share: float) -> torch.Tensor:
    """Whether something happens to each of `images`, `(B,)`, bool, with probability `share`."""
    return uniform(images) < share
