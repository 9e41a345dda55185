"""ECS+ (prototype)."""

import math
from collections.abc import Iterator
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from ecs_med.config import OptimizerSettings, Settings
from ecs_med.distributed import mean, share
from ecs_med.losses import cross_entropy, dice_loss, weighted_cross_entropy
from ecs_med.methods.base import NetworkPlan, StepResult, strong_view, unlabeled_valid
from ecs_med.methods.optimizers import SHORT_RUN
from ecs_med.methods.teaching import TeachingMethod, TeachingSettings
from ecs_med.methods.bcp import _alternating
from ecs_med.networks import one_hot
from ecs_med.networks.halves import decode, encode
from ecs_med.networks.mask_corrector import MaskCorrector
from ecs_med.types import IGNORE_INDEX, Batch
from ecs_med.views.draws import chance
from ecs_med.views.masks import corrupt_masks
from ecs_med.views.mixing import boxes, paste

__all__ = ["EcsPlus", "EcsPlusSettings"]


class EcsPlusSettings(TeachingSettings):
    """Numbers."""

    corrupted: float = Field(0.5, ge=0, le=1)
    gamma: float = Field(2.0, ge=0)
    trust: float = Field(1.0, ge=0)
    unlabeled_weight: float = Field(1.0, ge=0)
    mixing: Literal["strong", "paste"] = "strong"
    box: float = Field(2 / 3, gt=0, lt=1)
    dice: bool = False
    uses_corrector: bool = True
    ramp: float = 0.0
    apart: bool = False


