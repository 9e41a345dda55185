"""Scores of a model on labelled cases."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from ecs_med.data.masks.reading import LabelScheme, read_labels
from ecs_med.data.scans import Scan, read_scan
from ecs_med.errors import DataError
from ecs_med.inference.segment import check_scan, segment_stream
from ecs_med.metrics import (
    Scores,
    confusion_matrix,
    dice_per_class,
    foreground_mean,
    iou_per_class,
    scores_from_confusion,
    surface_distance_95,
)
from ecs_med.types import IGNORE_INDEX, Case

if TYPE_CHECKING:
    from ecs_med.inference.model import Model

__all__ = ["CaseScores", "Evaluation", "evaluate_cases"]

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
    """

    scores: Scores
    per_case: tuple[CaseScores, ...]

    def rows(self) -> list[dict[str, Any]]:
        """The cases as flat rows; see `CaseScores.to_row`."""
        return [case.to_row(self.scores.class_names) for case in self.per_case]


def evaluate_cases(
    model: "Model",
    cases: Sequence[Case],
    *,
    surface: bool = False,
    batch: int = 8,
    labels: LabelScheme | None = None,
    on_case: Callable[[CaseScores], None] | None = None,
) -> Evaluation:
    """Segment cases at full size and score them on their own grids.

    Pictures of one size that follow each other are segmented together, `batch` at a time;
    volumes in chunks of `batch` slices. No gradients; the networks stay in the mode they are in.

    Args:
        model: A trained model, or the one in training.
        cases: Cases with masks; with none of them, every score is `None`.
        surface: Also measure surface distances, in volumes; pictures have no millimetres.
        batch: Pictures or slices at a time.
        labels: How the masks are stored; `None`: as those of training.
        on_case: Called with the scores of each case as they come.

    Raises:
        DataError: If a case has no mask, or a file cannot be read.
        SettingsError: If the model was trained on scans of another kind.
    """
    names = model.spec.class_names
    total = torch.zeros(len(names), len(names), dtype=torch.int64)
    per_case: list[CaseScores] = []
    for case, scan, predicted in segment_stream(model, _scans(model, cases), batch=batch):
        reference = _reference(case, labels or model.spec.labels)
        matrix = confusion_matrix(torch.tensor(predicted), torch.tensor(reference), len(names))
        total += matrix
        result = _case_scores(case, matrix)
        if surface and scan.spacing_mm is not None:
            distances = _distances(predicted, reference, scan.spacing_mm, len(names))
            result = replace(result, hd95_mm_per_class=distances)
        per_case.append(result)
        if on_case is not None:
            on_case(result)
    scores = scores_from_confusion(
        total,
        names,
        num_cases=len(per_case),
        dice_per_case=_mean([case.foreground_dice for case in per_case]),
    )
    return Evaluation(_with_distances(scores, per_case), tuple(per_case))


def _scans(model: "Model", cases: Sequence[Case]) -> Iterator[tuple[Case, Scan]]:
    for case in cases:
        scan = read_scan(case.images)
        check_scan(model, scan, case.images[0])
        yield case, scan


def _reference(case: Case, scheme: LabelScheme) -> Labels:
    if case.mask is None:
        raise DataError(f"{case.images[0]}: has no mask to be scored against; give it one.")
    labels: Labels = read_labels(case.images, case.mask, scheme)
    return labels


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
