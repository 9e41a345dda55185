"""Supervised training in plain PyTorch: what `ecs_med.methods.supervised` is held against."""

from dataclasses import dataclass

import torch
from torch import nn

__all__ = ["LiteralSupervised"]

VOID = 255


@dataclass
class LiteralSupervised:
    """Forward, loss, backward, step; nothing of `ecs_med` is used.

    Attributes:
        segmenter: S.
        optimizer: Of S.
    """

    segmenter: nn.Module
    optimizer: torch.optim.Optimizer

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
        """One update; its loss."""
        loss = nn.CrossEntropyLoss(ignore_index=VOID)(self.segmenter(images), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"segmentation": loss.item()}