class EcsPlus(TeachingMethod):
    """ECS+."""

    name: ClassVar[str] = "ecs-plus"
    title: ClassVar[str] = "ECS+"
    short_name: ClassVar[str] = "ECS+"
    source: ClassVar[str] = "this package"
    settings_class: ClassVar[type[Settings]] = EcsPlusSettings
    extra_networks: ClassVar[tuple[str, ...]] = ("teacher", "corrector")
    corrector_kind: ClassVar[str] = "mask"
    strong_views: ClassVar[int] = 1
    settings: EcsPlusSettings

    @classmethod
    def default_optimizers(cls, iterations: int) -> dict[str, OptimizerSettings]:
        lr = 1e-3 if iterations < SHORT_RUN else 1e-4
        corrector = OptimizerSettings(name="adam", lr=lr)
        return {**super().default_optimizers(iterations), "corrector": corrector}

    @classmethod
    def build_networks(cls, plan: NetworkPlan) -> dict[str, nn.Module]:
        networks = super().build_networks(plan)
        corrector = plan.build_corrector(cls.corrector_kind)
        corrector.stand_on(networks["teacher"].get_submodule("network"))
        return {**networks, "corrector": corrector}

    def step(self, batch: Batch, progress: float = 0.0) -> StepResult:
        result = StepResult({})
        r = self.settings.ramp
        self._ramp = math.exp(-5 * (1 - min(1.0, progress / r)) ** 2) if r else 1.0
        if batch.unlabeled_images is None:
            loss = cross_entropy(self.forward(self.segmenter, batch.images), batch.labels)
            result.losses["segmentation"] = self.update("segmenter", [loss])
            self.teacher.follow(self.segmenter)
            return result
        labels, weights = self._correct(batch, result)
        terms = self._terms(batch, result, labels, weights)
        if self.settings.apart:
            for term in terms:
                self.update("segmenter", [term])
        else:
            self.update("segmenter", terms)
        self.teacher.follow(self.segmenter)
        return result

    def _correct(self, batch: Batch, result: StepResult) -> tuple[torch.Tensor, torch.Tensor]:
        corrector = self.networks["corrector"]
        assert isinstance(corrector, MaskCorrector)
        count = len(batch.images)
        with torch.no_grad(), self.precision(batch.images.device):
            images = batch.unlabeled_images
            if self.settings.uses_corrector:
                images = torch.cat([batch.images, images])
            network = self.teacher.network
            features = encode(network, images)
            probabilities = decode(network, features).float().softmax(dim=1)
        if not self.settings.uses_corrector:
            w, labels = probabilities.max(dim=1)
            return labels, w**self.settings.gamma
        known, unknown = [f[:count] for f in features], [f[count:] for f in features]
        self.update("corrector", self._corrector_terms(batch, known, probabilities[:count], result))
        p = probabilities[count:]
        found = p.argmax(dim=1)
        corrector.eval()
        with torch.no_grad(), self.precision(batch.images.device):
            q = corrector.classify(unknown, one_hot(found, self.num_classes)).float().softmax(dim=1)
        corrector.train()
        valid = unlabeled_valid(batch)
        right = q.gather(1, found[:, None])[:, 0]
        result.signals["unlabeled_right_share"] = share(q.argmax(dim=1) == found, valid)
        result.signals["mean_certainty"] = mean(right, valid)
        mixed = q * p**self.settings.trust
        mixed = mixed / mixed.sum(dim=1, keepdim=True)
        w, labels = mixed.max(dim=1)
        return labels, w**self.settings.gamma

    def _corrector_terms(self, batch, features, probabilities, result) -> Iterator[torch.Tensor]:
        found = probabilities.argmax(dim=1)
        reference = torch.where(batch.labels == IGNORE_INDEX, found, batch.labels)
        corrupted = corrupt_masks(reference, self.num_classes)
        chosen = chance(batch.images, self.settings.corrupted).view(-1, 1, 1)
        mask = torch.where(chosen, corrupted, found)
        with self.precision(batch.images.device):
            logits = self.networks["corrector"].classify(features, one_hot(mask, self.num_classes)).float()
        loss = cross_entropy(logits, batch.labels)
        result.losses["correction"] = loss.detach()
        wrong = (mask != batch.labels) & (batch.labels != IGNORE_INDEX)
        result.signals["correction_accuracy"] = share(logits.detach().argmax(dim=1) == batch.labels, wrong)
        yield loss

    def _terms(self, batch, result, labels, weights) -> Iterator[torch.Tensor]:
        valid = unlabeled_valid(batch)
        if self.settings.mixing == "strong":
            loss = cross_entropy(self.forward(self.segmenter, batch.images), batch.labels)
            result.losses["segmentation"] = loss.detach()
            yield loss
            view = strong_view(batch)
            loss = weighted_cross_entropy(
                self.forward(self.segmenter, view.images),
                view.bring(labels), view.bring(weights), view.bring(valid))
            result.losses["unlabeled"] = loss.detach()
            yield self._ramp * self.settings.unlabeled_weight * loss
            return
        inside = boxes(batch.images, batch.images.new_full((2,), self.settings.box))
        is_labeled = inside == _alternating(batch.images)
        others = strong_view(batch).images if False else batch.unlabeled_images
        images = paste(others, batch.images, is_labeled, channels=True)
        mixed = paste(labels.masked_fill(~valid, IGNORE_INDEX), batch.labels, is_labeled)
        w = torch.where(is_labeled, torch.ones_like(weights), self._ramp * self.settings.unlabeled_weight * weights)
        logits = self.forward(self.segmenter, images)
        void = torch.full_like(mixed, IGNORE_INDEX)
        a = cross_entropy(logits, torch.where(is_labeled, mixed, void))
        b = weighted_cross_entropy(logits, mixed, weights, ~is_labeled)
        result.losses["segmentation"] = a.detach()
        result.losses["unlabeled"] = b.detach()
        total = a + self._ramp * self.settings.unlabeled_weight * b
        if self.settings.dice:
            pr = logits.softmax(dim=1)
            total = (total + dice_loss(pr, mixed, is_labeled) + self._ramp * self.settings.unlabeled_weight * dice_loss(pr, mixed, ~is_labeled)) / 2
        yield total
