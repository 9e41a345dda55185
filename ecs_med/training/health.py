"""Health of pseudo-labels: how good they are against masks that training never sees.

Hidden masks reach this module through `HiddenReferences.for_reporting` and leave it as
numbers only.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ecs_med.data.masks.reading import read_labels
from ecs_med.data.prepare import prepare_labels, prepare_scan
from ecs_med.data.scans import read_scan
from ecs_med.errors import DataError
from ecs_med.inference.model import Model
from ecs_med.losses import certainty, correction_map, pseudo_labels
from ecs_med.metrics import confusion_matrix, scores_from_confusion
from ecs_med.splits import HiddenReferences
from ecs_med.types import UnlabeledCase

__all__ = ["SILENT_CORRECTOR", "is_silent", "pseudo_label_health"]

SILENT_CORRECTOR = (
    "The corrector calls more than 99.9 % of the unlabelled pixels right, so it corrects nothing "
    "and pseudo-labels are the segmenter's own; more iterations or a higher learning rate of the "
    "corrector may give it time to learn, more labelled images give it mistakes to learn from."
)

_CASES = 24
_SLICES = 8


def pseudo_label_health(
    model: Model, unlabeled: Sequence[UnlabeledCase], hidden: HiddenReferences
) -> dict[str, Any]:
    """Score the pseudo-labels of a few unlabelled cases.

    Args:
        model: The model in training, with a corrector.
        unlabeled: Used where no hidden mask exists; then only shares and certainty are known.
        hidden: The masks outside the budget.

    Returns:
        `num_cases`, `right_share`, `mean_certainty`, and against the hidden masks `miou` of the
        pseudo-labels, `segmenter_miou` and `correction_accuracy` (share of the segmenter's
        errors that the corrector amends rightly); the last three `None` without masks.
    """
    num_classes = model.spec.num_classes
    own = torch.zeros(num_classes, num_classes, dtype=torch.int64)
    amended = own.clone()
    totals = dict.fromkeys(("pixels", "right", "certainty", "wrong", "repaired"), 0.0)
    num_cases = 0
    for slices, reference in _samples(model, unlabeled, hidden):
        num_cases += 1
        logits = model.logits(slices)
        probabilities = model.correct(slices, logits)
        corrected = probabilities.argmax(dim=1)
        totals["pixels"] += corrected.numel()
        totals["right"] += (corrected == num_classes).sum().item()
        totals["certainty"] += certainty(probabilities).sum().item()
        if reference is None:
            continue
        labels = pseudo_labels(logits, corrected, num_classes).cpu()
        own += confusion_matrix(logits.argmax(dim=1).cpu(), reference, num_classes)
        amended += confusion_matrix(labels, reference, num_classes)
        target = correction_map(logits.cpu(), reference, num_classes)
        wrong = target < num_classes
        totals["wrong"] += wrong.sum().item()
        totals["repaired"] += (wrong & (corrected.cpu() == target)).sum().item()
    names = model.spec.class_names
    known = bool(own.sum())
    return {
        "num_cases": num_cases,
        "miou": scores_from_confusion(amended, names, num_cases=num_cases).miou if known else None,
        "segmenter_miou": (
            scores_from_confusion(own, names, num_cases=num_cases).miou if known else None
        ),
        "right_share": _ratio(totals["right"], totals["pixels"]),
        "mean_certainty": _ratio(totals["certainty"], totals["pixels"]),
        "correction_accuracy": _ratio(totals["repaired"], totals["wrong"]),
    }


def is_silent(health: Mapping[str, Any]) -> bool:
    """Whether the corrector has no corrections to make."""
    share = health.get("right_share")
    return share is not None and share > 0.999


def _samples(
    model: Model, unlabeled: Sequence[UnlabeledCase], hidden: HiddenReferences
) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
    """Prepared slices of a few cases, evenly spread, with their references where there are any."""
    pairs: list[tuple[UnlabeledCase, Path | None]] = [*hidden.for_reporting(_CASES)]
    if not pairs:
        pairs = [(case, None) for case in unlabeled[:: max(1, len(unlabeled) // _CASES)][:_CASES]]
    preparation = model.spec.preparation
    for case, mask in pairs:
        scan = read_scan(case.images)
        stack = torch.tensor(prepare_scan(scan, preparation))
        step = math.ceil(len(stack) / _SLICES)
        reference = None
        if mask is not None:
            try:
                labels = read_labels(case.images, mask, model.spec.labels)
            except DataError:
                continue  # a hidden mask outside the scheme must not stop a run that never uses it
            reference = torch.tensor(prepare_labels(labels, scan, preparation))[::step]
        yield stack[::step], reference


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
