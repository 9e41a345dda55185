"""`history.jsonl`, the log of a run: written row by row, read whatever a crash has left of it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ecs_med.errors import RunFolderError
from ecs_med.files import write_text
from ecs_med.runs.records import TrainRow, ValidationRow

__all__ = ["History", "HistoryFile", "read_history"]

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
        try:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(row.to_line() + "\n")
        except OSError as error:
            raise RunFolderError(
                f"{self.path}: cannot be written ({error.strerror}); free disk space, then go on "
                "with `resume`."
            ) from error

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
        with path.open(encoding="utf-8", errors="replace") as file:
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
