"""AdvSemiSeg, adversarial learning for semi-supervised segmentation (Hung et al. 2018).

One iteration, S the segmenter and D a discriminator of class maps that scores every pixel:

    segmenter       H(S(x), y) + a BCE(D(S(x)), 1)
                      + b BCE(D(S(x_u)), 1)
                      + c H(S(x_u), argmax S(x_u)) where sigmoid D(S(x_u)) >= threshold
    discriminator   (BCE(D(S(x), S(x_u)), 0) + BCE(D(onehot y), 1)) / 2

D judges the segmentations as they were before S moved, so every image goes through S once. All
means are over valid pixels: void and padding count nowhere, and the self-training loss is a mean
over the pixels that are selected. Batch normalization sees (S: x, x_u); a DeepLabv3+ in the place
of D sees (S(x), S(x_u), the same again, onehot y), in this order.
"""

import math
from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from ecs_med.config import Settings
from ecs_med.distributed import share
from ecs_med.losses import binary_cross_entropy, cross_entropy
from ecs_med.methods.base import Method, StepResult, unlabeled_valid
from ecs_med.methods.network_plan import NetworkPlan
from ecs_med.networks import one_hot
from ecs_med.networks.deeplab import deeplabv3plus
from ecs_med.networks.discriminators import ConvolutionalDiscriminator
from ecs_med.networks.modes import frozen
from ecs_med.types import IGNORE_INDEX, Batch

__all__ = ["AdvSemiSeg", "AdvSemiSegSettings"]

_OVERPOWERED = 0.01
"""Below this share of selected pixels most unlabelled data is ignored (Mendel et al. 2020, 4.7)."""

Fake = tuple[torch.Tensor, torch.Tensor]
"""Probabilities of a segmentation, detached, and where they count."""


class AdvSemiSegSettings(Settings):
    """The numbers of AdvSemiSeg (Hung et al. 2018, as its authors' code sets them)."""

    discriminator: Literal["convolutional", "deeplabv3plus"] = "convolutional"
    """Five strided convolutions (Hung et al.), or DeepLabv3+ (Mendel et al. 2020, section 4.7)."""
    adversarial_weight: float = Field(0.01, ge=0)
    """Weight of the adversarial loss on labelled images."""
    adversarial_weight_unlabeled: float = Field(0.001, ge=0)
    """Weight of the adversarial loss on unlabelled images."""
    semi_weight: float = Field(0.1, ge=0)
    """Weight of the self-training loss on pixels that the discriminator takes for real."""
    threshold: float = Field(0.2, ge=0, le=1)
    """Lowest probability "real" at which a pixel is selected for self-training."""
    semi_start: float = Field(0.25, ge=0, le=1)
    """Share of the run after which self-training begins: 5,000 of 20,000 iterations."""


