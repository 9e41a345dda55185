"""MLMT: a classifier of what a picture shows, its mean teacher, and switching off the rest."""

import copy
from collections.abc import Sequence
from typing import cast

import torch
from torch import nn

from ecs_med.networks.initialization import Initialization
from ecs_med.networks.weights import build_encoder

__all__ = [
    "MeanTeacher",
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
        encoder: An encoder of segmentation-models-pytorch; its deepest features are pooled.
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


class MeanTeacher(nn.Module):
    """A network whose weights are the moving average of those of another one.

    It starts as a copy, stays in evaluation mode and has no gradients. Running statistics of
    batch normalization are averaged as weights are. The number of updates is part of its state.

    Args:
        student: Whose weights are averaged.
        decay: Of the average. The first updates average with `1 - 1 / (updates + 1)` where that is
            less, else a short run would keep its random start.

    Source:
        Tarvainen and Valpola 2017, "Mean teachers are better role models".
    """

    num_updates: torch.Tensor

    def __init__(self, student: nn.Module, decay: float) -> None:
        super().__init__()
        self.network = copy.deepcopy(student).requires_grad_(False)
        self.decay = decay
        self.register_buffer("num_updates", torch.zeros((), dtype=torch.int64))
        self.train(False)

    def train(self, mode: bool = True) -> "MeanTeacher":
        """Stay in evaluation mode."""
        return super().train(False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """What the averaged network says."""
        return cast(torch.Tensor, self.network(inputs))

    @torch.no_grad()
    def follow(self, student: nn.Module) -> None:
        """Move the average towards `student`, of which the teacher is a copy."""
        decay = min(1 - 1 / (self.num_updates.item() + 1), self.decay)
        ours, theirs = self.network.state_dict(), student.state_dict()
        for name, value in ours.items():
            if value.is_floating_point():
                value.lerp_(theirs[name], 1 - decay)
            else:
                value.copy_(theirs[name])
        self.num_updates += 1


def build_classifier(
    initialization: Initialization, *, in_channels: int, num_classes: int
) -> MultiLabelClassifier:
    """A classifier of images of `in_channels` channels; errors as `build_encoder`."""
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
