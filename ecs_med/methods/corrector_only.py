"""The corrector alone, on a segmenter that stays as a finished run left it (Fig. 3).

One iteration, followed by the corrector's optimiser:

    corrector        H_a(C(x, S(x)), y_cor) + H_a(C(x, onehot y), y_t)      eq. 2

The segmenter is in evaluation mode and takes no gradient: its predictions are those that the
corrector will judge, and none of its weights or running statistics moves.
"""

from typing import ClassVar

import torch

from ecs_med.methods.base import StepResult
from ecs_med.methods.correcting import CorrectingMethod
from ecs_med.runs import ValidationRow
from ecs_med.types import Batch

__all__ = ["CorrectorOnly"]


class CorrectorOnly(CorrectingMethod):
    """The loss of eq. 2 on a frozen segmenter; `start_from` names the run that it comes from.

    Source:
        Mendel et al. 2020, section 4.6 ("Corrector Evaluation") and Fig. 3.
    """

    name: ClassVar[str] = "corrector"
    title: ClassVar[str] = "a corrector on a segmenter that stays as it is"
    short_name: ClassVar[str] = "corrector"
    source: ClassVar[str] = "Mendel et al. 2020, section 4.6 and Fig. 3"
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
