"""Rows of a list file, whatever its format and its names of columns."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Rows:
    """All rows of a list, and what stands beside them.

    Attributes:
        rows: In the order of the file.
        has_patients: Whether the list has a column of patients.
        labels: Class name by value, where a JSON list declares them.
        problems: Columns that are not used, rows that are not understood.
    """

    rows: tuple[Row, ...]
    has_patients: bool
    labels: Mapping[int, str] | None = None
    problems: tuple[Problem, ...] = ()


def read_rows(path: Path) -> Rows:
    """Read a list file.

    Raises:
        DataError: If it is no UTF-8 text, no valid JSON, or has no column of images.
    """
    try:
        text = regular_file(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path}: not UTF-8 text; save the list as 'CSV UTF-8'.") from None
    except OSError as error:
        raise DataError(f"{path}: not readable ({error.strerror}); check permissions.") from None
    if path.suffix.lower() == ".json":
        return _understand(path, *_json_records(path, text))
    return _understand(path, _table_records(path, text), None)


def _table_records(path: Path, text: str) -> list[tuple[str, Mapping[str, Any]]]:
    lines = text.splitlines()
    header = next((line for line in lines if line.strip()), "")
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num} is no valid CSV ({error}).") from None
    names = rows[0][1] if rows else []
    if rows and not any(COLUMNS.get(name.lower()) == "image" for name in names):
        raise DataError(f"{path}: no column named image; the first line has {', '.join(names)}.")
    return [(f"row {line}", dict(zip(names, cells, strict=False))) for line, cells in rows[1:]]


def _json_records(
    path: Path, text: str
) -> tuple[list[tuple[str, Mapping[str, Any]]], Mapping[int, str] | None]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not readable as JSON ({error}); repair it.") from None
    if isinstance(values, list):
        return [(f"entry {i}", _record(item)) for i, item in enumerate(values, start=1)], None
    records: list[tuple[str, Mapping[str, Any]]] = []
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


def _understand(
    path: Path,
    records: Sequence[tuple[str, Mapping[str, Any]]],
    labels: Mapping[int, str] | None,
) -> Rows:
    rows: list[Row] = []
    problems: list[Problem] = []
    unknown: dict[str, None] = {}
    has_patients = False
    for where, record in records:
        fields: dict[str, Any] = {}
        for name, value in record.items():
            column = COLUMNS.get(str(name).lower())
            if column is None:
                unknown[str(name)] = None
            elif value not in (None, "", []):
                fields.setdefault(column, value)
            has_patients |= column == "patient"
        row = _row(where, fields)
        if row is None:
            problems.append(
                Problem("error", f"{where} names no image", "Add the image or remove it", path)
            )
        else:
            rows.append(row)
    if unknown:
        problems.append(Problem("note", f"not used: {', '.join(unknown)}", path=path))
    return Rows(tuple(rows), has_patients, labels, tuple(problems))


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
