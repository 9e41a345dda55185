"""Ragged batches whose strong view has known boxes, as a method and as a literal see them."""

import torch
from tiny_networks import NUM_CLASSES, ragged_batch
from torch import nn

from ecs_med.types import Batch, StrongView
from literal_consistency import Images

ORDER = [1, 2, 0]
"""Of which image each box is."""


SPATIAL = ((8, 8), (3, 8, 8))
"""A picture and a volume."""


def segmenter(spatial: tuple[int, ...], seed: int = 0) -> nn.Module:
    """From `(B, 1, *spatial)` to logits of `NUM_CLASSES`, in float64, with batch normalization."""
    torch.manual_seed(seed)
    flat = len(spatial) == 2
    convolution, norm = (nn.Conv2d, nn.BatchNorm2d) if flat else (nn.Conv3d, nn.BatchNorm3d)
    return nn.Sequential(
        convolution(1, 6, 3, padding=1), norm(6), nn.ReLU(), convolution(6, NUM_CLASSES, 1)
    ).double()


def varied_images(seed: int, spatial: tuple[int, ...] = (8, 8)) -> Images:
    """In float64: void, an absent class, a void image, padding, and boxes over its border."""
    sample = ragged_batch(seed)
    assert sample.unlabeled_images is not None
    assert sample.unlabeled_valid is not None
    generator = torch.Generator().manual_seed(seed)

    def wide(values: torch.Tensor) -> torch.Tensor:
        lead, depth = values.shape[:-2], [1] * (len(spatial) - 2)
        return values.view(*lead, *depth, 8, 8).expand(*lead, *spatial).clone()

    def noisy(values: torch.Tensor) -> torch.Tensor:
        noise = torch.randn(values.shape, dtype=torch.float64, generator=generator)
        return values.double() + 0.3 * noise

    valid = wide(sample.unlabeled_valid)
    weak = noisy(wide(sample.unlabeled_images)) * valid.unsqueeze(1)
    inside = torch.zeros_like(valid)
    inside[0, ..., 3:7, 2:6] = True
    inside[2, ..., :4, :3] = True
    varied = noisy(0.7 * weak)
    strong = torch.where(inside.unsqueeze(1), varied[ORDER], varied)
    labeled = noisy(wide(sample.images))
    return Images(labeled, wide(sample.labels), weak, valid, strong, inside, ORDER)


def as_batch(images: Images, unlabeled_pixels: torch.Tensor | None = None) -> Batch:
    """The same as a method gets it."""

    def bring(values: torch.Tensor) -> torch.Tensor:
        return torch.where(images.inside, values[images.order], values)

    return Batch(
        images.labeled,
        images.labels,
        images.weak,
        images.valid,
        unlabeled_strong=(StrongView(images.strong, bring),),
        unlabeled_pixels=unlabeled_pixels,
    )
