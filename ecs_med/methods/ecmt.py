"""Error-Correcting Mean-Teacher (Mendel et al. 2023): ECS in one network, corrected by its average.

Segmenter S and correction decoder D stand on one encoder E. S', E' and D' are the moving averages,
A is a strong view. One iteration, p being softmax S(x) and p_u softmax S(x_u), without gradient:

    segmentation   H(S(x), y)
    correction     H_a(D(E(x), p), y_cor)                   y_cor: ECS, eq. 1
    labels         q = softmax D'(E'(x_u), p_u)
                   y_u = argmax q, argmax p_u where q says "right"              ECS, eq. 4
    pseudo         mean max(q)^gamma H(S(A(x_u)), A(y_u))              ECS, eqs. 5 and 6
    averages       S', E', D' <- d S', E', D' + (1 - d) S, E, D

S, E and D move together on the sum of the three losses, so that the encoder learns to correct as
well as to segment. The averages predict and judge in the end.

The publication's abstract says: both tasks on one encoder, with a decoder each, trained jointly on
labelled images; features of image and segmentation are fused for the correction; the average
corrects what the student predicts. The rest is decided here, where neither its full text nor its
code was at hand, so that published scores are not to be expected to the digit:

- How features are fused: `ecs_med.networks.correctors.DecoderCorrector`.
- D learns on the segmentation of the moment alone; the reference, of which ECS also lets it say
  "right" everywhere, is not shown to it.
- The student's prediction p_u is made in evaluation mode on the image as it is, and what follows
  from it is learned on a strong view. Certainty weighs pixels as in ECS, over the number of all
  that are no padding; there is no ramp, as a correction that is not sure weighs little.
- D has the segmenter's optimiser, as they are one network; running statistics are averaged as
  weights are. Batch normalization sees (S and D: x; S: A(x_u)), in this order, and p_u is made in
  between.

Pseudo-labels in history and report are those that the averages make of their own segmentation.

Cost: 8 units, and of the decoder D two passes forward and one back (measured with EfficientNet-
Lite0 at 96 px on a CPU: 8.8 together, ECS 14.8).
"""

from collections.abc import Iterator
from typing import ClassVar

import torch
from pydantic import Field
from torch import nn

from ecs_med.config import OptimizerSettings, Settings
from ecs_med.distributed import mean, share
from ecs_med.losses import (
    certainty,
    correction_map,
    corrector_loss,
    cross_entropy,
    pseudo_labels,
    weighted_cross_entropy,
)
from ecs_med.methods.base import StepResult, strong_view, unlabeled_valid
from ecs_med.methods.correcting import signals_on_labeled
from ecs_med.methods.network_plan import NetworkPlan
from ecs_med.methods.teaching import TeachingMethod, TeachingSettings
from ecs_med.networks import corrector_input
from ecs_med.networks.correctors import FeatureCorrector
from ecs_med.networks.halves import decode, encode
from ecs_med.networks.modes import evaluating
from ecs_med.networks.teacher import MeanTeacher
from ecs_med.types import Batch

__all__ = ["Ecmt", "EcmtSettings"]


class EcmtSettings(TeachingSettings):
    """The numbers of Error-Correcting Mean-Teacher."""

    class_weight: float = Field(2.0, gt=0)
    """Alpha of the N real classes in the loss of the correction; the class "right" has 1."""
    correction_weight: float = Field(1.0, ge=0)
    """Of the loss of the correction."""
    unlabeled_weight: float = Field(1.0, ge=0)
    """Of the loss on unlabelled images."""
    gamma: float = Field(2.0, ge=0)
    """Power of the correction's certainty that weighs an unlabelled pixel; 0: all weigh alike."""


