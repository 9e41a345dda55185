"""What a validation measures: both networks on validation cases, and the health of pseudo-labels.

Hidden masks reach this module through `HiddenReferences.for_reporting` and leave it as
numbers only.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ecs_med.data.cases import PreparedCase
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.reading import read_labels
from ecs_med.distributed import as_main_process_says
from ecs_med.errors import DataError
from ecs_med.inference.evaluate import Evaluation, evaluate_cases
from ecs_med.inference.model import Model
from ecs_med.inference.some_slices import look_at_slices
from ecs_med.losses import correction_map, pseudo_labels
from ecs_med.metrics import DoubtCounts, Scores, confusion_matrix, scores_from_confusion
from ecs_med.runs import PseudoLabelHealth, ValidationRow
from ecs_med.sparse import LabeledCase, SliceSelection
from ecs_med.splits import HiddenReferences, Split
from ecs_med.training.schedule import Schedule, cases_in_between
from ecs_med.training.stores import Stores
from ecs_med.types import IGNORE_INDEX, UNLABELED_INDEX, Case, UnlabeledCase

__all__ = [
    "SILENT_CORRECTOR",
    "Scoring",
    "is_silent",
    "pseudo_label_health",
    "row_of_main_process",
    "score_unlabeled_slices",
]

SILENT_CORRECTOR = (
    "The corrector calls more than 99.9 % of the unlabelled pixels right, so it corrects nothing "
    "and pseudo-labels are the segmenter's own; more iterations or a higher learning rate of the "
    "corrector may give it time to learn, more labelled images give it mistakes to learn from."
)

_HEALTH_CASES, _FEWER_CASES = 24, 8
"""Unlabelled cases that pseudo-labels are scored on, at most: at the end of a run, and before."""

_SLICES = 8


class Scoring:
    """Scores models of a run on the cases that choose one, and counts the time that it takes.

    Args:
        cases: With masks.
        schedule: How many of them are scored in between.
        stores: Of prepared cases.
        split: Pseudo-labels are looked at on its unlabelled cases.
    """

    def __init__(
        self, cases: Sequence[LabeledCase], schedule: Schedule, stores: Stores, split: Split
    ) -> None:
        self._cases = cases
        self._chosen = cases_in_between(cases, schedule.num_cases)
        self._stores = stores
        self._split = split
        self.seconds = 0.0

    @property
    def scores_all(self) -> bool:
        """Whether all cases are scored in between."""
        return len(self._chosen) == len(self._cases)

    def in_between(self, model: Model, iteration: int, *, is_last: bool) -> ValidationRow:
        """Score a model in training.

        Args:
            model: Shares its networks with the method.
            iteration: Iterations done.
            is_last: Whether these are all; before, pseudo-labels are looked at on fewer cases.

        Returns:
            The scores of the segmenter, and where there is a corrector, its own on the same cases
            and the health of pseudo-labels, on half as many cases where only some are scored.
        """
        started = time.monotonic()
        found = self._evaluate(model, self._chosen, corrector=model.has_corrector)
        health = None
        if model.has_corrector:
            limit = _HEALTH_CASES if is_last else _FEWER_CASES
            limit = limit if self.scores_all else min(limit, max(1, len(self._chosen) // 2))
            store = self._stores.unlabeled or self._stores.scored
            split = self._split
            health = pseudo_label_health(
                model, split.unlabeled, split.hidden, store.prepared_case, limit
            )
        self.seconds += time.monotonic() - started
        return ValidationRow(
            iteration=iteration,
            validation=found.scores,
            corrector=found.corrector,
            pseudo_labels=health,
        )

    def at_the_end(self, model: Model, *, corrector: bool) -> Evaluation:
        """Score the chosen model on all cases."""
        started = time.monotonic()
        found = self._evaluate(model, self._cases, corrector=corrector)
        self.seconds += time.monotonic() - started
        return found

    def _evaluate(
        self, model: Model, cases: Sequence[LabeledCase], *, corrector: bool
    ) -> Evaluation:
        prepared = self._stores.scored.prepared_case
        return evaluate_cases(model, cases, corrector=corrector, prepared=prepared)


def pseudo_label_health(
    model: Model,
    unlabeled: Sequence[UnlabeledCase],
    hidden: HiddenReferences,
    prepared: Callable[[UnlabeledCase], PreparedCase],
    num_cases: int = _HEALTH_CASES,
) -> PseudoLabelHealth:
    """Score the pseudo-labels of a few unlabelled cases.

    Args:
        model: The model in training, with a corrector.
        unlabeled: Used where no hidden mask exists; then only shares and certainty are known.
        hidden: The masks outside the budget.
        prepared: Gives a prepared case without its mask.
        num_cases: At most so many.
    """
    classes = model.spec.num_classes
    own = torch.zeros(classes, classes, dtype=torch.int64)
    amended, doubts = own.clone(), DoubtCounts(classes)
    totals = dict.fromkeys(("cases", "pixels", "right", "certainty", "wrong", "repaired"), 0.0)
    with model.evaluating():
        step = max(1, len(unlabeled) // num_cases)
        pairs: list[tuple[UnlabeledCase, Path | None]] = [*hidden.for_reporting(num_cases)]
        for case, mask in pairs or [(case, None) for case in unlabeled[::step][:num_cases]]:
            try:
                found = _with_reference(prepared(case), case, mask, model.spec.labels)
            except DataError:
                continue  # a mask outside the scheme must not stop a run that never uses it
            view, reference = look_at_slices(model, found, _SLICES)
            totals["cases"] += 1
            totals["pixels"] += view.corrected.numel()
            totals["right"] += (view.corrected == classes).sum().item()
            totals["certainty"] += view.certainty.sum().item()
            if reference is None:
                continue
            doubts.add(view.corrector_doubt, view.segmenter_doubt, view.segmented, reference)
            labels = pseudo_labels(view.segmented, view.corrected, classes)
            own += confusion_matrix(view.segmented, reference, classes)
            amended += confusion_matrix(labels, reference, classes)
            target = correction_map(view.segmented, reference, classes)
            wrong = target < classes
            totals["wrong"] += wrong.sum().item()
            totals["repaired"] += (wrong & (view.corrected == target)).sum().item()
    names, known = model.spec.class_names, bool(own.sum())
    return PseudoLabelHealth(
        num_cases=int(totals["cases"]),
        right_share=_ratio(totals["right"], totals["pixels"]),
        mean_certainty=_ratio(totals["certainty"], totals["pixels"]),
        miou=scores_from_confusion(amended, names).miou if known else None,
        segmenter_miou=scores_from_confusion(own, names).miou if known else None,
        correction_accuracy=_ratio(totals["repaired"], totals["wrong"]),
        detection=doubts.detection(),
    )


def score_unlabeled_slices(
    model: Model, hidden: HiddenReferences, prepared: Callable[[UnlabeledCase], PreparedCase]
) -> Scores | None:
    """Score a model on the unlabelled slices of volumes of which it learned others.

    They lie beside labelled slices of the same patient, so the score says how well labels carry
    over within a volume, not what to expect of a new patient.

    Args:
        model: The chosen model.
        hidden: The masks outside the budget; of these volumes 24 at most are scored.
        prepared: Gives a prepared case without its mask.

    Returns:
        Scores; `None` where no slice beside the labelled ones has a reference.
    """
    cases: list[Case] = []
    chosen: dict[str, SliceSelection] = {}
    for case, mask, selection in hidden.slices_for_reporting(_HEALTH_CASES):
        cases.append(Case(case.id, case.images, mask, frame=case.frame))
        chosen[case.id] = selection

    def others(case: LabeledCase) -> PreparedCase:
        assert isinstance(case, Case)
        bare = case.without_mask()
        found = _with_reference(prepared(bare), bare, case.mask, model.spec.labels)
        assert found.reference is not None
        reference = chosen[case.id].others(found.reference)
        reference[reference == UNLABELED_INDEX] = IGNORE_INDEX
        return replace(found, reference=reference)

    if not cases:
        return None
    scores = evaluate_cases(model, cases, prepared=others).scores
    return None if scores.miou is None else scores


def row_of_main_process(row: ValidationRow | None, device: torch.device) -> ValidationRow:
    """What a method may know of a validation: the same in all processes, which all call this.

    Args:
        row: Of the main process, the only one that scores; `None` in the others.
        device: Where the processes' tensors lie.

    Returns:
        The row without what hidden masks tell.
    """
    text = row.without_hidden_masks().to_line() if row else None
    told = as_main_process_says(text, device)
    assert told is not None
    return ValidationRow.model_validate_json(told)


def is_silent(health: PseudoLabelHealth) -> bool:
    """Whether the corrector has no corrections to make."""
    return health.right_share is not None and health.right_share > 0.999


def _with_reference(
    found: PreparedCase, case: UnlabeledCase, mask: Path | None, scheme: LabelScheme
) -> PreparedCase:
    if mask is None:
        return found
    return replace(found, reference=read_labels(case.images, mask, scheme, case.frame))


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
