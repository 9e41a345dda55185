"""What a model says of the prepared slices of a scan, whatever its network sees of them."""

from collections.abc import Iterator

import torch

from ecs_med.data.depth import with_context
from ecs_med.inference.model import Model
from ecs_med.inference.predictor import BATCH
from ecs_med.inference.volumes import slabs
from ecs_med.losses import corrected_probabilities

__all__ = ["model_scores"]


def model_scores(model: Model, slices: torch.Tensor) -> Iterator[torch.Tensor]:
    """Scores of the classes as `predict` compares them, on the grid of the slices.

    Args:
        model: Networks of slices, of slices with neighbours, or of volumes.
        slices: Of one scan, `(D, C, H, W)`, as prepared.

    Yields:
        `(n, N, H, W)`, from the first slice to the last: logits, or of a model that corrects
        probabilities.
    """
    corrects = model.spec.corrects
    with torch.inference_mode(), model.evaluating():
        if model.spec.spatial_dims == 3:
            for _, logits, judged in slabs(model, slices, corrector=corrects):
                yield logits if judged is None else corrected_probabilities(logits, judged)
            return
        for start in range(0, len(slices), BATCH):
            numbers = range(start, min(start + BATCH, len(slices)))
            part = with_context(slices, numbers, model.spec.context)
            logits = model.logits(part)
            yield (
                corrected_probabilities(logits, model.correct(part, logits))
                if corrects
                else (logits)
            )
