"""`history.jsonl`, the log of a run: written row by row, read whatever a crash has left of it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from ecs_med.errors import RunFolderError
from ecs_med.files import regular_file, told, write_text
from ecs_med.metrics import ErrorDetection, Scores
from ecs_med.records import Record

__all__ = [
    "CorrectorScores",
    "History",
    "HistoryFile",
    "PseudoLabelHealth",
    "TrainRow",
    "ValidationRow",
    "read_history",
]


class CorrectorScores(Record):
    """Scores of a corrector over N+1 classes, of which the last one is "right" (Fig. 3)."""

    miou: float | None
    """Mean over the classes that occur, 0..1; `None` without a pixel."""
    iou_per_class: tuple[float | None, ...]
    """N+1 values; `None` for a class that does not occur."""
    num_cases: int
    """Cases scored."""
    detection: ErrorDetection | None = None
    """Its 1 - P(right) as a detector of the segmenter's errors; `None` without a pixel, and in runs
    of former versions."""

    def weakness(self) -> str | None:
        """A sentence where it is no better than the segmenter's own confidence, else `None`."""
        return self.detection.weakness() if self.detection else None


class PseudoLabelHealth(Record):
    """How good pseudo-labels are, against masks that training never sees."""

    num_cases: int
    """Unlabelled cases looked at."""
    right_share: float | None
    """Share of pixels that the corrector calls right, 0..1."""
    mean_certainty: float | None
    """Mean of the corrector's highest probability."""
    miou: float | None = None
    """Of the pseudo-labels; this and what follows `None` without hidden masks."""
    segmenter_miou: float | None = None
    """Of the segmenter alone on the same pixels."""
    correction_accuracy: float | None = None
    """Share of the segmenter's errors that the corrector amends rightly."""
    detection: ErrorDetection | None = None
    """The corrector's 1 - P(right) as a detector of the segmenter's errors, for reports alone."""

    @property
    def foreground_auroc(self) -> float | None:
        """AUROC of that detector on foreground pixels: whether it finds what was missed."""
        return self.detection.foreground.corrector.auroc if self.detection else None

    @property
    def foreground_auroc_of_confidence(self) -> float | None:
        """The same of the segmenter's own confidence."""
        return self.detection.foreground.confidence.auroc if self.detection else None

    @property
    def gain(self) -> float | None:
        """MIoU that correcting gives; `None` without hidden masks."""
        if self.miou is None or self.segmenter_miou is None:
            return None
        return self.miou - self.segmenter_miou


class TrainRow(Record):
    """A row of `history.jsonl` on some iterations of training."""

    kind: Literal["train"] = "train"
    """Tells the rows apart."""
    iteration: int
    """Iterations done."""
    losses: dict[str, float]
    """Means over the iterations since the last row, without weights."""
    lr: dict[str, float]
    """Learning rate by network."""
    images_per_second: float
    """Over the same iterations."""
    signals: dict[str, float | None] = Field(default_factory=dict)
    """Other quantities worth watching; `None` where undefined."""


class ValidationRow(Record):
    """A row of `history.jsonl` on one validation."""

    kind: Literal["validation"] = "validation"
    """Tells the rows apart."""
    iteration: int
    """Iterations done."""
    validation: Scores
    """Of the model, on the cases that choose it."""
    corrector: CorrectorScores | None = None
    """Of the corrector on the same cases, where it is scored."""
    pseudo_labels: PseudoLabelHealth | None = None
    """On some unlabelled cases, where there is a corrector."""
    best: bool = False
    """Whether the model was kept as the best so far."""

    def without_hidden_masks(self) -> "ValidationRow":
        """The row without what hidden masks tell, which training must never learn."""
        return self.model_copy(update={"pseudo_labels": None})


Row = TrainRow | ValidationRow

_KINDS: dict[object, type[TrainRow] | type[ValidationRow]] = {
    "train": TrainRow,
    "validation": ValidationRow,
}


@dataclass(frozen=True, slots=True)
class History:
    """The log of a run, in the order of iterations.

    Attributes:
        train: One row per iteration at most, ascending.
        validation: Likewise.
        num_skipped: Lines that could not be understood, such as the torn last line of a run that
            was killed while writing.
    """

    train: tuple[TrainRow, ...] = ()
    validation: tuple[ValidationRow, ...] = ()
    num_skipped: int = 0

    def pseudo_labels_at(self, iteration: int | None) -> tuple[int, PseudoLabelHealth] | None:
        """The last health of pseudo-labels up to an iteration, else the first; with its own."""
        rows = [(row.iteration, row.pseudo_labels) for row in self.validation if row.pseudo_labels]
        until = [row for row in rows if iteration is None or row[0] <= iteration] or rows[:1]
        return until[-1] if until else None


class HistoryFile:
    """The file as a run in progress sees it.

    Args:
        path: `history.jsonl`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, row: Row) -> None:
        """Add one row and push it to the disk.

        Raises:
            RunFolderError: If it cannot be written.
        """
        with told(self.path), self.path.open("a", encoding="utf-8") as stream:
            stream.write(row.to_line() + "\n")

    def rewind(self, iteration: int) -> None:
        """Forget rows after `iteration`, and a last row torn by a crash."""
        kept = [row for row in _rows(self.path) if row and row.iteration <= iteration]
        write_text(self.path, "".join(f"{row.to_line()}\n" for row in kept))


def read_history(path: Path, *, validation_only: bool = False) -> History:
    """Read a history file, skipping what is torn.

    A resumed run may log an iteration again that an earlier process had logged before it died; the
    later row holds.

    Args:
        path: A file that does not exist gives an empty history.
        validation_only: Leave out the rows of training, which are most of them.

    Raises:
        RunFolderError: If the file cannot be read.
    """
    train: dict[int, TrainRow] = {}
    validation: dict[int, ValidationRow] = {}
    num_skipped = 0
    for row in _rows(path, '"validation"' if validation_only else ""):
        if isinstance(row, TrainRow):
            train[row.iteration] = row
        elif isinstance(row, ValidationRow):
            validation[row.iteration] = row
        else:
            num_skipped += 1
    return History(
        tuple(row for _, row in sorted(train.items())),
        tuple(row for _, row in sorted(validation.items())),
        num_skipped,
    )


def _rows(path: Path, wanted: str = "") -> Iterator[Row | None]:
    """Rows in the order of the file, `None` for one that cannot be understood."""
    try:
        with regular_file(path).open(encoding="utf-8", errors="replace") as file:
            for line in file:
                if line.strip() and wanted in line:
                    yield _row(line)
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunFolderError(
            f"{path}: cannot be read ({error.strerror}); check its permissions."
        ) from error


def _row(line: str) -> Row | None:
    try:
        content = json.loads(line)
        return _KINDS[content["kind"]].model_validate_json(line)
    except (ValueError, KeyError, TypeError, RecursionError, ValidationError):
        return None
