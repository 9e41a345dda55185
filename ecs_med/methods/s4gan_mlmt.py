"""s4GAN with MLMT, a multi-label mean teacher beside the segmenter (Mittal et al. 2019).

After the two updates of s4GAN, with K an image-level classifier and T its mean teacher:

    classifier      BCE(K(x), which classes y shows)
                      + c (1 - cos(sigmoid K(x_u + noise), sigmoid T(x_u)))
    teacher         T <- d T + (1 - d) K

Segmenter and classifier learn apart from each other. They meet when predicting: a class that the
teacher takes for less probable than `presence` is switched off, in data sets whose class 0 is
the background, and never the background (`ecs_med.inference.model`).

What the publication leaves open, and how it is here:

- A class is present where a crop shows a pixel of it. Crops that are void altogether count
  nowhere; absent classes are negative examples.
- The cosine is that of the N probabilities of a picture; the mean is over pictures.
- The student's view has Gaussian noise (`noise`, in units of the normalised intensities), the
  teacher sees the picture as it is. The teacher stays in evaluation mode, its running statistics
  are averaged as its weights are, and its first updates average faster (`MeanTeacher`).
- Batch normalization sees (K: x, x_u), in this order.
"""

from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from ecs_med.config import Settings
from ecs_med.distributed import share
from ecs_med.errors import SettingsError
from ecs_med.losses import binary_cross_entropy
from ecs_med.methods.base import StepResult
from ecs_med.methods.network_plan import NetworkPlan
from ecs_med.methods.s4gan import S4Gan, S4GanSettings, any_valid
from ecs_med.networks import one_hot
from ecs_med.networks.classifier import build_classifier
from ecs_med.networks.parallel import noise_like
from ecs_med.networks.teacher import MeanTeacher
from ecs_med.types import IGNORE_INDEX, Batch

__all__ = ["S4GanMlmt", "S4GanMlmtSettings", "shown_classes"]


class S4GanMlmtSettings(S4GanSettings):
    """The numbers of s4GAN, and of MLMT beside it (Mittal et al. 2019)."""

    ema: float = Field(0.999, ge=0, lt=1)
    """Decay of the teacher's moving average."""
    consistency_weight: float = Field(1.0, ge=0)
    """Weight of the cosine consistency between student and teacher on unlabelled images."""
    noise: float = Field(0.1, ge=0)
    """Standard deviation of the noise on the student's view, in units of normalised intensities."""
    presence: float = Field(0.2, ge=0, le=1)
    """A class whose probability by the teacher is below is switched off when predicting."""


class S4GanMlmt(S4Gan):
    """s4GAN, and a classifier that says which classes a picture shows at all."""

    name: ClassVar[str] = "s4gan+mlmt"
    title: ClassVar[str] = "s4GAN with MLMT, a multi-label mean teacher"
    short_name: ClassVar[str] = "s4GAN+MLMT"
    settings_class: ClassVar[type[Settings]] = S4GanMlmtSettings
    extra_networks: ClassVar[tuple[str, ...]] = ("discriminator", "classifier", "teacher")
    frozen_networks: ClassVar[tuple[str, ...]] = ("teacher",)
    spatial_dims: ClassVar[tuple[int, ...]] = (2,)
    settings: S4GanMlmtSettings

    @classmethod
    def build_networks(cls, plan: NetworkPlan) -> dict[str, nn.Module]:
        """Discriminator, classifier on the segmenter's encoder, and the classifier's teacher."""
        assert isinstance(plan.settings, S4GanMlmtSettings)
        if not hasattr(plan.segmenter, "encoder"):
            raise SettingsError(
                f"The classifier of {cls.name} stands on the segmenter's encoder, and this one "
                "has none; choose another `network`."
            )
        classifier = build_classifier(
            plan.initialization, in_channels=plan.in_channels, num_classes=plan.num_classes
        )
        teacher = MeanTeacher(classifier, plan.settings.ema)
        return {**super().build_networks(plan), "classifier": classifier, "teacher": teacher}

    def presence(self) -> tuple[nn.Module, float]:
        """The mean teacher's network, and the probability below which a class is switched off."""
        return self.networks["teacher"].get_submodule("network"), self.settings.presence

    def step(self, batch: Batch, progress: float = 0.0) -> StepResult:
        """Updates of segmenter, discriminator, classifier and teacher."""
        result = super().step(batch, progress)
        self.update("classifier", self._classifier_terms(batch, result))
        teacher = self.networks["teacher"]
        assert isinstance(teacher, MeanTeacher)
        teacher.follow(self.networks["classifier"])
        return result

    def _classifier_terms(self, batch: Batch, result: StepResult) -> Iterator[torch.Tensor]:
        shown = shown_classes(batch.labels, self.num_classes)
        known = any_valid(batch.labels != IGNORE_INDEX).unsqueeze(1).expand_as(shown)
        logits = self.forward(self.networks["classifier"], batch.images)
        presence = binary_cross_entropy(logits, shown, known)
        result.losses["presence"] = presence.detach()
        result.signals["presence_accuracy"] = share((logits.detach() > 0) == shown.bool(), known)
        yield presence
        if batch.unlabeled_images is None:
            return
        images = batch.unlabeled_images
        with torch.no_grad():
            expected = self.forward(self.networks["teacher"], images).sigmoid()
        noisy = images + self.settings.noise * noise_like(images)
        found = self.forward(self.networks["classifier"], noisy).sigmoid()
        consistency = (1 - F.cosine_similarity(found, expected)).mean()
        result.losses["consistency"] = consistency.detach()
        yield self.settings.consistency_weight * consistency


def shown_classes(labels: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Which classes a picture shows.

    Args:
        labels: `(B, *spatial)`, int64, `IGNORE_INDEX` where void.
        num_classes: N.

    Returns:
        `(B, N)`, float, 1 where a pixel has the class; all 0 where everything is void.

    Example:
        >>> shown_classes(torch.tensor([[2, 0, 255], [255, 255, 255]]), 3).tolist()
        [[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """
    return one_hot(labels, num_classes).flatten(2).amax(dim=2).float()
