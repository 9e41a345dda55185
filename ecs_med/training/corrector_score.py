"""How well a corrector corrects: its mIoU over the N classes and "right" (Fig. 3)."""

from collections.abc import Sequence
from typing import Any

import torch

from ecs_med.data.masks.reading import read_labels
from ecs_med.data.prepare import prepare_labels, prepare_scan
from ecs_med.data.scans import read_scan
from ecs_med.errors import DataError
from ecs_med.inference.model import Model
from ecs_med.losses import correction_map
from ecs_med.metrics import confusion_matrix, scores_from_confusion
from ecs_med.types import Case

__all__ = ["RIGHT", "corrector_confusion", "corrector_scores"]

RIGHT = "right"
"""Name of the added class, which comes last."""


def corrector_scores(model: Model, cases: Sequence[Case], *, batch: int = 8) -> dict[str, Any]:
    """Score the corrector on the segmenter's own predictions.

    Args:
        model: With a corrector; both networks run in evaluation mode.
        cases: With masks.
        batch: Slices at a time.

    Returns:
        `miou`, the mean over the classes that occur, `iou_per_class` of length N+1 (the last one is
        "right"; `None` for a class that occurs neither in the correction maps nor among the
        corrections), both in 0..1, and `num_cases`. `miou` is `None` without a pixel to score.

    Raises:
        DataError: If a case has no mask, or a file cannot be read.

    Source:
        Mendel et al. 2020, section 4.6 and Fig. 3.
    """
    matrix = corrector_confusion(model, cases, batch=batch)
    names = (*model.spec.class_names, RIGHT)
    scores = scores_from_confusion(matrix, names, num_cases=len(cases))
    return {
        "miou": scores.miou,
        "iou_per_class": list(scores.iou_per_class),
        "num_cases": scores.num_cases,
    }


def corrector_confusion(model: Model, cases: Sequence[Case], *, batch: int = 8) -> torch.Tensor:
    """Count pixels by correction map (eq. 1) and by the corrector's argmax, over a whole set.

    Pixels are those of the prepared grid, on which the corrector works; void is not counted.

    Args:
        model: With a corrector.
        cases: With masks.
        batch: Slices at a time.

    Returns:
        `(N+1, N+1)`, int64, on the CPU; row = correction map, column = corrector.

    Raises:
        DataError: If a case has no mask, or a file cannot be read.
    """
    num_classes = model.spec.num_classes
    total = torch.zeros(num_classes + 1, num_classes + 1, dtype=torch.int64)
    for case in cases:
        slices, reference = _prepared(model, case)
        for part, labels in zip(slices.split(batch), reference.split(batch), strict=True):
            logits = model.logits(part)
            corrected = model.correct(part, logits).argmax(dim=1).cpu()
            target = correction_map(logits.cpu(), labels, num_classes)
            total += confusion_matrix(corrected, target, num_classes + 1)
    return total


def _prepared(model: Model, case: Case) -> tuple[torch.Tensor, torch.Tensor]:
    """Slices `(D, C, H, W)` and labels `(D, H, W)` of a case as the networks see them."""
    if case.mask is None:
        raise DataError(f"{case.images[0]}: has no mask to be scored against; give it one.")
    scan = read_scan(case.images)
    labels = read_labels(case.images, case.mask, model.spec.labels)
    preparation = model.spec.preparation
    return (
        torch.tensor(prepare_scan(scan, preparation)),
        torch.tensor(prepare_labels(labels, scan, preparation)),
    )
