"""Features of which whole channels are dropped: views of an image inside the network."""

from collections.abc import Sequence

import torch

from ecs_med.views.draws import chance, uniform

__all__ = ["channel_masks", "complementary_masks", "scale_channels"]

Masks = list[torch.Tensor]
"""For each feature map `(B, channels)`: by what each channel of each image is multiplied."""


def channel_masks(features: Sequence[torch.Tensor], rate: float = 0.5) -> Masks:
    """Channel dropout: a share of the channels becomes 0, the others are scaled up.

    Args:
        features: `(B, channels, ...)` each, whose channels are drawn independently.
        rate: Probability that a channel is dropped, below 1.

    Returns:
        Masks of 0 and `1 / (1 - rate)`: this process's rows of those of the global batch.
    """
    return [(_drawn(feature) >= rate).float() / (1 - rate) for feature in features]


def complementary_masks(
    features: Sequence[torch.Tensor], untouched: float = 0.5
) -> tuple[Masks, Masks]:
    """Two halves of the channels, for two views that have nothing of the features in common.

    Args:
        features: `(B, channels, ...)` each, of one view; those of the other have the same channels.
        untouched: Probability that an image keeps all its channels, in both views.

    Returns:
        Masks of 0 and 2, or 1 in images that are left alone; a mask and its counterpart sum to 2.

    Source:
        Yang et al. 2025, "UniMatch V2", complementary dropout.
    """
    is_untouched = chance(_rows(features[0]), untouched)[:, None]
    first = [
        torch.where(is_untouched, 1.0, 2.0 * (_drawn(feature) >= 0.5).float())
        for feature in features
    ]
    return first, [2.0 - mask for mask in first]


def scale_channels(features: Sequence[torch.Tensor], masks: Masks) -> list[torch.Tensor]:
    """Features `(B, channels, ...)`, each channel times its number in `masks`.

    Example:
        >>> scale_channels([torch.ones(1, 2, 1)], [torch.tensor([[0.0, 2.0]])])[0].tolist()
        [[[0.0], [2.0]]]
    """
    return [
        feature * mask.to(feature.dtype).view(*mask.shape, *[1] * (feature.ndim - 2))
        for feature, mask in zip(features, masks, strict=True)
    ]


def _rows(feature: torch.Tensor) -> torch.Tensor:
    # In float32 whatever the precision of the features: bfloat16 knows 256 numbers in 0..1.
    return torch.empty(len(feature), dtype=torch.float32, device=feature.device)


def _drawn(feature: torch.Tensor) -> torch.Tensor:
    return uniform(_rows(feature), feature.shape[1])
