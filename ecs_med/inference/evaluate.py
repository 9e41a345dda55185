"""Scores of a model on labelled cases."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from ecs_med.data.cases import PreparedCase, prepare_case
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.readers import read_header
from ecs_med.errors import DataError
from ecs_med.inference.predictor import BATCH, CorrectorView, check_scan, segment_cases
from ecs_med.losses import correction_map
from ecs_med.metrics import (
    Scores,
    confusion_matrix,
    dice_per_class,
    foreground_mean,
    iou_per_class,
    scores_from_confusion,
    surface_distance_95,
)
from ecs_med.runs import CorrectorScores
from ecs_med.types import IGNORE_INDEX, Case

if TYPE_CHECKING:
    from ecs_med.inference.model import Model

__all__ = ["CaseScores", "Evaluation", "corrector_confusion", "evaluate_cases"]

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class CaseScores:
    """Scores of one case from its own confusion matrix.

    Attributes:
        case: Id of the case.
        iou_per_class: Background first; `None` where reference and prediction lack the class.
        dice_per_class: The same.
        num_pixels: Pixels or voxels of the reference per class, void not counted.
        hd95_mm_per_class: 95th-percentile surface distance in mm, background `None`; `None` also
            where reference or prediction lacks the class. `None` as a whole if not measured.
        missing: Per class, whether exactly one of reference and prediction has it.
        confusion: The counts themselves, row = reference, column = prediction.
    """

    case: str
    iou_per_class: tuple[float | None, ...]
    dice_per_class: tuple[float | None, ...]
    num_pixels: tuple[int, ...]
    hd95_mm_per_class: tuple[float | None, ...] | None = None
    missing: tuple[bool, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()

    @property
    def foreground_dice(self) -> float | None:
        """Mean Dice over the foreground classes that occur in this case."""
        return foreground_mean(self.dice_per_class)

    @property
    def foreground_iou(self) -> float | None:
        """Mean IoU over the foreground classes that occur in this case."""
        return foreground_mean(self.iou_per_class)

    def to_row(self, class_names: Sequence[str]) -> dict[str, Any]:
        """One flat row for a table; undefined scores are `None`."""
        row: dict[str, Any] = {
            "case": self.case,
            "foreground_dice": self.foreground_dice,
            "foreground_iou": self.foreground_iou,
        }
        for label, name in enumerate(class_names):
            if label == 0:
                continue
            row[f"dice_{name}"] = self.dice_per_class[label]
            row[f"iou_{name}"] = self.iou_per_class[label]
            row[f"pixels_{name}"] = self.num_pixels[label]
            if self.hd95_mm_per_class is not None:
                row[f"hd95_mm_{name}"] = self.hd95_mm_per_class[label]
        row["pixels"] = sum(self.num_pixels)
        return row


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores over a set of cases, and of each case.

    Attributes:
        scores: From one confusion matrix over the whole set.
        per_case: One entry per case, in the order given.
        corrector: Scores of the corrector on the same cases; `None` where not asked for.
    """

    scores: Scores
    per_case: tuple[CaseScores, ...]
    corrector: CorrectorScores | None = None

    def rows(self) -> list[dict[str, Any]]:
        """The cases as flat rows; see `CaseScores.to_row`."""
        return [case.to_row(self.scores.class_names) for case in self.per_case]


