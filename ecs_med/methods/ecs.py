"""Error-Correcting Supervision (Mendel et al. 2020).

One iteration, each line followed by its optimiser:

    corrector        H_a(C(x, S(x)), y_cor) + H_a(C(x, onehot y), y_t)      eq. 2
    supervised       H(S(x), y) + lambda H(C(x, S(x)), y_t)                 eq. 3
    semi-supervised  max(softmax C(x_u, S(x_u)))^gamma H(S(x_u), y_p)       eqs. 4 to 6

The supervised step takes S(x) from the corrector step: S does not change in between, so
its value is the same and one forward pass is saved. Batch normalization therefore sees
(S: x, x_u) and (C: fake, reference, judged, unlabelled) per iteration, in this order.

The activations of S(x) lie beside those of C through both steps. On a CPU with too little free
memory for that they are dropped and computed again for the one backward pass.
"""

from functools import cached_property
from typing import ClassVar, Literal

import torch
from pydantic import Field

from ecs_med.config import Settings
from ecs_med.distributed import mean, share
from ecs_med.losses import (
    certainty,
    cross_entropy,
    negated_focal_loss,
    pseudo_labels,
    right_map,
)
from ecs_med.losses.cross_entropy import most_probable
from ecs_med.memory import free_memory
from ecs_med.methods.base import StepResult
from ecs_med.methods.correcting import CorrectingMethod, CorrectorSettings
from ecs_med.networks.modes import frozen
from ecs_med.types import IGNORE_INDEX, Batch

__all__ = ["Ecs", "EcsSettings"]


_BYTES_PER_PIXEL = 2**13
"""What a step takes, of labelled images: 4.2 GB of 8 with 256 px, EfficientNet-Lite0 twice."""


class EcsSettings(CorrectorSettings):
    """The numbers of Error-Correcting Supervision (Mendel et al. 2020, sections 3 and 4.4)."""

    correction_weight: float = Field(0.1, ge=0)
    """Lambda of eq. 3: weight of the corrector's judgement in the supervised loss."""
    gamma: float = Field(2.0, ge=0)
    """Focusing parameter of eq. 5."""
    unlabeled_loss: Literal["negated_focal", "cross_entropy", "none"] = "negated_focal"
    """Loss on pseudo-labels; the other two are Table 2's ablation."""


class Ecs(CorrectingMethod):
    """Segmenter and corrector, trained in tandem without a warm-up."""

    name: ClassVar[str] = "ecs"
    title: ClassVar[str] = "Error-Correcting Supervision (ECS)"
    short_name: ClassVar[str] = "ECS"
    source: ClassVar[str] = "Mendel et al. 2020"
    settings_class: ClassVar[type[Settings]] = EcsSettings
    uses_unlabeled: ClassVar[bool] = True
    settings: EcsSettings

    def step(self, batch: Batch, progress: float = 0.0) -> StepResult:
        """Corrector, supervised and semi-supervised update."""
        logits = self.forward(self.segmenter, batch.images, keep=self._has_room(batch.images))
        probabilities = logits.softmax(dim=1)
        correction, signals = self._corrector_step(batch, probabilities.detach())
        segmentation, judgement = self._supervised_step(batch, logits, probabilities)
        losses = {
            "segmentation": segmentation,
            "correction": correction,
            "judgement": judgement,
        }
        if batch.unlabeled_images is not None and self.settings.unlabeled_loss != "none":
            losses["pseudo"], more = self._semi_supervised_step(batch)
            signals |= more
        return StepResult({name: loss.detach() for name, loss in losses.items()}, signals)

    @cached_property
    def _room(self) -> dict[int, bool]:
        """By pixels of a batch, so that a run does not change its mind from step to step."""
        return {}

    def _has_room(self, images: torch.Tensor) -> bool:
        """Whether a step fits well into the memory; if not, a quarter of it is saved for time."""
        if images.device.type != "cpu":
            return True
        pixels = images.numel() // images.shape[1]
        if pixels not in self._room:
            free = free_memory()
            self._room[pixels] = free is None or 2 * pixels * _BYTES_PER_PIXEL < free
        return self._room[pixels]

    def _supervised_step(
        self, batch: Batch, logits: torch.Tensor, probabilities: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        segmentation = cross_entropy(logits, batch.labels)
        weight = self.settings.correction_weight
        if weight == 0:
            self.update("segmenter", [segmentation])
            return segmentation, segmentation.new_zeros(())
        with frozen(self.networks["corrector"]):
            judged = self._correct(batch.images, probabilities)
            judgement = cross_entropy(judged, right_map(batch.labels, self.num_classes))
            self.update("segmenter", [segmentation + weight * judgement])
        return segmentation, judgement

    def _semi_supervised_step(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        assert batch.unlabeled_images is not None
        logits = self.forward(self.segmenter, batch.unlabeled_images)
        with torch.no_grad():
            corrected = self._correct(batch.unlabeled_images, logits.softmax(dim=1)).softmax(dim=1)
            labels = pseudo_labels(logits, corrected, self.num_classes)
            valid = batch.unlabeled_valid
            if valid is not None:
                labels.masked_fill_(~valid, IGNORE_INDEX)
        plain = self.settings.unlabeled_loss == "cross_entropy"
        gamma = 0.0 if plain else self.settings.gamma
        loss = negated_focal_loss(logits, labels, corrected, gamma)
        self.update("segmenter", [loss])
        valid = labels != IGNORE_INDEX
        right = most_probable(corrected) == self.num_classes
        return loss, {
            "unlabeled_right_share": share(right, valid),
            "mean_certainty": mean(certainty(corrected), valid),
        }
