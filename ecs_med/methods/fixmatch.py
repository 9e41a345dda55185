"""FixMatch with a mean teacher, for segmentation.

One iteration, T being the moving average of S, A a strong view:

    labels      y_u = argmax T(x_u), where max softmax T(x_u) >= threshold
    segmenter   H(S(x), y) + w mean[is sure] H(S(A(x_u)), A(y_u))
    teacher     T <- d T + (1 - d) S

The mean of the unlabelled loss is over all pixels that are no padding, so that few sure pixels
weigh little. Batch normalization sees (S: x, A(x_u)), in this order.
"""

from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field

from ecs_med.config import Settings
from ecs_med.distributed import share
from ecs_med.losses import cross_entropy, weighted_cross_entropy
from ecs_med.methods.base import StepResult, strong_view, unlabeled_valid
from ecs_med.methods.teaching import TeachingMethod, TeachingSettings
from ecs_med.types import Batch

__all__ = ["FixMatch", "FixMatchSettings"]


class FixMatchSettings(TeachingSettings):
    """The numbers of FixMatch."""

    threshold: float = Field(0.95, ge=0, le=1)
    """Pixels of which the teacher is less sure are not learned from."""
    unlabeled_weight: float = Field(1.0, ge=0)
    """Of the loss on unlabelled images."""


class FixMatch(TeachingMethod):
    """Labels of the teacher on an image as it is are learned on a strong view of it."""

    name: ClassVar[str] = "fixmatch"
    title: ClassVar[str] = "FixMatch with a mean teacher"
    short_name: ClassVar[str] = "FixMatch"
    source: ClassVar[str] = "Sohn et al. 2020; for segmentation as in Yang et al. 2023"
    settings_class: ClassVar[type[Settings]] = FixMatchSettings
    strong_views: ClassVar[int] = 1
    settings: FixMatchSettings

    def step(self, batch: Batch, progress: float = 0.0) -> StepResult:
        """One update of the segmenter, and the teacher follows."""
        losses: dict[str, torch.Tensor] = {}
        signals: dict[str, torch.Tensor] = {}
        loss = cross_entropy(self.forward(self.segmenter, batch.images), batch.labels)
        losses["segmentation"] = loss.detach()
        terms = [loss]
        if batch.unlabeled_images is not None:
            valid = unlabeled_valid(batch)
            confidence, labels = self.teach(batch.unlabeled_images).max(dim=1)
            is_sure = confidence >= self.settings.threshold
            signals["sure_share"] = share(is_sure, valid)
            view = strong_view(batch)
            unlabeled = weighted_cross_entropy(
                self.forward(self.segmenter, view.images),
                view.bring(labels),
                view.bring(is_sure),
                view.bring(valid),
            )
            losses["unlabeled"] = unlabeled.detach()
            terms.append(self.settings.unlabeled_weight * unlabeled)
        self.update("segmenter", terms)
        self.teacher.follow(self.segmenter)
        return StepResult(losses, signals)

    def warning(self, signals: Mapping[str, float], progress: float) -> str | None:
        """Late in a run hardly anything is learned from."""
        if progress > 0.5 and signals.get("sure_share", 1.0) < 0.05:
            return (
                "The teacher is sure of less than 5 % of the unlabelled pixels, so hardly anything "
                "is learned from them; lower the `threshold` of the method."
            )
        return None