def evaluate_cases(
    model: "Model",
    cases: Sequence[Case],
    *,
    corrector: bool = False,
    surface: bool = False,
    batch: int = BATCH,
    labels: LabelScheme | None = None,
    prepared: Callable[[Case], PreparedCase] | None = None,
    on_case: Callable[[CaseScores], None] | None = None,
) -> Evaluation:
    """Segment each case once, and score both networks on it.

    The segmenter is scored on the cases' own grids, the corrector on the prepared grid, on which it
    works. No gradients; the networks stay in the mode they are in.

    Args:
        model: A trained model, or the one in training.
        cases: Cases with masks; with none of them, every score is `None`.
        corrector: Also score the corrector, which the model then has, on the segmenter's labels.
        surface: Also measure surface distances, in volumes; pictures have no millimetres.
        batch: Pictures or slices at a time.
        labels: How the masks are stored; `None`: as those of training.
        prepared: Gives a prepared case, from a cache; `None`: read and prepare it.
        on_case: Called with the scores of each case as they come.

    Raises:
        DataError: If a case has no mask, or a file cannot be read.
        SettingsError: If the model was trained on scans of another kind.

    Source:
        Mendel et al. 2020, section 4.6 and Fig. 3, for the corrector.
    """
    names = model.spec.class_names
    read = prepared or partial(_read, model=model, scheme=labels or model.spec.labels)
    total = torch.zeros(len(names), len(names), dtype=torch.int64)
    corrections = torch.zeros(len(names) + 1, len(names) + 1, dtype=torch.int64)
    per_case: list[CaseScores] = []
    with model.evaluating():
        items = ((case, read(_with_mask(case))) for case in cases)
        for case, found, result in segment_cases(model, items, corrector=corrector, batch=batch):
            assert found.reference is not None
            matrix = confusion_matrix(
                torch.from_numpy(result.labels), torch.tensor(found.reference), len(names)
            )
            total += matrix
            if result.view is not None:
                corrections += corrector_confusion(result.view, found, len(names))
            scores = _case_scores(case, matrix)
            if surface and found.header.spacing_mm is not None:
                distances = _distances(
                    result.labels, found.reference, found.header.spacing_mm, len(names)
                )
                scores = replace(scores, hd95_mm_per_class=distances)
            per_case.append(scores)
            if on_case is not None:
                on_case(scores)
    of_set = scores_from_confusion(
        total,
        names,
        num_cases=len(per_case),
        dice_per_case=_mean([case.foreground_dice for case in per_case]),
    )
    return Evaluation(
        _with_distances(of_set, per_case),
        tuple(per_case),
        _corrector_scores(corrections, names, len(per_case)) if corrector else None,
    )


def _with_mask(case: Case) -> Case:
    if case.mask is None:
        raise DataError(f"{case.images[0]}: has no mask to be scored against; give it one.")
    return case


def _read(case: Case, model: "Model", scheme: LabelScheme) -> PreparedCase:
    check_scan(model, read_header(case.images, case.frame), case.images[0])
    return prepare_case(case, model.spec.preparation, scheme)


def corrector_confusion(view: CorrectorView, case: PreparedCase, num_classes: int) -> torch.Tensor:
    """Count pixels by correction map (eq. 1) and by the corrector's class; void is not counted.

    Args:
        view: Of all slices of the case.
        case: With a reference.
        num_classes: N.

    Returns:
        `(N+1, N+1)`, int64; row = correction map, column = corrector.
    """
    reference = case.labels
    assert reference is not None
    target = correction_map(view.segmented, reference, num_classes)
    return confusion_matrix(view.corrected, target, num_classes + 1)


def _corrector_scores(
    matrix: torch.Tensor, class_names: Sequence[str], num_cases: int
) -> CorrectorScores:
    scores = scores_from_confusion(matrix, (*class_names, "right"), num_cases=num_cases)
    return CorrectorScores(
        miou=scores.miou, iou_per_class=scores.iou_per_class, num_cases=num_cases
    )


def _case_scores(case: Case, matrix: torch.Tensor) -> CaseScores:
    in_reference, in_prediction = matrix.sum(dim=1), matrix.sum(dim=0)
    return CaseScores(
        case=case.id,
        iou_per_class=iou_per_class(matrix),
        dice_per_class=dice_per_class(matrix),
        num_pixels=tuple(in_reference.tolist()),
        missing=tuple(((in_reference > 0) != (in_prediction > 0)).tolist()),
        confusion=tuple(tuple(row) for row in matrix.tolist()),
    )


def _distances(
    labels: Labels, reference: Labels, spacing_mm: tuple[float, float, float], num_classes: int
) -> tuple[float | None, ...]:
    known = reference != IGNORE_INDEX
    found = (
        surface_distance_95((labels == label) & known, reference == label, spacing_mm)
        for label in range(1, num_classes)
    )
    return (None, *found)


def _with_distances(scores: Scores, per_case: list[CaseScores]) -> Scores:
    measured = [case for case in per_case if case.hd95_mm_per_class is not None]
    if not measured:
        return scores
    labels = range(1, len(scores.class_names))
    return scores.model_copy(
        update={
            "hd95_mm_per_class": (
                None,
                *(_mean([(case.hd95_mm_per_class or ())[k] for case in measured]) for k in labels),
            ),
            "hd95_num_missing_per_class": (
                0,
                *(sum(case.missing[k] for case in measured) for k in labels),
            ),
        }
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