class AdvSemiSeg(Method):
    """Segmenter against a pixel-wise discriminator, which also selects what to self-train on."""

    name: ClassVar[str] = "advsemiseg"
    title: ClassVar[str] = "AdvSemiSeg"
    short_name: ClassVar[str] = "AdvSemiSeg"
    source: ClassVar[str] = "Hung et al. 2018"
    unlabeled_pixels = "ignored"
    settings_class: ClassVar[type[Settings]] = AdvSemiSegSettings
    extra_networks: ClassVar[tuple[str, ...]] = ("discriminator",)
    own_settings: ClassVar[tuple[str, ...]] = ("corrector_encoder", "corrector_output_stride")
    uses_unlabeled: ClassVar[bool] = True
    spatial_dims: ClassVar[tuple[int, ...]] = (2,)
    settings: AdvSemiSegSettings

    @classmethod
    def build_networks(cls, plan: NetworkPlan) -> dict[str, nn.Module]:
        """The discriminator: that of the authors, or DeepLabv3+ on class maps (section 4.7)."""
        assert isinstance(plan.settings, AdvSemiSegSettings)
        if plan.settings.discriminator == "convolutional":
            return {"discriminator": ConvolutionalDiscriminator(plan.num_classes)}
        return {
            "discriminator": deeplabv3plus(
                plan.corrector,
                in_channels=0,
                extra=plan.num_classes,
                num_outputs=1,
                output_stride=plan.corrector_output_stride,
            )
        }

    def step(self, batch: Batch, progress: float = 0.0) -> StepResult:
        """Update of the segmenter, then of the discriminator."""
        result = StepResult({})
        fakes: list[Fake] = []
        with frozen(self.networks["discriminator"]):
            self.update("segmenter", self._segmenter_terms(batch, progress, result, fakes))
        terms = self._discriminator_terms(batch, result.signals, fakes)
        result.losses["discrimination"] = self.update("discriminator", terms)
        return result

    def warning(self, signals: Mapping[str, float], progress: float) -> str | None:
        """That the discriminator has won, so that unlabelled images teach nothing."""
        if not signals.get("selected_share", math.nan) < _OVERPOWERED:
            return None
        return (
            "The discriminator takes less than 1 % of the unlabelled pixels for real, so most of "
            "the unlabelled data is ignored: it overpowers the segmenter; a lower learning rate of "
            "the discriminator or a lower `threshold` in `method_settings` may bring them back."
        )

    def _judge(self, class_map: torch.Tensor) -> torch.Tensor:
        return self.forward(self.networks["discriminator"], class_map)[:, 0]

    def _segmenter_terms(
        self, batch: Batch, progress: float, result: StepResult, fakes: list[Fake]
    ) -> Iterator[torch.Tensor]:
        settings = self.settings
        valid = batch.labels != IGNORE_INDEX
        logits = self.forward(self.segmenter, batch.images)
        scores = self._score(logits, valid, fakes)
        segmentation = cross_entropy(logits, batch.labels)
        adversarial = binary_cross_entropy(scores, 1.0, valid)
        result.losses["segmentation"] = segmentation.detach()
        result.losses["adversarial"] = adversarial.detach()
        yield segmentation + settings.adversarial_weight * adversarial
        if batch.unlabeled_images is None:
            return
        valid = unlabeled_valid(batch)
        logits = self.forward(self.segmenter, batch.unlabeled_images)
        scores = self._score(logits, valid, fakes)
        adversarial = binary_cross_entropy(scores, 1.0, valid)
        result.losses["adversarial_unlabeled"] = adversarial.detach()
        selected = valid & (scores.detach().sigmoid() >= settings.threshold)
        loss, result.signals["selected_share"] = logits.new_zeros(()), logits.new_tensor(math.nan)
        if progress >= settings.semi_start:
            # Its own labels where selected, void elsewhere.
            own = logits.detach().argmax(dim=1).masked_fill(~selected, IGNORE_INDEX)
            loss = cross_entropy(logits, own)
            result.signals["selected_share"] = share(selected, valid)
        result.losses["self_training"] = loss.detach()
        yield settings.adversarial_weight_unlabeled * adversarial + settings.semi_weight * loss

    def _score(self, logits: torch.Tensor, valid: torch.Tensor, fakes: list[Fake]) -> torch.Tensor:
        """D's logits of a segmentation, which is kept as a fake for D's own step."""
        probabilities = logits.softmax(dim=1)
        fakes.append((probabilities.detach(), valid))
        return self._judge(probabilities)

    def _discriminator_terms(
        self, batch: Batch, signals: dict[str, torch.Tensor], fakes: list[Fake]
    ) -> Iterator[torch.Tensor]:
        valid = torch.cat([valid for _, valid in fakes])
        # One after the other: dropout over several processes draws for one part of the batch.
        scores = torch.cat([self._judge(class_map) for class_map, _ in fakes])
        signals["fooled_share"] = share(scores.detach() >= 0, valid)
        yield binary_cross_entropy(scores, 0.0, valid) / 2
        valid = batch.labels != IGNORE_INDEX
        scores = self._judge(one_hot(batch.labels, self.num_classes).to(fakes[0][0]))
        signals["recognized_share"] = share(scores.detach() >= 0, valid)
        yield binary_cross_entropy(scores, 1.0, valid) / 2
