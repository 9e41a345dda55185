"""Layout `listing`: a JSON or CSV file that names images and masks."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import Layout
from ecs_med.data.readers import is_image, known_formats
from ecs_med.data.readers.annotations.opening import SUFFIXES as ANNOTATIONS
from ecs_med.data.readers.annotations.opening import open_annotations
from ecs_med.errors import DataError, UnreadableFileError
from ecs_med.types import Case, CaseCollection, Problem
from ecs_med_datasets.collecting import collect, settle_partitions
from ecs_med_datasets.list_rows import UNLABELED, Row, read_rows
from ecs_med_datasets.naming import PARTITION_NAMES, STRUCTURAL, relative_path
from ecs_med_datasets.scanning import split_name

__all__ = ["ListLayout"]

SUFFIXES = (".json", ".csv", ".tsv")


@dataclass(slots=True)
class Listed:
    """What has been taken from the rows so far."""

    root: Path
    cases: dict[str, Case] = field(default_factory=dict)
    patients: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class ListLayout(Layout):
    """A CSV table with columns image, mask, patient, partition, annotated, or a JSON list.

    `annotated` names the foreground classes that a mask covers, separated by `;`: what else there
    may be is unknown in it, not background. Left empty, the mask covers all classes.

    JSON is a flat list of objects, or an object with `training`, `validation`
    and `test` lists as MONAI's decathlon loader reads it. Paths are relative to
    the list's folder, or absolute. An empty or absent mask means unlabelled.
    """

    name = "listing"
    priority = 30
    reads_names_only = True

    def recognizes(self, root: Path) -> bool:
        """Whether `root` is a `.json`, `.csv` or `.tsv` file."""
        return root.is_file() and root.suffix.lower() in SUFFIXES

    def read(self, root: Path, settings: ReadingSettings) -> CaseCollection:
        """List the cases that the file names.

        Raises:
            DataError: If the file cannot be read, has no column of images, or names none
                that exists.
        """
        if not root.is_file():
            raise DataError(f"{root}: not a file; `layout=listing` needs a JSON or CSV list.")
        rows = read_rows(root)
        listed = Listed(root.parent)
        for row in rows:
            _add(row, listed)
        if not listed.cases:
            raise DataError(
                f"{root}: none of {rows.count} rows names an image that exists below"
                f" {root.parent}; paths are relative to the list, or absolute."
            )
        found = CaseCollection(
            name=root.stem,
            root=root,
            layout=self.name,
            cases=settle_partitions([*listed.cases.values()]),
            labels=rows.labels,
            problems=(*rows.problems, *listed.problems),
        )
        column = listed.patients if rows.has_patients else None
        return collect(found, settings, STRUCTURAL, folder=root.parent, column=column)


def _add(row: Row, listed: Listed) -> None:
    images = [_locate(text, listed.root) for text in row.images]
    mask = _locate(row.mask, listed.root) if row.mask else None
    missing = [path for path in (*images, mask) if path is not None and not _is_file(path)]
    for path in missing:
        message = f"{row.where} names a file that does not exist"
        remedy = "Correct the path (relative to the list, or absolute), or remove the row"
        listed.problems.append(Problem("error", message, remedy, path))
    unreadable = [path for path in images if not is_image(path)]
    for path in unreadable:
        message = f"{row.where} names a file in a format that is not read"
        listed.problems.append(Problem("error", message, f"Convert it to {known_formats()}", path))
    if missing or unreadable:
        return
    partition = row.partition.lower()
    if partition not in {*PARTITION_NAMES, *UNLABELED, "", "none", "nan"}:
        message = f"{row.where}: '{row.partition}' is no partition"
        remedy = "Write train, validation, test, unlabeled, or nothing"
        listed.problems.append(Problem("error", message, remedy, listed.root))
        return
    if partition in UNLABELED or (mask and not _is_annotated(images, mask, row, listed)):
        mask = None
    case = Case("", tuple(images), mask, None, PARTITION_NAMES.get(partition))
    _keep(replace(case, annotated=row.annotated if mask else None), row, listed)


def _is_annotated(images: Sequence[Path], mask: Path, row: Row, listed: Listed) -> bool:
    """Whether a mask is more than a place of an annotation file that nobody has looked at."""
    if mask.suffix.lower() not in ANNOTATIONS or len(images) != 1:
        return True
    try:
        is_annotated = open_annotations(mask).picture_of(images[0]).is_annotated
    except UnreadableFileError:  # told when the mask is read
        return True
    if not is_annotated:
        message = (
            f"{row.where} names it as the mask of {images[0].name}, of which it holds nothing that "
            "a person has drawn, so that this picture counts as unlabelled"
        )
        remedy = "Annotate the picture, or leave its mask empty"
        listed.problems.append(Problem("warning", message, remedy, mask))
    return is_annotated


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that no file can have
        return False


def _keep(case: Case, row: Row, listed: Listed) -> None:
    """Add `case` under an id of its own; an image that is listed twice is an error."""
    first = case.images[0]
    name = relative_path(first, listed.root).lstrip("/")
    short = split_name(name)[0]
    for key in (short, name):
        other = listed.cases.get(key)
        if other is None:
            listed.cases[key] = replace(case, id=key)
            if row.patient:
                listed.patients[key] = row.patient
            return
        if other.images[0] == first:
            break
    listed.problems.append(
        Problem("error", f"{row.where} names this image again", "Remove one of the rows", first)
    )


def _locate(text: str, root: Path) -> Path:
    """The path that a list means; `./` and `..` are taken out, links stay."""
    path = text.replace("\\", "/") if os.sep == "/" else text
    return Path(os.path.normpath(root / path))
