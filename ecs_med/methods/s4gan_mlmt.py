"""s4GAN with MLMT, a multi-label mean teacher beside the segmenter (Mittal et al. 2019).

After the two updates of s4GAN, with K an image-level classifier and T its mean teacher:

    classifier      BCE(K(x), which classes y shows)
                      + c (1 - cos(sigmoid K(x_u + noise), sigmoid T(x_u)))
    teacher         T <- d T + (1 - d) K

Segmenter and classifier learn apart from each other. They meet when predicting: a class that the
teacher takes for less probable than `mlmt.presence` is switched off, in data sets whose class 0 is
the background, and never the background (`ecs_med.inference.model`).

What the publication leaves open, and how it is here:

- A class is present where a crop shows a pixel of it. Crops that are void altogether count
  nowhere; absent classes are negative examples.
- The cosine is that of the N probabilities of a picture; the mean is over pictures.
- The student's view has Gaussian noise (`mlmt.noise`, in units of the normalised intensities), the
  teacher sees the picture as it is. The teacher stays in evaluation mode, its running statistics
  are averaged as its weights are, and its first updates average faster (`MeanTeacher`).
- Batch normalization sees (K: x, x_u), in this order.
"""

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from ecs_med.losses import binary_cross_entropy
from ecs_med.methods.base import Blueprint, StepResult
from ecs_med.methods.counting import any_valid, share
from ecs_med.methods.s4gan import S4Gan
from ecs_med.networks.classifier import MeanTeacher, build_classifier
from ecs_med.networks.corrector import one_hot
from ecs_med.networks.parallel import noise_like
from ecs_med.types import IGNORE_INDEX, Batch

__all__ = ["S4GanMlmt", "shown_classes"]


class S4GanMlmt(S4Gan):
    """s4GAN, and a classifier that says which classes a picture shows at all."""

    name: ClassVar[str] = "s4gan+mlmt"
    companion_names: ClassVar[tuple[str, ...]] = ("discriminator", "classifier", "teacher")
    untrained: ClassVar[tuple[str, ...]] = ("teacher",)

    @classmethod
    def companions(cls, blueprint: Blueprint) -> dict[str, nn.Module]:
        """Discriminator, classifier on the segmenter's encoder, and the classifier's teacher."""
        classifier = build_classifier(
            blueprint.segmenter,
            in_channels=blueprint.in_channels,
            num_classes=blueprint.num_classes,
        )
        teacher = MeanTeacher(classifier, blueprint.config.mlmt.ema)
        return {**super().companions(blueprint), "classifier": classifier, "teacher": teacher}

    def step(self, batch: Batch, progress: float = 0.0) -> StepResult:
        """Updates of segmenter, discriminator, classifier and teacher."""
        result = super().step(batch, progress)
        losses, signals = dict(result.losses), dict(result.signals)
        self.update("classifier", self._classifier_terms(batch, losses, signals))
        teacher = self.networks["teacher"]
        assert isinstance(teacher, MeanTeacher)
        teacher.follow(self.networks["classifier"])
        return StepResult({name: loss.detach() for name, loss in losses.items()}, signals)

    def _classifier_terms(
        self, batch: Batch, losses: dict[str, torch.Tensor], signals: dict[str, torch.Tensor]
    ) -> Iterator[torch.Tensor]:
        shown = shown_classes(batch.labels, self.num_classes)
        known = any_valid(batch.labels != IGNORE_INDEX).unsqueeze(1).expand_as(shown)
        logits = self.forward(self.networks["classifier"], batch.images)
        losses["presence"] = binary_cross_entropy(logits, shown, known)
        signals["presence_accuracy"] = share((logits.detach() > 0) == shown.bool(), known)
        yield losses["presence"]
        if batch.unlabeled_images is None:
            return
        settings = self.config.mlmt
        images = batch.unlabeled_images
        with torch.no_grad():
            expected = self.forward(self.networks["teacher"], images).sigmoid()
        noisy = images + settings.noise * noise_like(images)
        found = self.forward(self.networks["classifier"], noisy).sigmoid()
        losses["consistency"] = (1 - F.cosine_similarity(found, expected)).mean()
        yield settings.consistency_weight * losses["consistency"]


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
