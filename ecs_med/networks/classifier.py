"""MLMT: a classifier of what a picture shows, and switching off the rest."""

from collections.abc import Sequence

import torch
from torch import nn

from ecs_med.networks.encoders import is_plain_vit
from ecs_med.networks.initialization import Initialization
from ecs_med.networks.vit import build_vit_encoder
from ecs_med.networks.weights import build_encoder

__all__ = [
    "MultiLabelClassifier",
    "build_classifier",
    "has_background",
    "switch_off_absent",
]

_OFF = -1e4
"""Logit of a class that is switched off: its probability is 0 in float32 and in half precision."""


class MultiLabelClassifier(nn.Module):
    """Encoder, global average pool, one linear layer.

    Args:
        encoder: Of segmentation-models-pytorch, or a `VitEncoder`; its deepest features are pooled.
        num_classes: N.

    Source:
        Mittal et al. 2019, "Semi-Supervised Semantic Segmentation with High- and Low-level
        Consistency", section 3.2.
    """

    def __init__(self, encoder: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        channels: int = encoder.out_channels[-1]  # type: ignore[index, assignment]
        self.head = nn.Linear(channels, num_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of the presence of each class, `(B, N)`, of images `(B, C, H, W)`."""
        logits: torch.Tensor = self.head(self.encoder(images)[-1].mean(dim=(2, 3)))
        return logits


def build_classifier(
    initialization: Initialization, *, in_channels: int, num_classes: int
) -> MultiLabelClassifier:
    """A classifier of images of `in_channels` channels; errors as `build_encoder`."""
    encoder: nn.Module
    if is_plain_vit(initialization.encoder):
        encoder = build_vit_encoder(initialization, in_channels)
    else:
        encoder = build_encoder(initialization, in_channels, "the classifier")
    return MultiLabelClassifier(encoder, num_classes)


def switch_off_absent(
    logits: torch.Tensor, presence: torch.Tensor, threshold: float
) -> torch.Tensor:
    """Take classes that a picture does not show out of its segmentation.

    Args:
        logits: Of the segmenter, `(B, N, *spatial)`; class 0 is the background.
        presence: Probability that a picture shows a class, `(B, N)`, 0..1.
        threshold: Classes below are switched off, the background never.

    Returns:
        The logits, a large negative number in channels that are switched off.

    Source:
        Mittal et al. 2019, section 3.2: the fusion of the two branches.
    """
    absent = presence < threshold
    absent[:, 0] = False
    return logits.masked_fill(absent.view(*absent.shape, *[1] * (logits.ndim - 2)), _OFF)


def has_background(class_names: Sequence[str]) -> bool:
    """Whether class 0 is what remains when nothing else is shown."""
    return class_names[0].casefold() == "background"
