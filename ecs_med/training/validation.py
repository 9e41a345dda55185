"""What a validation measures, as one row of the history."""

from collections.abc import Sequence
from typing import Any

from ecs_med.inference.evaluate import evaluate_cases
from ecs_med.inference.model import Model
from ecs_med.splits import Split
from ecs_med.training.corrector_score import corrector_scores
from ecs_med.training.health import pseudo_label_health
from ecs_med.types import Case

__all__ = ["validation_row"]


def validation_row(
    model: Model, split: Split, cases: Sequence[Case], iteration: int
) -> dict[str, Any]:
    """Score a model in training.

    Args:
        model: Shares its networks with the method.
        split: Pseudo-labels are looked at on its unlabelled cases.
        cases: Scored; with masks.
        iteration: Iterations done.

    Returns:
        `validation` with the scores of the segmenter, and where there is a corrector, `corrector`
        with its scores on the same cases and `pseudo_labels` with their health.
    """
    row: dict[str, Any] = {
        "kind": "validation",
        "iteration": iteration,
        "validation": evaluate_cases(model, cases).scores.to_json(),
    }
    if model.has_corrector:
        row["corrector"] = corrector_scores(model, cases)
        row["pseudo_labels"] = pseudo_label_health(model, split.unlabeled, split.hidden)
    return row
