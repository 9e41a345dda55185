"""Boxes, images that are pasted into one another, and windows that are brought to size."""

import math
from collections.abc import Callable

import torch
from torch.nn import functional as F

from ecs_med.distributed import gather_rows, own_rows
from ecs_med.views.draws import chance, uniform

__all__ = ["boxes", "cutmix_boxes", "partner", "paste", "zoom_windows"]

_RATIO = 0.3
"""Shortest side of a box over the longest, both as shares of the image's sides."""


def boxes(images: torch.Tensor, sides: torch.Tensor) -> torch.Tensor:
    """One box in each image, at a place that is drawn.

    Args:
        images: `(B, C, *spatial)`.
        sides: `(B, D)` or `(D,)`, sides of the boxes as shares of the image's, 0..1.

    Returns:
        `(B, *spatial)`, bool, `True` inside; sides are rounded to whole pixels, and every place
        within the image is equally likely.
    """
    spatial = images.shape[2:]
    drawn = uniform(images, len(spatial))
    inside = torch.ones(len(images), *spatial, dtype=torch.bool, device=images.device)
    for axis, size in enumerate(spatial):
        side = (sides[..., axis] * size).round().expand(len(images))
        start = (drawn[:, axis] * (size - side + 1)).floor().minimum(size - side)
        places = torch.arange(size, device=images.device)
        along = (places >= start[:, None]) & (places < (start + side)[:, None])
        inside &= along.view(len(images), *[-1 if a == axis else 1 for a in range(len(spatial))])
    return inside


def cutmix_boxes(
    images: torch.Tensor, share: float, area: tuple[float, float] = (0.02, 0.4)
) -> torch.Tensor:
    """Where pixels come from another image.

    Args:
        images: `(B, C, *spatial)`.
        share: Probability that an image is mixed at all.
        area: Range of the share of an image that its box covers; sides differ by 0.3 to 1 / 0.3,
            less where a side would be longer than the image's.

    Returns:
        `(B, *spatial)`, bool.

    Source:
        Yun et al. 2019, "CutMix"; French et al. 2020 for segmentation; the ranges are those of
        Yang et al. 2023 (UniMatch), whose boxes are drawn until one lies within the image.
    """
    dimensions = images.ndim - 2
    covered = uniform(images, 1, low=area[0], high=area[1])
    logs = uniform(images, dimensions, high=-math.log(_RATIO))
    logs = logs - logs.mean(dim=1, keepdim=True)
    # The side of a cube of that size, stretched as far as the longest side stays within the image.
    side = covered.log() / dimensions
    room = (-side / logs.amax(dim=1, keepdim=True).clamp(min=1e-6)).clamp(max=1)
    inside = boxes(images, (side + room * logs).exp().clamp(max=1))
    return inside & chance(images, share).view(-1, *[1] * dimensions)


def partner(values: torch.Tensor) -> torch.Tensor:
    """For each row of the global batch the next one; the first follows the last."""
    return own_rows(gather_rows(values).roll(-1, dims=0))


def paste(
    own: torch.Tensor, other: torch.Tensor, inside: torch.Tensor, channels: bool = False
) -> torch.Tensor:
    """`other` where `inside`, else `own`.

    Args:
        own: `(B, *spatial)`, or `(B, C, *spatial)` with `channels`.
        other: Of the same shape.
        inside: `(B, *spatial)`, bool.
        channels: Whether both have channels.
    """
    return torch.where(inside[:, None] if channels else inside, other, own)


def zoom_windows(
    images: torch.Tensor, zoom: tuple[float, float]
) -> Callable[[torch.Tensor, str], torch.Tensor]:
    """A random window of each image, brought to the size of the image.

    Args:
        images: `(B, C, *spatial)`; gives number, size and type.
        zoom: Range of the window's side as a share of the image's, at most 1.

    Returns:
        From `(B, C, *spatial)`, floating point, and `bilinear` (in volumes trilinear) or `nearest`,
        to the same shape.
    """
    dimensions = images.ndim - 2
    side = uniform(images, low=zoom[0], high=zoom[1])
    centre = (uniform(images, dimensions) * 2 - 1) * (1 - side[:, None])
    scales = torch.eye(dimensions, dtype=images.dtype, device=images.device) * side[:, None, None]
    theta = torch.cat([scales, centre[:, :, None]], dim=2)
    grid = F.affine_grid(theta, [len(images), 1, *images.shape[2:]], align_corners=False)

    def resample(values: torch.Tensor, mode: str) -> torch.Tensor:
        return F.grid_sample(
            values, grid.to(values), mode=mode, padding_mode="border", align_corners=False
        )

    return resample
