"""Rows of a list file, whatever its format and its names of columns."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from ecs_med.errors import DataError
from ecs_med.files import regular_file
from ecs_med.types import Problem
from ecs_med_datasets.naming import PARTITION_NAMES

__all__ = ["UNLABELED", "Row", "Rows", "read_rows"]

COLUMNS = {
    **dict.fromkeys(("image", "images", "img", "image_path", "path", "file", "filename"), "image"),
    **dict.fromkeys(("scan", "volume"), "image"),
    **dict.fromkeys(("mask", "masks", "label", "labels", "mask_path", "label_path"), "mask"),
    **dict.fromkeys(("seg", "segmentation", "annotation", "ground_truth", "gt"), "mask"),
    **dict.fromkeys(("patient", "patient_id", "patientid", "subject", "subject_id"), "patient"),
    **dict.fromkeys(("partition", "split", "set", "subset"), "partition"),
    **dict.fromkeys(("annotated", "annotated_classes"), "annotated"),
}
UNLABELED = ("unlabeled", "unlabelled")

Record = tuple[str, Mapping[str, Any]]
"""Where a row stands, such as `row 3`, and its values by the names of their columns."""


@dataclass(frozen=True, slots=True)
class Row:
    """One case as the list writes it.

    Attributes:
        where: Which row, such as `row 3`, for messages.
        images: Paths as written, one per channel.
        mask: Path as written; empty: unlabelled.
        patient: Empty if the row names none.
        partition: As written; empty if the row names none.
        annotated: Names of the classes that the mask covers; `None`: all.
    """

    where: str
    images: tuple[str, ...]
    mask: str = ""
    patient: str = ""
    partition: str = ""
    annotated: tuple[str, ...] | None = None


@dataclass(slots=True)
class Rows:
    """The rows of a list, made one by one, and what is known beside them once all were taken.

    A list may have a million rows: each is read from the file when it is asked for, and not kept.

    Attributes:
        path: The list.
        records: What each row says by the names of its columns, with a word on where it stands.
        labels: Class name by value, where a JSON list declares them.
        count: How many rows there were.
        has_patients: Whether there is a column of patients.
        problems: Columns that are not used, rows that are not understood.
    """

    path: Path
    records: Iterable[Record]
    labels: Mapping[int, str] | None = None
    count: int = 0
    has_patients: bool = False
    problems: list[Problem] = field(default_factory=list)

    def __iter__(self) -> Iterator[Row]:
        """Rows in the order of the file, once.

        Raises:
            DataError: If the list is no UTF-8 text or no valid CSV, or has no column of images.
        """
        unknown: dict[str, None] = {}
        for where, record in self.records:
            row = _row(where, self._fields(record, unknown))
            if row is None:
                message, remedy = f"{where} names no image", "Add the image or remove it"
                self.problems.append(Problem("error", message, remedy, self.path))
                continue
            self.count += 1
            yield row
        if unknown:
            message = f"not used: {', '.join(unknown)}"
            self.problems.append(Problem("note", message, path=self.path))

    def _fields(self, record: Mapping[str, Any], unknown: dict[str, None]) -> dict[str, Any]:
        """What a row says by the names that stand for a column here; others go to `unknown`."""
        fields: dict[str, Any] = {}
        for name, value in record.items():
            column = COLUMNS.get(str(name).lower())
            if column is None:
                unknown[str(name)] = None
            elif value not in (None, "", []):
                fields.setdefault(column, value)
            self.has_patients |= column == "patient"
        return fields


def read_rows(path: Path) -> Rows:
    """Begin to read a list file.

    Raises:
        DataError: If it cannot be read, or is no valid JSON.
    """
    try:
        regular_file(path)
        if path.suffix.lower() == ".json":
            return Rows(path, *_json_records(path, path.read_text(encoding="utf-8-sig")))
    except UnicodeDecodeError:
        raise _no_text(path) from None
    except OSError as error:
        raise _unreadable(path, error) from None
    return Rows(path, _table_records(path))


def _no_text(path: Path) -> DataError:
    return DataError(f"{path}: not UTF-8 text; save the list as 'CSV UTF-8'.")


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: not readable ({error.strerror}); check permissions.")


def _table_records(path: Path) -> Iterator[Record]:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            begin = list(_up_to_the_header(lines))
            delimiter = max(",;\t", key=(begin or [""])[-1].count)
            table = csv.reader(chain(begin, lines), delimiter=delimiter, skipinitialspace=True)
            names: list[str] | None = None
            for line, cells in _filled(table):
                if names is None:
                    names = cells
                    _check_header(path, names)
                else:
                    yield f"row {line}", dict(zip(names, cells, strict=False))
    except UnicodeDecodeError:
        raise _no_text(path) from None
    except OSError as error:
        raise _unreadable(path, error) from None
    except csv.Error as error:
        raise DataError(f"{path}: line {table.line_num} is no valid CSV ({error}).") from None


def _up_to_the_header(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield line
        if line.strip():
            return


def _filled(table: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows of a table in which anything stands, with the number of their last line."""
    for cells in table:
        stripped = [cell.strip() for cell in cells]
        if any(stripped):
            yield table.line_num, stripped


def _check_header(path: Path, names: Sequence[str]) -> None:
    if not any(COLUMNS.get(name.lower()) == "image" for name in names):
        raise DataError(f"{path}: no column named image; the first line has {', '.join(names)}.")


def _json_records(path: Path, text: str) -> tuple[list[Record], Mapping[int, str] | None]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not readable as JSON ({error}); repair it.") from None
    if isinstance(values, list):
        return [(f"entry {i}", _record(item)) for i, item in enumerate(values, start=1)], None
    records: list[Record] = []
    for key, entries in values.items() if isinstance(values, Mapping) else ():
        if str(key).lower() in {*PARTITION_NAMES, *UNLABELED} and isinstance(entries, list):
            for i, item in enumerate(entries, start=1):
                records.append((f"{key} entry {i}", {"partition": key, **_record(item)}))
    if not records:
        raise DataError(
            f"{path}: no list of cases; expected a list, or an object with lists named training,"
            " validation, test."
        )
    return records, _json_labels(values.get("labels"))


def _record(item: Any) -> Mapping[str, Any]:
    return item if isinstance(item, Mapping) else {"image": item}


def _json_labels(entry: Any) -> Mapping[int, str] | None:
    if not isinstance(entry, Mapping) or not all(str(key).isdigit() for key in entry):
        return None
    return {int(key): str(name) for key, name in entry.items()} or None


def _row(where: str, fields: Mapping[str, Any]) -> Row | None:
    images = fields.get("image")
    texts: list[Any] = images if isinstance(images, list) else [images]
    mask = fields.get("mask", "")
    if not texts or not all(isinstance(text, str) and "\0" not in text for text in texts):
        return None
    if not isinstance(mask, str) or "\0" in mask:
        return None
    patient = str(fields.get("patient", "")).strip()
    partition, annotated = str(fields.get("partition", "")).strip(), fields.get("annotated")
    if isinstance(annotated, str):
        annotated = annotated.split(";")
    if annotated is not None:
        if not isinstance(annotated, list) or not all(isinstance(n, str) for n in annotated):
            return None
        annotated = tuple(name.strip() for name in annotated if name.strip())
    return Row(where, tuple(texts), mask, patient, partition, annotated)
