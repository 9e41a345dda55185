"""What methods with a mean teacher share: the moving average of the segmenter, which predicts."""

from typing import ClassVar

import torch
from pydantic import Field
from torch import nn

from ecs_med.config import Settings
from ecs_med.methods.base import Method
from ecs_med.methods.network_plan import NetworkPlan
from ecs_med.networks.teacher import MeanTeacher

__all__ = ["TeachingMethod", "TeachingSettings"]


class TeachingSettings(Settings):
    """Of the mean teacher."""

    ema: float = Field(0.99, ge=0, lt=1)
    """Decay of the teacher's moving average; the first updates average faster."""


class TeachingMethod(Method):
    """A method whose targets come from the segmenter's moving average.

    The teacher stays in evaluation mode and is what predicts in the end: it is the same network
    with less noise.
    """

    settings_class: ClassVar[type[Settings]] = TeachingSettings
    extra_networks: ClassVar[tuple[str, ...]] = ("teacher",)
    frozen_networks: ClassVar[tuple[str, ...]] = ("teacher",)
    uses_unlabeled: ClassVar[bool] = True
    settings: TeachingSettings

    @classmethod
    def build_networks(cls, plan: NetworkPlan) -> dict[str, nn.Module]:
        """The teacher, a copy of the segmenter."""
        assert isinstance(plan.settings, TeachingSettings)
        return {"teacher": MeanTeacher(plan.segmenter, plan.settings.ema)}

    @property
    def teacher(self) -> MeanTeacher:
        """The segmenter's moving average."""
        teacher = self.networks["teacher"]
        assert isinstance(teacher, MeanTeacher)
        return teacher

    def predictor(self) -> nn.Module:
        """The teacher's network."""
        return self.teacher.network

    @torch.no_grad()
    def teach(self, images: torch.Tensor) -> torch.Tensor:
        """The teacher's probabilities `(M, N, *spatial)` of images as they are."""
        return self.forward(self.teacher, images).softmax(dim=1)
