"""s4GAN, semi-supervised segmentation with a generative adversarial network (Mittal et al. 2019).

One iteration, S the segmenter and D a discriminator of picture and class map that scores whole
pictures, with features f:

    segmenter       H(S(x), y) + a |mean f(x, onehot y) - mean f(x_u, S(x_u))|
                      + b H(S(x_u), argmax S(x_u)) on pictures where sigmoid D > threshold
    discriminator   (BCE(D(x_u, S(x_u)), 0) + BCE(D(x, onehot y), 1)) / 2

What the publication leaves open, and how it is here:

- |.| is the mean over the features of the absolute difference; means are over the pictures. A
  picture that is void altogether is no reference and counts in none of them.
- Pictures are selected by the forward pass that the feature matching uses, dropout included.
- The self-training loss is a mean over the valid pixels of the selected pictures; 0 without any.
- Class maps are 0 in void and in padding, references and segmentations alike, so that padding
  does not tell one from the other.
- D is judged on the segmentations as they were before S moved. Half of both terms is its loss.
- Without unlabelled images nothing but H(S(x), y) remains.
"""

import math
from collections.abc import Iterator, Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import nn

from ecs_med.config import Settings
from ecs_med.distributed import mean_over_processes, share
from ecs_med.losses import binary_cross_entropy, cross_entropy
from ecs_med.methods.base import Method, StepResult, unlabeled_valid
from ecs_med.methods.network_plan import NetworkPlan
from ecs_med.networks import corrector_input, one_hot
from ecs_med.networks.discriminators import ImageDiscriminator
from ecs_med.networks.modes import frozen
from ecs_med.networks.parallel import batch_mean
from ecs_med.types import IGNORE_INDEX, Batch

__all__ = ["S4Gan", "S4GanSettings", "any_valid"]

_SETTLED = 0.25
"""Share of the run after which selecting nothing is worth a word: at first D is undecided."""


class S4GanSettings(Settings):
    """The numbers of s4GAN (Mittal et al. 2019)."""

    matching_weight: float = Field(0.1, ge=0)
    """Weight of the feature-matching loss."""
    self_training_weight: float = Field(1.0, ge=0)
    """Weight of the self-training loss on selected images."""
    threshold: float = Field(0.6, ge=0, le=1)
    """Probability "real" above which a whole image is selected; Cityscapes: 0.7."""


class S4Gan(Method):
    """Segmenter against a discriminator of pictures, which also selects what to self-train on."""

    name: ClassVar[str] = "s4gan"
    title: ClassVar[str] = "s4GAN"
    short_name: ClassVar[str] = "s4GAN"
    source: ClassVar[str] = "Mittal et al. 2019"
    unlabeled_pixels = "ignored"
    settings_class: ClassVar[type[Settings]] = S4GanSettings
    extra_networks: ClassVar[tuple[str, ...]] = ("discriminator",)
    uses_unlabeled: ClassVar[bool] = True
    settings: S4GanSettings

    @classmethod
    def build_networks(cls, plan: NetworkPlan) -> dict[str, nn.Module]:
        """The discriminator, which undoes the normalization of the segmenter's images."""
        dims = plan.spatial_dims
        return {"discriminator": ImageDiscriminator(plan.num_classes, plan.mean, plan.std, dims)}

    def step(self, batch: Batch, progress: float = 0.0) -> StepResult:
        """Update of the segmenter, then of the discriminator."""
        result = StepResult({})
        fakes: list[torch.Tensor] = []
        with frozen(self.networks["discriminator"]):
            self.update("segmenter", self._segmenter_terms(batch, result, fakes))
        if fakes:
            terms = self._discriminator_terms(batch, fakes[0], result.signals)
            result.losses["discrimination"] = self.update("discriminator", terms)
        return result

    def warning(self, signals: Mapping[str, float], progress: float) -> str | None:
        """That no unlabelled image teaches anything."""
        if progress < _SETTLED or signals.get("selected_share", math.nan) != 0:
            return None
        return (
            "The discriminator takes no segmentation of an unlabelled image for real, so nothing "
            "is learned by self-training; a lower `threshold` in `method_settings` or a lower "
            "learning rate of the discriminator may let some through."
        )

    def _judge(
        self, images: torch.Tensor, class_map: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of "real" `(B,)` and features `(B, F)`."""
        with self.precision(images.device):
            score, features = self.networks["discriminator"](corrector_input(images, class_map))
        if self.autocast is None:
            return score, features
        return score.float(), features.float()

    def _segmenter_terms(
        self, batch: Batch, result: StepResult, fakes: list[torch.Tensor]
    ) -> Iterator[torch.Tensor]:
        settings = self.settings
        logits = self.forward(self.segmenter, batch.images)
        segmentation = cross_entropy(logits, batch.labels)
        result.losses["segmentation"] = segmentation.detach()
        yield segmentation
        if batch.unlabeled_images is None:
            return
        logits = self.forward(self.segmenter, batch.unlabeled_images)
        valid = unlabeled_valid(batch)
        probabilities = logits.softmax(dim=1) * valid.unsqueeze(1)
        fakes.append(probabilities.detach())
        reference = self._reference_features(batch)
        score, features = self._judge(batch.unlabeled_images, probabilities)
        matching = _matching(*reference, features, any_valid(valid))
        selected = score.detach().sigmoid() > settings.threshold
        result.signals["selected_share"] = share(selected, any_valid(valid))
        taught = valid & selected.view(-1, *[1] * (valid.ndim - 1))
        labels = logits.detach().argmax(dim=1).masked_fill(~taught, IGNORE_INDEX)
        self_training = cross_entropy(logits, labels)
        result.losses["matching"] = matching.detach()
        result.losses["self_training"] = self_training.detach()
        yield settings.matching_weight * matching + settings.self_training_weight * self_training

    @torch.no_grad()
    def _reference_features(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Features of the labelled images under their references, and which of them count."""
        _, features = self._judge(batch.images, one_hot(batch.labels, self.num_classes))
        return features, any_valid(batch.labels != IGNORE_INDEX)

    def _discriminator_terms(
        self, batch: Batch, fake: torch.Tensor, signals: dict[str, torch.Tensor]
    ) -> Iterator[torch.Tensor]:
        assert batch.unlabeled_images is not None
        score, _ = self._judge(batch.unlabeled_images, fake)
        counts = any_valid(unlabeled_valid(batch))
        signals["fooled_share"] = share(score.detach() >= 0, counts)
        yield binary_cross_entropy(score, 0.0, counts) / 2
        score, _ = self._judge(batch.images, one_hot(batch.labels, self.num_classes))
        counts = any_valid(batch.labels != IGNORE_INDEX)
        signals["recognized_share"] = share(score.detach() >= 0, counts)
        yield binary_cross_entropy(score, 1.0, counts) / 2


def any_valid(valid: torch.Tensor) -> torch.Tensor:
    """Pictures with a valid pixel: `(B,)` of `(B, *spatial)`, bool."""
    return valid.flatten(1).any(dim=1)


def _matching(
    real: torch.Tensor, real_counts: torch.Tensor, fake: torch.Tensor, fake_counts: torch.Tensor
) -> torch.Tensor:
    """Mean absolute difference of the mean features `(B, F)`; 0 where either has no picture."""
    both = mean_over_processes(real_counts.sum()) * mean_over_processes(fake_counts.sum()) > 0
    difference = batch_mean(real, real_counts) - batch_mean(fake, fake_counts)
    return difference.abs().mean() * both
