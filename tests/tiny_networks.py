"""Networks of a few weights, and batches with everything that makes counting hard."""

from collections.abc import Sequence

import torch
from torch import nn

from ecs_med.networks.correctors import FeatureCorrector
from ecs_med.types import IGNORE_INDEX, Batch

NUM_CLASSES = 3


def pixelwise(in_channels: int, out_channels: int) -> nn.Module:
    """From `(B, in, H, W)` to `(B, out, H, W)`, with batch normalization."""
    return nn.Sequential(
        nn.Conv2d(in_channels, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, out_channels, 1),
    )


class Halved(nn.Module):
    """From `(B, in, H, W)` to `(B, out, H, W)` in two halves, with features of two depths."""

    def __init__(self, in_channels: int, out_channels: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(in_channels, 6, 3, padding=1), nn.BatchNorm2d(6))
        self.second = nn.Conv2d(6, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(10)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Conv2d(10, out_channels, 1)

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        shallow = self.first(images).relu()
        return shallow, self.second(shallow).tanh()

    def decode(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.drop(self.norm(torch.cat([*features], dim=1))))
        return logits

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.decode(self.encode(inputs))


class FeatureJudge(FeatureCorrector):
    """From features of `Halved` and N probabilities to N+1 logits."""

    def __init__(self, segmenter: nn.Module, num_classes: int, dropout: float = 0.0) -> None:
        super().__init__(segmenter, in_channels=1)
        self.norm = nn.BatchNorm2d(10 + num_classes)
        self.drop = nn.Dropout(dropout)
        self.head = nn.Conv2d(10 + num_classes, num_classes + 1, 3, padding=1)

    def judge(self, features: Sequence[torch.Tensor], class_map: torch.Tensor) -> torch.Tensor:
        joined = torch.cat([*features, class_map], dim=1)
        logits: torch.Tensor = self.head(self.drop(self.norm(joined)))
        return logits


class Judge(nn.Module):
    """From `(B, in, H, W)` to scores `(B,)` and features `(B, 5)`."""

    def __init__(self, in_channels: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.layer = nn.Conv2d(in_channels, 5, 3, padding=1)
        self.drop = nn.Dropout(dropout)
        self.score = nn.Linear(5, 1)

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.drop(self.layer(inputs).tanh()).mean(dim=(2, 3))
        return self.score(features)[:, 0], features


class Pooled(nn.Module):
    """From `(B, in, H, W)` to logits `(B, out)`, with batch normalization."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.layers = pixelwise(in_channels, out_channels)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(inputs).mean(dim=(2, 3))
        return logits


def ragged_batch(seed: int = 1) -> Batch:
    """Void pixels, one picture that is void altogether, an absent class, padding."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, NUM_CLASSES - 1, (3, 8, 8), generator=generator)
    labels[0, :2] = IGNORE_INDEX
    labels[1] = IGNORE_INDEX
    valid = torch.ones(3, 8, 8, dtype=torch.bool)
    valid[0, 5:] = False
    images = torch.randn(2, 3, 1, 8, 8, generator=generator)
    return Batch(images[0], labels, images[1] * valid[:, None], valid)


def weights(module: nn.Module) -> torch.Tensor:
    """All parameters in one vector."""
    return torch.cat([p.detach().flatten().clone() for p in module.parameters()])


def enlarge_weights(module: nn.Module) -> None:
    """Make the scores of a judge differ, so that it selects some and not all."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter *= 3