class Ecmt(TeachingMethod):
    """One network that segments and corrects; its average corrects the student's predictions."""

    name: ClassVar[str] = "ecmt"
    title: ClassVar[str] = "Error-Correcting Mean-Teacher (ECMT)"
    short_name: ClassVar[str] = "ECMT"
    source: ClassVar[str] = "Mendel et al. 2023"
    settings_class: ClassVar[type[Settings]] = EcmtSettings
    extra_networks: ClassVar[tuple[str, ...]] = ("corrector", "teacher", "corrector_teacher")
    frozen_networks: ClassVar[tuple[str, ...]] = ("teacher", "corrector_teacher")
    corrector_kind: ClassVar[str] = "decoder"
    strong_views: ClassVar[int] = 1
    spatial_dims: ClassVar[tuple[int, ...]] = (2,)
    settings: EcmtSettings

    @classmethod
    def default_optimizers(cls, iterations: int) -> dict[str, OptimizerSettings]:
        """The segmenter's for both."""
        segmenter = super().default_optimizers(iterations)["segmenter"]
        return {"segmenter": segmenter, "corrector": segmenter}

    @classmethod
    def build_networks(cls, plan: NetworkPlan) -> dict[str, nn.Module]:
        """The correction decoder on the segmenter, and its average on that of the segmenter."""
        assert isinstance(plan.settings, EcmtSettings)
        corrector = plan.build_corrector(cls.corrector_kind)
        networks = {"corrector": corrector, **super().build_networks(plan)}
        average = MeanTeacher(corrector, plan.settings.ema)
        _as_features(average.network).stand_on(networks["teacher"].get_submodule("network"))
        return {**networks, "corrector_teacher": average}

    @property
    def corrector_teacher(self) -> MeanTeacher:
        """The correction decoder's moving average."""
        teacher = self.networks["corrector_teacher"]
        assert isinstance(teacher, MeanTeacher)
        return teacher

    def corrector(self) -> nn.Module:
        """The average of the correction decoder, on that of the segmenter."""
        return self.corrector_teacher.network

    def step(self, batch: Batch, progress: float = 0.0) -> StepResult:
        """One update of segmenter and decoder, and the averages follow."""
        result = StepResult({})
        self.update_together(("segmenter", "corrector"), self._terms(batch, result))
        self.teacher.follow(self.segmenter)
        self.corrector_teacher.follow(self.networks["corrector"])
        return result

    def _terms(self, batch: Batch, result: StepResult) -> Iterator[torch.Tensor]:
        logits, judged = self._segment_and_judge(batch.images)
        target = correction_map(logits, batch.labels, self.num_classes)
        segmentation = cross_entropy(logits, batch.labels)
        correction = corrector_loss(judged, target, class_weight=self.settings.class_weight)
        result.losses["segmentation"] = segmentation.detach()
        result.losses["correction"] = correction.detach()
        result.signals.update(signals_on_labeled(judged.detach(), target, self.num_classes))
        yield segmentation + self.settings.correction_weight * correction
        if batch.unlabeled_images is None:
            return
        valid, view = unlabeled_valid(batch), strong_view(batch)
        labels, judged = self._correct(batch.unlabeled_images)
        is_right = judged.argmax(dim=1) == self.num_classes
        result.signals["unlabeled_right_share"] = share(is_right, valid)
        result.signals["mean_certainty"] = mean(certainty(judged), valid)
        pseudo = weighted_cross_entropy(
            self.forward(self.segmenter, view.images),
            view.bring(labels),
            view.bring(certainty(judged) ** self.settings.gamma),
            view.bring(valid),
        )
        result.losses["pseudo"] = pseudo.detach()
        yield self.settings.unlabeled_weight * pseudo

    def _segment_and_judge(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of both decoders on one pass of the encoder, `(B, N, ...)` and `(B, N+1, ...)`."""
        decoder = _as_features(self.networks["corrector"])
        with self.precision(images.device):
            features = encode(self.segmenter, images)
            logits = decode(self.segmenter, features)
            judged = decoder.judge(features, logits.detach().float().softmax(dim=1))
        return (logits, judged) if self.autocast is None else (logits.float(), judged.float())

    @torch.no_grad()
    def _correct(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Corrected labels of the student's segmentation, and what the average says of it."""
        with evaluating(self.segmenter):
            probabilities = self.forward(self.segmenter, images).softmax(dim=1)
        inputs = corrector_input(images, probabilities)
        judged = self.forward(self.corrector_teacher, inputs).softmax(dim=1)
        return pseudo_labels(probabilities, judged, self.num_classes), judged


def _as_features(network: nn.Module) -> FeatureCorrector:
    assert isinstance(network, FeatureCorrector)
    return network
