"""UniMatch: two strong views and one perturbation of features (Yang et al. 2023).

One iteration, S = decode(encode(.)), A and B strong views, D channel dropout of the features:

    labels      y_u = argmax S(x_u), where max softmax S(x_u) >= threshold
    segmenter   (H(S(x), y) + a L(S(A(x_u)), A(y_u)) + a L(S(B(x_u)), B(y_u))
                            + b L(decode(D(encode(x_u))), y_u)) / 2

L is cross-entropy on the pixels that are sure, over the number of all that are no padding. The
segmenter is its own teacher: labels come from the pass whose features are perturbed, in training
mode, as published, and have no gradient.

What the publication leaves open, and how it is here:

- Boxes of CutMix come from other images of the batch, so that all labels are of that one pass. The
  published code draws a second batch for them, which costs one more forward pass.
- Every feature map that the encoder gives is perturbed, so that any architecture will do; in
  DeepLabv3+ these are the two that its decoder reads.
- Without unlabelled images the loss is that of supervised training, not half of it.
- Batch normalization sees (S: x; x_u, in the decoder a second time, perturbed; A(x_u); B(x_u)), in
  this order and each alone.

Cost: 12 units, and two passes of the decoder.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from pydantic import Field

from ecs_med.config import Settings
from ecs_med.distributed import share
from ecs_med.losses import cross_entropy, weighted_cross_entropy
from ecs_med.methods.base import StepResult, strong_view, unlabeled_valid
from ecs_med.methods.halving import HalvingMethod
from ecs_med.types import Batch
from ecs_med.views.features import channel_masks, scale_channels

__all__ = ["PseudoLabels", "UniMatch", "UniMatchSettings", "hardly_sure"]


class UniMatchSettings(Settings):
    """The numbers of UniMatch (Yang et al. 2023)."""

    threshold: float = Field(0.95, ge=0, le=1)
    """Pixels of which the segmenter is less sure are not learned from; 0 where objects are small.
    """
    view_weight: float = Field(0.25, ge=0)
    """Of each of the two strong views."""
    feature_weight: float = Field(0.5, ge=0)
    """Of the perturbed features."""
    channel_dropout: float = Field(0.5, ge=0, lt=1)
    """Share of the channels that is dropped."""


class UniMatch(HalvingMethod):
    """Two strong views, and the features of the weak one perturbed, learn the same labels."""

    name: ClassVar[str] = "unimatch"
    title: ClassVar[str] = "UniMatch"
    short_name: ClassVar[str] = "UniMatch"
    source: ClassVar[str] = "Yang et al. 2023"
    settings_class: ClassVar[type[Settings]] = UniMatchSettings
    uses_unlabeled: ClassVar[bool] = True
    strong_views: ClassVar[int] = 2
    settings: UniMatchSettings

    def step(self, batch: Batch, progress: float = 0.0) -> StepResult:
        """One update of the segmenter."""
        result = StepResult({})
        self.update("segmenter", self._terms(batch, result))
        return result

    def warning(self, signals: Mapping[str, float], progress: float) -> str | None:
        """Late in a run hardly anything is learned from."""
        return hardly_sure("segmenter", signals, progress)

    def _terms(self, batch: Batch, result: StepResult) -> Iterator[torch.Tensor]:
        settings, losses = self.settings, result.losses
        segmentation = cross_entropy(self.forward(self.segmenter, batch.images), batch.labels)
        losses["segmentation"] = segmentation.detach()
        if batch.unlabeled_images is None:
            yield segmentation
            return
        yield segmentation / 2
        features = self.encode(batch.unlabeled_images)
        with torch.no_grad():
            probabilities = self.decode(features).softmax(dim=1)
        targets = PseudoLabels.of(probabilities, unlabeled_valid(batch), settings.threshold)
        result.signals["sure_share"] = share(targets.is_sure, targets.valid)
        dropped = scale_channels(features, channel_masks(features, settings.channel_dropout))
        loss = targets.loss(self.decode(dropped))
        losses["features"] = loss.detach()
        yield settings.feature_weight / 2 * loss
        for number, name in enumerate(("first_view", "second_view")):
            view = strong_view(batch, number)
            loss = targets.loss(self.forward(self.segmenter, view.images), view.bring)
            losses[name] = loss.detach()
            yield settings.view_weight / 2 * loss


@dataclass(frozen=True, slots=True)
class PseudoLabels:
    """What a network says of unlabelled images, to be learned.

    Attributes:
        labels: `(M, *spatial)`, integers in 0..N-1.
        is_sure: `(M, *spatial)`, bool: pixels that are learned from.
        valid: `(M, *spatial)`, bool, `False` in padding.
    """

    labels: torch.Tensor
    is_sure: torch.Tensor
    valid: torch.Tensor

    @classmethod
    def of(cls, probabilities: torch.Tensor, valid: torch.Tensor, threshold: float) -> Self:
        """The most probable class, sure where its probability reaches the threshold.

        Args:
            probabilities: `(M, N, *spatial)`, without a gradient.
            valid: `(M, *spatial)`, bool.
            threshold: 0..1.
        """
        confidence, labels = probabilities.max(dim=1)
        return cls(labels, confidence >= threshold, valid)

    def loss(
        self,
        logits: torch.Tensor,
        bring: Callable[[torch.Tensor], torch.Tensor] = lambda values: values,
    ) -> torch.Tensor:
        """Cross-entropy on the sure pixels over the number of valid ones.

        Args:
            logits: `(M, N, *spatial)` of a view.
            bring: From maps of the images as they are to maps of the view.
        """
        labels, is_sure, valid = map(bring, (self.labels, self.is_sure, self.valid))
        return weighted_cross_entropy(logits, labels, is_sure, valid)


def hardly_sure(who: str, signals: Mapping[str, float], progress: float) -> str | None:
    """A sentence where, in the second half of a run, less than 5 % of the pixels are learned from.

    Args:
        who: Gives the labels.
        signals: With `sure_share`, if there were unlabelled images.
        progress: 0 to 1.
    """
    if progress > 0.5 and signals.get("sure_share", 1.0) < 0.05:
        return (
            f"The {who} is sure of less than 5 % of the unlabelled pixels, so hardly anything is "
            "learned from them; lower the `threshold` of the method."
        )
    return None
