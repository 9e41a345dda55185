"""Layouts `coco`, `cvat-xml`, `label-studio`, `via`: files that list the pictures of a data set."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import Layout
from ecs_med.data.masks.structures import plain_name
from ecs_med.data.readers import is_image, known_formats
from ecs_med.data.readers.annotations.base import AnnotatedPicture, AnnotationFile
from ecs_med.data.readers.annotations.opening import AnnotationKind, looks_like, open_annotations
from ecs_med.errors import DataError
from ecs_med.types import Case, CaseCollection, Partition, Problem
from ecs_med_datasets.annotation_files import find_files, holds_masks
from ecs_med_datasets.collecting import collect, partition_of, settle_partitions
from ecs_med_datasets.naming import MASK_NAMES, PARTITION_NAMES, STRUCTURAL, mask_base
from ecs_med_datasets.scanning import index_files, split_name

__all__ = ["CocoLayout", "CvatXmlLayout", "LabelStudioLayout", "ViaLayout"]


@dataclass(slots=True)
class Listed:
    """What has been taken from annotation files so far.

    Attributes:
        folder: That ids of cases are relative to.
        cases: By the path of the picture.
        problems: What was found.
    """

    folder: Path
    cases: dict[Path, Case] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


class _ListingFiles(Layout):
    priority = 35
    kind: ClassVar[AnnotationKind]
    title: ClassVar[str]
    expected: ClassVar[str]

    def recognizes(self, root: Path) -> bool:
        """Whether `root` is such a file, or holds one and no folder of masks."""
        if root.is_file():
            return looks_like(root, self.kind)
        return root.is_dir() and bool(find_files(root, self.kind)) and not holds_masks(root)

    def read(self, root: Path, settings: ReadingSettings) -> CaseCollection:
        """List the pictures of all files, and those beside them as unlabelled.

        Raises:
            DataError: If there is no such file, one is damaged, or no picture is there.
        """
        paths = [root] if root.is_file() else find_files(root, self.kind)
        if not paths:
            raise DataError(f"{root}: holds no file of {self.title}; expected {self.expected}.")
        folder = root if root.is_dir() else root.parent
        listed = Listed(folder)
        opened = [open_annotations(path) for path in paths]
        # What was exported from a tool lies beside the draft that had been given to it.
        files = [file for file in opened if not file.is_draft] or opened
        for file in files:
            _take(file, listed)
        if not listed.cases:
            raise DataError(next(problem.sentence() for problem in listed.problems))
        if root.is_dir():
            _take_unlabeled(root, listed)
        found = CaseCollection(
            name=root.resolve().stem or "data",
            root=root,
            layout=self.name,
            cases=settle_partitions(_with_ids(listed)),
            labels=self._labels(files),
            problems=tuple(listed.problems),
        )
        return collect(found, settings, STRUCTURAL, folder=folder)

    def _labels(self, files: Sequence[AnnotationFile]) -> dict[int, str] | None:
        return None


class CocoLayout(_ListingFiles):
    """Files of COCO, such as `annotations/instances_train.json`, `_annotations.coco.json`.

    Pictures are relative to the folder of the file, to `images/` in it or beside it, or to the
    folder of the set, `train2017/`. Every picture that a file lists is labelled, whether an object
    is on it or not; pictures beside them are unlabelled.
    """

    name = "coco"
    kind = "coco"
    title = "COCO"
    expected = "a JSON file with images, annotations and categories beside the pictures"

    def _labels(self, files: Sequence[AnnotationFile]) -> dict[int, str] | None:
        """Classes in the order of the categories, those of the first file first."""
        names: dict[str, str] = {}
        for file in files:
            for name in file.names.values():
                names.setdefault(plain_name(name), name)
        return {0: "background", **dict(enumerate(names.values(), start=1))} if names else None


class CvatXmlLayout(_ListingFiles):
    """What CVAT exports as "CVAT for images 1.1": `annotations.xml` beside `images/`.

    A picture without a shape and without a tag is unlabelled: a task lists its pictures before
    anybody has looked at them.
    """

    name = "cvat-xml"
    kind = "cvat-xml"
    title = "CVAT for images 1.1"
    expected = "annotations.xml beside images/"


class LabelStudioLayout(_ListingFiles):
    """What Label Studio exports as JSON, beside the pictures or their folder `images/`.

    A task without an annotation is unlabelled.
    """

    name = "label-studio"
    kind = "label-studio"
    title = "Label Studio"
    expected = "its export as JSON (not JSON-MIN) beside images/"


class ViaLayout(_ListingFiles):
    """What VGG Image Annotator 2 saves or exports, beside the pictures or their folder `images/`.

    A picture without a region is unlabelled, unless an attribute of it is set.
    """

    name = "via"
    kind = "via"
    title = "VGG Image Annotator"
    expected = "its project, or its annotations as JSON or CSV, beside images/"


def _take(file: AnnotationFile, listed: Listed) -> None:
    """Add the pictures of one file."""
    missing: list[str] = []
    empty = 0
    for picture in file.pictures.values():
        path = file.locate(picture)
        if path is None:
            missing.append(picture.name)
        elif not is_image(path):
            message = f"is listed in {file.path.name}, in a format that is not read"
            remedy = f"Convert it to {known_formats()}"
            listed.problems.append(Problem("error", message, remedy, path))
        elif path in listed.cases:
            message = f"is listed in {file.path} and in {listed.cases[path].mask or 'another file'}"
            remedy = "Remove it from one of them"
            listed.problems.append(Problem("error", message, remedy, path))
        else:
            mask = file.path if picture.is_annotated else None
            partition = _partition(file.path, picture, path, listed.folder)
            listed.cases[path] = Case("", (path,), mask, partition=partition)
            empty += mask is not None and file.is_empty(picture)
    listed.problems += _findings(file, missing, empty)


def _findings(file: AnnotationFile, missing: Sequence[str], empty: int) -> Iterator[Problem]:
    total = len(file.pictures)
    if missing or not total:
        message = f"{len(missing):,} of {total:,} pictures that it lists are not there"
        message += f", such as {missing[0]}" if missing else ""
        remedy = "Put them beside this file or into images/ there, or list those alone that exist"
        yield Problem("error", message, remedy, file.path)
    if file.is_draft:
        message = "holds nothing that a person has drawn, so its pictures count as unlabelled"
        remedy = "Put what the annotation tool exports in its place"
        yield Problem("warning", message, remedy, file.path)
    elif empty:
        message = f"{empty:,} of {total:,} pictures have no object and count as all background"
        yield Problem("note", message, path=file.path)


def _partition(file: Path, picture: AnnotatedPicture, path: Path, folder: Path) -> Partition | None:
    """What the file's folder or name says, else the picture's subset or folder."""
    words = [word for word in re.split(r"[^a-z]+", file.stem.lower()) if word in PARTITION_NAMES]
    of_file = partition_of(_below(file.parent, folder)) or partition_of("/".join(words))
    return of_file or partition_of(picture.subset) or partition_of(_below(path.parent, folder))


def _take_unlabeled(root: Path, listed: Listed) -> None:
    """Add the pictures that no file lists, but for masks beside their pictures."""
    index = index_files(root, skip=MASK_NAMES)
    listed.problems += index.problems
    known = {os.path.abspath(path) for path in listed.cases}  # noqa: PTH100
    for key in index.suffixes:
        path, base = index.path(key), mask_base(key)
        if os.path.abspath(path) in known or (base and base in index.suffixes):  # noqa: PTH100
            continue
        partition = partition_of(key.rpartition("/")[0])
        listed.cases[path] = Case("", (path,), partition=partition)


def _with_ids(listed: Listed) -> list[Case]:
    """The cases with ids: the path without suffix, or with it where two would be the same."""
    names = {path: _below(path, listed.folder) for path in listed.cases}
    short: dict[str, int] = {}
    for name in names.values():
        stem = split_name(name)[0]
        short[stem] = short.get(stem, 0) + 1
    cases = []
    for path, case in listed.cases.items():
        stem = split_name(names[path])[0]
        id_ = stem if short[stem] == 1 else names[path]
        cases.append(Case(id_, case.images, case.mask, partition=case.partition))
    return cases


def _below(path: Path, folder: Path) -> str:
    """A path below the data, or beside it where the file of a folder `annotations` was given."""
    return Path(os.path.relpath(path, folder)).as_posix().replace("../", "")
