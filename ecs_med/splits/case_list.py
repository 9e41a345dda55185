"""Lists of labelled cases, as published subsets come: one id or file name an entry."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from ecs_med.errors import BudgetError, UnreadableFileError
from ecs_med.files import regular_file
from ecs_med.types import Case

__all__ = ["read_case_list", "read_listed_slices"]

_COLUMNS = ("id", "case", "case_id", "image", "image_id", "file", "filename", "name", "stem")
_SLICES = "slices"
_DECISION = "decision"
_SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".nii", ".gz"}
_REMEDY = "list cases, one id or file name an entry"


def read_case_list(
    path: Path, cases: Iterable[Case], *, decided: str | None = None
) -> tuple[Case, ...]:
    """Read which cases are labelled.

    A `.txt` file has one entry a line (`#` starts a comment; where a line names an
    image and a mask, the image counts). A `.csv` file has them in the column `id`,
    `case`, `image`, `file` or `name`, or in its first column. A `.json` file is a
    list, or an object with the list under `labeled`.

    An entry is the id of a case, or the end of one, with or without a suffix:
    `train/images/12`, `images/12.png` and `12` all name the case `train/images/12`.
    If only the folders differ, the file name decides.

    Args:
        path: An existing file.
        cases: The cases that entries may name.
        decided: Where a CSV file has a column `decision`, the word of the rows that count.

    Returns:
        The cases, sorted by id, each once.

    Raises:
        UnreadableFileError: If the file is damaged or lists nothing.
        BudgetError: If an entry names no case, or more than one.
    """
    entries = _read_entries(path, decided)
    if not entries:
        raise UnreadableFileError(path, "lists no cases", _REMEDY)
    index = _Index(path, cases)
    found = {case.id: case for case in map(index.find, entries)}
    return tuple(found[id_] for id_ in sorted(found))


def read_listed_slices(path: Path, cases: Iterable[Case]) -> dict[str, tuple[int, ...]]:
    """Read which slices of its cases a list names, in the column `slices` of a CSV file.

    Slices are counted from 0 as they are stored, and separated by `;` or blanks: `3;9;15`.

    Args:
        path: As of `read_case_list`.
        cases: The cases that entries may name.

    Returns:
        By id; empty where the list has no such column.

    Raises:
        UnreadableFileError: If a row names no slice, or something that is none.
        BudgetError: If an entry names no case, or more than one.
    """
    rows = _rows_of_csv(path, _text_of(path)) if path.suffix.lower() == ".csv" else []
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    if _SLICES not in head:
        return {}
    place = head.index(_SLICES)
    column = next((head.index(name) for name in _COLUMNS if name in head), 0)
    index, found = _Index(path, cases), {}
    for row in rows[1:]:
        entry = row[column].strip() if column < len(row) else ""
        numbers = row[place].replace(";", " ").split() if place < len(row) else []
        if not entry:
            continue
        if not numbers or not all(text.isascii() and text.isdigit() for text in numbers):
            raise UnreadableFileError(
                path,
                f"names no slices of {entry}",
                "write their numbers from 0, such as 3;9;15, in the column slices",
            )
        found[index.find(entry).id] = tuple(sorted({int(text) for text in numbers}))
    return found


class _Index:
    """Finds cases by entry without going through all of them for each."""

    def __init__(self, path: Path, cases: Iterable[Case]) -> None:
        self.path = path
        self.by_id: dict[str, Case] = {}
        self.by_stem: dict[str, list[Case]] = {}
        self.suffixes = set(_SUFFIXES)
        for case in cases:
            self.suffixes.update(path.suffix.lower() for path in case.images)
            self.by_id[case.id] = case
            self.by_stem.setdefault(PurePosixPath(case.id).name, []).append(case)

    def find(self, entry: str) -> Case:
        """The one case that `entry` names."""
        # A name may hold blanks, so the line as a whole comes first.
        for text in dict.fromkeys((entry, entry.split()[0])):
            if found := self._candidates(text):
                break
        else:
            raise BudgetError(
                f"{self.path}: '{entry}' names no case of the data set; "
                "write its id as in a split.json, or its file name."
            )
        if len(found) > 1:
            names = ", ".join(case.id for case in found[:3])
            raise BudgetError(
                f"{self.path}: '{entry}' could be any of {len(found)} cases ({names}); "
                "write the id as in a split.json."
            )
        return found[0]

    def _candidates(self, text: str) -> Sequence[Case]:
        if text in self.by_id:
            return [self.by_id[text]]
        for name in dict.fromkeys((text, self._without_suffixes(text))):
            name = name.replace("\\", "/").removeprefix("./")
            same_stem = self.by_stem.get(PurePosixPath(name).name, [])
            ends = [case for case in same_stem if f"/{case.id}".endswith(f"/{name}")]
            if found := ends or same_stem:
                return found
        return []

    def _without_suffixes(self, name: str) -> str:
        pure = PurePosixPath(name)
        while pure.suffix and pure.suffix.lower() in self.suffixes:
            pure = pure.with_suffix("")
        return str(pure)


def _text_of(path: Path) -> str:
    try:
        return regular_file(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UnreadableFileError(path, error.strerror or "cannot be read", _REMEDY) from error
    except ValueError as error:
        raise UnreadableFileError(path, "is not a text file", _REMEDY) from error


def _read_entries(path: Path, decided: str | None) -> list[str]:
    text = _text_of(path)
    suffix = path.suffix.lower()
    if suffix == ".json":
        return _entries_of_json(path, text)
    return _entries_of_csv(path, text, decided) if suffix == ".csv" else _entries_of_text(text)


def _entries_of_text(text: str) -> list[str]:
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _rows_of_csv(path: Path, text: str) -> list[list[str]]:
    try:
        return [
            row for row in csv.reader(io.StringIO(text, newline="")) if any(map(str.strip, row))
        ]
    except csv.Error as error:
        raise UnreadableFileError(path, f"is not a CSV file ({error})", _REMEDY) from error


def _entries_of_csv(path: Path, text: str, decided: str | None) -> list[str]:
    rows = _rows_of_csv(path, text)
    if not rows:
        return []
    head = [cell.strip().lower() for cell in rows[0]]
    column = next((head.index(name) for name in _COLUMNS if name in head), None)
    if column is None:
        column = 0
    else:
        rows = rows[1:]
    if decided is not None and _DECISION in head:
        place = head.index(_DECISION)
        rows = [row for row in rows if place < len(row) and row[place].strip().lower() == decided]
        if not rows:
            raise UnreadableFileError(
                path,
                f"has no row with {decided} in the column {_DECISION}",
                f"write {decided} there, or take that column out",
            )
    return [row[column].strip() for row in rows if column < len(row) and row[column].strip()]


def _entries_of_json(path: Path, text: str) -> list[str]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableFileError(path, "is damaged, or not JSON", _REMEDY) from error
    if isinstance(document, dict):
        document = document.get("labeled")
    if not isinstance(document, list) or not all(isinstance(entry, str) for entry in document):
        raise UnreadableFileError(
            path, "is neither a list of names nor an object with one under 'labeled'", _REMEDY
        )
    return [entry.strip() for entry in document if entry.strip()]
