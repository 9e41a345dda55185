"""UniMatch V2: a mean teacher, and two strong views with complementary features (Yang et al. 2025).

One iteration, S = decode(encode(.)), T the moving average of S, A and B strong views, M a mask of
channels with elements 0 and 2:

    labels      y_u = argmax T(x_u), where max softmax T(x_u) >= threshold
    segmenter   (H(S(x), y) + (L(decode(M encode(A(x_u))), A(y_u))
                               + L(decode((2 - M) encode(B(x_u))), B(y_u))) / 2) / 2
    teacher     T <- d T + (1 - d) S

L is cross-entropy on the pixels that are sure, over the number of all that are no padding.

What the publication leaves open, and how it is here:

- M is drawn for each image and each feature map. An image keeps all its channels in both views
  with probability `untouched`: M is 1.
- Without unlabelled images the loss is that of supervised training, not half of it.
- Batch normalization sees (S: x, A(x_u), B(x_u)), in this order and each alone; the teacher is in
  evaluation mode.

Cost: 10 units.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar

import torch
from pydantic import Field

from ecs_med.config import Settings
from ecs_med.distributed import share
from ecs_med.losses import cross_entropy
from ecs_med.methods.base import StepResult, strong_view, unlabeled_valid
from ecs_med.methods.halving import HalvingMethod
from ecs_med.methods.teaching import TeachingMethod, TeachingSettings
from ecs_med.methods.unimatch import PseudoLabels, hardly_sure
from ecs_med.types import Batch
from ecs_med.views.features import complementary_masks, scale_channels

__all__ = ["UniMatchV2", "UniMatchV2Settings"]


class UniMatchV2Settings(TeachingSettings):
    """The numbers of UniMatch V2 (Yang et al. 2025)."""

    ema: float = Field(0.996, ge=0, lt=1)
    """Decay of the teacher's moving average; the first updates average faster."""
    threshold: float = Field(0.95, ge=0, le=1)
    """Pixels of which the teacher is less sure are not learned from; 0 where objects are small."""
    unlabeled_weight: float = Field(1.0, ge=0)
    """Of the mean of the two strong views."""
    untouched: float = Field(0.5, ge=0, le=1)
    """Share of the images whose features are left as they are; 1: no dropout."""


class UniMatchV2(HalvingMethod, TeachingMethod):
    """Two strong views, each with the channels that the other one lacks, learn from a teacher."""

    name: ClassVar[str] = "unimatch-v2"
    title: ClassVar[str] = "UniMatch V2"
    short_name: ClassVar[str] = "UniMatch V2"
    source: ClassVar[str] = "Yang et al. 2025"
    settings_class: ClassVar[type[Settings]] = UniMatchV2Settings
    strong_views: ClassVar[int] = 2
    settings: UniMatchV2Settings

    def step(self, batch: Batch, progress: float = 0.0) -> StepResult:
        """One update of the segmenter, and the teacher follows."""
        result = StepResult({})
        self.update("segmenter", self._terms(batch, result))
        self.teacher.follow(self.segmenter)
        return result

    def warning(self, signals: Mapping[str, float], progress: float) -> str | None:
        """Late in a run hardly anything is learned from."""
        return hardly_sure("teacher", signals, progress)

    def _terms(self, batch: Batch, result: StepResult) -> Iterator[torch.Tensor]:
        segmentation = cross_entropy(self.forward(self.segmenter, batch.images), batch.labels)
        result.losses["segmentation"] = segmentation.detach()
        if batch.unlabeled_images is None:
            yield segmentation
            return
        yield segmentation / 2
        probabilities = self.teach(batch.unlabeled_images)
        targets = PseudoLabels.of(probabilities, unlabeled_valid(batch), self.settings.threshold)
        result.signals["sure_share"] = share(targets.is_sure, targets.valid)
        view = strong_view(batch, 0)
        features = self.encode(view.images)
        own, other = complementary_masks(features, self.settings.untouched)
        loss = targets.loss(self.decode(scale_channels(features, own)), view.bring)
        result.losses["first_view"] = loss.detach()
        yield self.settings.unlabeled_weight / 4 * loss
        view = strong_view(batch, 1)
        features = self.encode(view.images)
        loss = targets.loss(self.decode(scale_channels(features, other)), view.bring)
        result.losses["second_view"] = loss.detach()
        yield self.settings.unlabeled_weight / 4 * loss
