"""What methods with a corrector share: network and step; and the method that is no more than it."""

from collections.abc import Iterator
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from ecs_med.config import OptimizerSettings, Settings
from ecs_med.distributed import share
from ecs_med.losses import correction_map, corrector_loss, right_map
from ecs_med.losses.cross_entropy import most_probable
from ecs_med.methods.base import Method, StepResult
from ecs_med.methods.network_plan import NetworkPlan
from ecs_med.methods.optimizers import corrector_optimizer
from ecs_med.networks import corrector_input, one_hot
from ecs_med.runs import ValidationRow
from ecs_med.types import IGNORE_INDEX, Batch

__all__ = ["CorrectingMethod", "CorrectorOnly", "CorrectorSettings", "signals_on_labeled"]


class CorrectorSettings(Settings):
    """The loss of the corrector (Mendel et al. 2020, sections 3 and 4.6)."""

    class_weight: float = Field(2.0, gt=0)
    """Alpha of the N real classes in the corrector's loss; the class "right" has 1."""
    corrector_loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    """Loss of the corrector (section 4.6: no significant difference)."""


class CorrectingMethod(Method):
    """A method that trains a corrector by eq. 2, beside whatever else it does."""

    settings_class: ClassVar[type[Settings]] = CorrectorSettings
    extra_networks: ClassVar[tuple[str, ...]] = ("corrector",)
    own_settings: ClassVar[tuple[str, ...]] = ("corrector_encoder", "corrector_output_stride")
    settings: CorrectorSettings

    @classmethod
    def default_optimizers(cls, iterations: int) -> dict[str, OptimizerSettings]:
        """The corrector's is Adam at 1e-4 (section 4.4), at 1e-3 in a short run."""
        own = {"corrector": corrector_optimizer(iterations)}
        return super().default_optimizers(iterations) | own

    @classmethod
    def build_networks(cls, plan: NetworkPlan) -> dict[str, nn.Module]:
        """The corrector, DeepLabv3+ whatever the segmenter is."""
        return {"corrector": plan.build_corrector(cls.corrector_kind)}

    def _correct(self, images: torch.Tensor, class_map: torch.Tensor) -> torch.Tensor:
        return self.forward(self.networks["corrector"], corrector_input(images, class_map))

    def _corrector_step(
        self, batch: Batch, probabilities: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """One update of the corrector.

        Args:
            batch: On the device.
            probabilities: Softmax of the segmenter on `batch.images`, `(B, N, *spatial)`, detached.

        Returns:
            The loss of eq. 2, detached, and `right_share` and `correction_accuracy`.
        """
        target = correction_map(probabilities, batch.labels, self.num_classes)
        signals: dict[str, torch.Tensor] = {}

        def terms() -> Iterator[torch.Tensor]:
            corrected = self._correct(batch.images, probabilities)
            signals.update(signals_on_labeled(corrected.detach(), target, self.num_classes))
            yield self._weighted(corrected, target)
            reference = one_hot(_completed(batch, probabilities), self.num_classes)
            judged = self._correct(batch.images, reference)
            yield self._weighted(judged, right_map(batch.labels, self.num_classes))

        return self.update("corrector", terms()), signals

    def _weighted(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        focusing = 2.0 if self.settings.corrector_loss == "focal" else 0.0
        weight = self.settings.class_weight
        return corrector_loss(logits, target, class_weight=weight, focusing=focusing)


class CorrectorOnly(CorrectingMethod):
    """The corrector alone, on a segmenter that stays as the run `start_from` left it.

    The segmenter is in evaluation mode: its predictions are those that the corrector will judge,
    and none of its weights or running statistics moves.

    Source:
        Mendel et al. 2020, section 4.6 ("Corrector Evaluation") and Fig. 3.
    """

    name: ClassVar[str] = "corrector"
    title: ClassVar[str] = "a corrector on a segmenter that stays as it is"
    short_name: ClassVar[str] = "corrector"
    source: ClassVar[str] = "Mendel et al. 2020, section 4.6 and Fig. 3"
    chosen_by: ClassVar[str] = "best validation mIoU of the corrector; the segmenter does not move"
    frozen_networks: ClassVar[tuple[str, ...]] = ("segmenter",)
    needs_origin: ClassVar[bool] = True
    always_validates: ClassVar[bool] = True

    def step(self, batch: Batch, progress: float = 0.0) -> StepResult:
        """One update of the corrector."""
        with torch.no_grad():
            probabilities = self.forward(self.segmenter, batch.images).softmax(dim=1)
        correction, signals = self._corrector_step(batch, probabilities)
        return StepResult({"correction": correction}, signals)

    @classmethod
    def selection_score(cls, row: ValidationRow) -> float | None:
        """The corrector's mIoU over N+1 classes; the segmenter's never changes."""
        assert row.corrector is not None
        return row.corrector.miou


def _completed(batch: Batch, probabilities: torch.Tensor) -> torch.Tensor:
    """The reference, where nobody has annotated it as the segmenter has it.

    Without it, what the corrector sees of a scribbled image would be a map with next to nothing in
    it, as segmentations never are. Its loss counts annotated pixels alone, here as elsewhere.
    """
    if batch.unlabeled_pixels is None:
        return batch.labels
    return torch.where(batch.unlabeled_pixels, probabilities.argmax(dim=1), batch.labels)


def signals_on_labeled(
    corrected: torch.Tensor, target: torch.Tensor, num_classes: int
) -> dict[str, torch.Tensor]:
    """How often S is right, and how often C amends it rightly where it is wrong.

    Args:
        corrected: Logits of C on labelled images, `(B, N+1, *spatial)`, detached.
        target: Their correction map, `(B, *spatial)`.
        num_classes: N.
    """
    valid = target != IGNORE_INDEX
    wrong = valid & (target != num_classes)
    return {
        "right_share": share(target == num_classes, valid),
        "correction_accuracy": share(most_probable(corrected) == target, wrong),
    }
