"""What methods share that look between the segmenter's encoder and its decoder."""

from collections.abc import Sequence

import torch
from torch import nn

from ecs_med.methods.base import Method
from ecs_med.methods.network_plan import NetworkPlan
from ecs_med.networks.halves import check_halves, decode, encode

__all__ = ["HalvingMethod"]


class HalvingMethod(Method):
    """A method that takes the segmenter's features, and may change them before they are decoded."""

    @classmethod
    def build_networks(cls, plan: NetworkPlan) -> dict[str, nn.Module]:
        """Those of the next class; a `SettingsError` if the segmenter cannot be divided."""
        check_halves(plan.segmenter, f"The method {cls.name}")
        return super().build_networks(plan)

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The segmenter's features of images, in the precision of the run."""
        with self.precision(images.device):
            return encode(self.segmenter, images)

    def decode(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """The segmenter's logits of features; at least float32, as those of `forward`."""
        with self.precision(features[0].device):
            logits = decode(self.segmenter, features)
        return logits if self.autocast is None else logits.float()
