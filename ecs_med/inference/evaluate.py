"""Scores of a model on labelled cases."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from ecs_med.data.cases import PreparedCase, prepare_case
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.readers import read_header
from ecs_med.errors import DataError
from ecs_med.inference.corrector_counts import CorrectorCounts
from ecs_med.inference.predictor import BATCH, check_scan, segment_cases
from ecs_med.metrics import (
    Scores,
    absent_references,
    confusion_matrix,
    dice_per_class,
    foreground_mean,
    iou_per_class,
    known_mean,
    scores_from_confusion,
    surface_distance_95,
)
from ecs_med.runs import CorrectorScores
from ecs_med.sparse import LabeledCase
from ecs_med.types import IGNORE_INDEX

if TYPE_CHECKING:
    from ecs_med.inference.model import Model

__all__ = ["CaseScores", "Evaluation", "evaluate_cases"]

Labels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class CaseScores:
    """Scores of one case from its own confusion matrix; `None` where they are undefined.

    Attributes:
        case: Id of the case.
        confusion: Counts of pixels or voxels, row = reference, column = prediction.
        hd95_mm_per_class: 95th-percentile surface distance in mm, background `None`; `None` also
            where reference or prediction lacks the class. `None` as a whole if not measured.
    """

    case: str
    confusion: tuple[tuple[int, ...], ...]
    hd95_mm_per_class: tuple[float | None, ...] | None = None

    @property
    def foreground_dice(self) -> float | None:
        """Mean Dice over the foreground classes that occur in this case."""
        return foreground_mean(dice_per_class(torch.tensor(self.confusion)))

    @property
    def foreground_iou(self) -> float | None:
        """Mean IoU over the foreground classes that occur in this case."""
        return foreground_mean(iou_per_class(torch.tensor(self.confusion)))

    @property
    def num_pixels(self) -> tuple[int, ...]:
        """Pixels or voxels of the reference per class, void not counted."""
        return tuple(sum(row) for row in self.confusion)

    @property
    def missing(self) -> tuple[bool, ...]:
        """Per foreground class, whether exactly one of reference and prediction has it."""
        predicted = [sum(column) for column in zip(*self.confusion, strict=True)]
        pairs = zip(self.num_pixels, predicted, strict=True)
        return tuple((actual > 0) != (found > 0) for actual, found in pairs)[1:]

    def to_row(self, class_names: Sequence[str]) -> dict[str, Any]:
        """One flat row for a table; undefined scores are `None`."""
        scores = scores_from_confusion(torch.tensor(self.confusion), class_names)
        row: dict[str, Any] = {
            "case": self.case,
            "foreground_dice": scores.foreground_dice,
            "foreground_iou": scores.foreground_iou,
        }
        for label, name in list(enumerate(class_names))[1:]:
            row[f"dice_{name}"] = scores.dice_per_class[label]
            row[f"iou_{name}"] = scores.iou_per_class[label]
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

    @property
    def absent_classes(self) -> tuple[str, ...]:
        """Foreground classes that no reference shows, so that nothing is said of them."""
        pixels = (case.num_pixels for case in self.per_case)
        return absent_references(pixels, self.scores.class_names)

    def rows(self) -> list[dict[str, Any]]:
        """The cases as flat rows; see `CaseScores.to_row`."""
        return [case.to_row(self.scores.class_names) for case in self.per_case]


def evaluate_cases(
    model: "Model",
    cases: Sequence[LabeledCase],
    *,
    corrector: bool = False,
    surface: bool = False,
    batch: int = BATCH,
    labels: LabelScheme | None = None,
    prepared: Callable[[LabeledCase], PreparedCase] | None = None,
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
    corrections = CorrectorCounts(len(names)) if corrector else None
    per_case: list[CaseScores] = []
    with model.evaluating():
        items = ((case, read(_with_mask(case))) for case in cases)
        for case, found, result in segment_cases(model, items, corrector=corrector, batch=batch):
            assert found.reference is not None
            matrix = confusion_matrix(
                torch.from_numpy(result.labels), torch.tensor(found.reference), len(names)
            )
            total += matrix
            if corrections is not None:
                labels_of_slices = found.labels
                assert result.view is not None
                assert labels_of_slices is not None
                corrections.add(result.view, labels_of_slices)
            distances = None
            if surface and found.header.spacing_mm is not None:
                distances = _distances(
                    result.labels, found.reference, found.header.spacing_mm, len(names)
                )
            per_case.append(CaseScores(case.id, tuple(map(tuple, matrix.tolist())), distances))
            if on_case is not None:
                on_case(per_case[-1])
    count = len(per_case)
    mean = known_mean([case.foreground_dice for case in per_case])
    scores = scores_from_confusion(total, names, num_cases=count, dice_per_case=mean)
    of_corrector = corrections.scores(names, count) if corrections else None
    return Evaluation(_with_distances(scores, per_case), tuple(per_case), of_corrector)


def _with_mask(case: LabeledCase) -> LabeledCase:
    if case.mask is None:
        raise DataError(f"{case.images[0]}: has no mask to be scored against; give it one.")
    return case


def _read(case: LabeledCase, model: "Model", scheme: LabelScheme) -> PreparedCase:
    check_scan(model, read_header(case.images, case.frame), case.images[0])
    return prepare_case(case, model.spec.preparation, scheme)


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
    distances = zip(*(case.hd95_mm_per_class or () for case in measured), strict=True)
    missing = zip(*(case.missing for case in measured), strict=True)
    update = {
        "hd95_mm_per_class": tuple(known_mean(of_class) for of_class in distances),
        "hd95_num_missing_per_class": (0, *(sum(of_class) for of_class in missing)),
    }
    return scores.model_copy(update=update)
