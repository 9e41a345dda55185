"""Mean teacher, for segmentation: student and teacher shall say the same of an image.

One iteration, T being the moving average of S, A a strong view, t the share of the ramp-up that is
over:

    target      q = softmax T(x_u)
    segmenter   H(S(x), y) + w exp(-5 (1 - t)^2) mean |softmax S(A(x_u)) - A(q)|^2
    teacher     T <- d T + (1 - d) S

The square is that of the distance between two probability vectors, summed over the classes; the
mean is over all pixels that are no padding. In the publication each network has small random
changes of its own; in segmentation these change too little to learn from (French et al. 2020), so
that here the teacher sees the image as it is and the student a strong view, whose boxes of other
images the target follows. Batch normalization sees (S: x, A(x_u)), in this order.

Cost: 7 units, as `fixmatch`. Its targets are soft and have no threshold.
"""

import math
from collections.abc import Mapping
from typing import ClassVar

import torch
from pydantic import Field

from ecs_med.config import Settings
from ecs_med.distributed import share
from ecs_med.losses import cross_entropy, squared_distance
from ecs_med.methods.base import StepResult, strong_view, unlabeled_valid
from ecs_med.methods.teaching import TeachingMethod, TeachingSettings
from ecs_med.types import Batch

__all__ = ["MeanTeacherMethod", "MeanTeacherSettings", "ramp_up"]


class MeanTeacherSettings(TeachingSettings):
    """The numbers of the mean teacher."""

    weight: float = Field(1.0, ge=0)
    """Of the consistency on unlabelled images, after the ramp-up."""
    ramp_up: float = Field(0.25, ge=0, le=1)
    """Share of the run over which the weight rises from e^-5 of its value; 0: full from the start.
    """


class MeanTeacherMethod(TeachingMethod):
    """The student's probabilities on a strong view are drawn to those of its own average."""

    name: ClassVar[str] = "mean-teacher"
    title: ClassVar[str] = "Mean teacher"
    short_name: ClassVar[str] = "mean teacher"
    source: ClassVar[str] = "Tarvainen and Valpola 2017; strong views as in French et al. 2020"
    settings_class: ClassVar[type[Settings]] = MeanTeacherSettings
    strong_views: ClassVar[int] = 1
    settings: MeanTeacherSettings

    def step(self, batch: Batch, progress: float = 0.0) -> StepResult:
        """One update of the segmenter, and the teacher follows."""
        loss = cross_entropy(self.forward(self.segmenter, batch.images), batch.labels)
        losses, terms = {"segmentation": loss.detach()}, [loss]
        signals: dict[str, torch.Tensor] = {}
        if batch.unlabeled_images is not None:
            consistency, signals = self._consistency(batch, batch.unlabeled_images)
            losses["consistency"] = consistency.detach()
            weight = self.settings.weight * ramp_up(progress, self.settings.ramp_up)
            terms.append(weight * consistency)
        self.update("segmenter", terms)
        self.teacher.follow(self.segmenter)
        return StepResult(losses, signals)

    def _consistency(
        self, batch: Batch, images: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        view, targets = strong_view(batch), self.teach(images)
        # A view brings maps of one value a pixel: one class after the other.
        targets = torch.stack([view.bring(one) for one in targets.unbind(dim=1)], dim=1)
        valid = view.bring(unlabeled_valid(batch))
        found = self.forward(self.segmenter, view.images).softmax(dim=1)
        differs = found.detach().argmax(dim=1) != targets.argmax(dim=1)
        signals = {"disagreement_share": share(differs, valid)}
        return squared_distance(found, targets, valid), signals

    def warning(self, signals: Mapping[str, float], progress: float) -> str | None:
        """Early in a run student and teacher say the same already."""
        if 0.1 < progress <= 0.5 and signals.get("disagreement_share", 1.0) < 0.001:
            return (
                "Student and teacher name the same class for more than 99.9 % of the unlabelled "
                "pixels, so next to nothing is learned from them; stronger views "
                "(`augmentation.strong`) or a slower teacher (a higher `ema` of the method) leave "
                "them something to learn from each other."
            )
        return None


def ramp_up(progress: float, length: float) -> float:
    """Factor on a weight that rises over the first part of a run.

    Args:
        progress: Share of the run's iterations that are done, 0 to below 1.
        length: Share of the run after which the factor is 1; 0: from the start.

    Returns:
        `exp(-5 (1 - progress / length)^2)`, from 0.0067 to 1.

    Example:
        >>> ramp_up(0.5, 0.25), round(ramp_up(0.0, 0.25), 4)
        (1.0, 0.0067)

    Source:
        Laine and Aila 2017, "Temporal Ensembling", section 3; Tarvainen and Valpola 2017.
    """
    remaining = max(0.0, 1 - progress / length) if length else 0.0
    return math.exp(-5 * remaining**2)
