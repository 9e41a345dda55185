"""What methods with a corrector share: the network itself, and the step that trains it."""

from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import nn

from ecs_med.losses import correction_map, corrector_loss, right_map
from ecs_med.methods.base import Blueprint, Method
from ecs_med.methods.counting import share
from ecs_med.networks import build_corrector
from ecs_med.networks.corrector import corrector_input, one_hot
from ecs_med.types import IGNORE_INDEX, Batch

__all__ = ["CorrectingMethod"]


class CorrectingMethod(Method):
    """A method that trains a corrector by eq. 2, beside whatever else it does."""

    companion_names: ClassVar[tuple[str, ...]] = ("corrector",)

    @classmethod
    def companions(cls, blueprint: Blueprint) -> dict[str, nn.Module]:
        """The corrector, DeepLabv3+ whatever the segmenter is."""
        return {
            "corrector": build_corrector(
                blueprint.corrector,
                in_channels=blueprint.in_channels,
                num_classes=blueprint.num_classes,
                output_stride=blueprint.config.corrector_output_stride,
            )
        }

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
            signals.update(_signals_on_labeled(corrected.detach(), target, self.num_classes))
            yield self._weighted(corrected, target)
            reference = one_hot(batch.labels, self.num_classes)
            judged = self._correct(batch.images, reference)
            yield self._weighted(judged, right_map(batch.labels, self.num_classes))

        return self.update("corrector", terms()), signals

    def _weighted(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        settings = self.config.ecs
        focusing = 2.0 if settings.corrector_loss == "focal" else 0.0
        return corrector_loss(logits, target, class_weight=settings.class_weight, focusing=focusing)


def _signals_on_labeled(
    corrected: torch.Tensor, target: torch.Tensor, num_classes: int
) -> dict[str, torch.Tensor]:
    """How often S is right, and how often C amends it rightly where it is wrong."""
    valid = target != IGNORE_INDEX
    wrong = valid & (target != num_classes)
    return {
        "right_share": share(target == num_classes, valid),
        "correction_accuracy": share(corrected.argmax(dim=1) == target, wrong),
    }
