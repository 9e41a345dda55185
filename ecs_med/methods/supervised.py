"""The baseline: cross-entropy on the labelled images alone."""

from typing import ClassVar

from ecs_med.losses import cross_entropy
from ecs_med.methods.base import Method, StepResult
from ecs_med.types import Batch

__all__ = ["Supervised"]


class Supervised(Method):
    """Cross-entropy on labelled images; unlabelled images are not used."""

    name: ClassVar[str] = "supervised"
    title: ClassVar[str] = "supervised training (labelled images only)"
    short_name: ClassVar[str] = "supervised"

    def step(self, batch: Batch, progress: float = 0.0) -> StepResult:
        """One update of the segmenter."""
        loss = cross_entropy(self.forward(self.segmenter, batch.images), batch.labels)
        return StepResult(losses={"segmentation": self.update("segmenter", [loss])})
