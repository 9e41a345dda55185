"""Layout `supervisely`: a project with `meta.json`, and data sets of `img/` beside `ann/`."""

import json
from pathlib import Path
from typing import Any

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import Layout
from ecs_med.data.masks.structures import plain_name
from ecs_med.data.readers.annotations.opening import open_annotations
from ecs_med.data.readers.annotations.supervisely import SuperviselyFile
from ecs_med.errors import DataError, UnreadableFileError
from ecs_med.files import regular_file
from ecs_med.types import Case, CaseCollection, Problem
from ecs_med_datasets.collecting import collect, collection_of, partition_of
from ecs_med_datasets.naming import STRUCTURAL
from ecs_med_datasets.scanning import index_files, list_folders

__all__ = ["SuperviselyLayout"]

META, IMAGES, ANNOTATIONS = "meta.json", "img", "ann"
_MAX_BYTES = 2**24
_BACKGROUND = ("background", "_background_", "__background__", "ignore", "__ignore__", "_ignore_")


class SuperviselyLayout(Layout):
    """Data sets of a project, each with `img/a.png` and `ann/a.png.json`.

    Classes are those of `meta.json` in their order. A picture whose file has neither an object nor
    a tag is unlabelled, as is one without a file. Data sets called as partitions give these.
    """

    name = "supervisely"
    priority = 36

    def recognizes(self, root: Path) -> bool:
        """Whether `meta.json` lies beside a data set."""
        return (root / META).is_file() and bool(_sets(root))

    def read(self, root: Path, settings: ReadingSettings) -> CaseCollection:
        """List the pictures of all data sets.

        Raises:
            DataError: If there are none, or `meta.json` is damaged.
        """
        if not self.recognizes(root):
            raise DataError(
                f"{root}: no project of Supervisely; expected {META} beside folders with "
                f"{IMAGES}/ and {ANNOTATIONS}/."
            )
        labels = _classes(root / META)
        known = {plain_name(name) for name in labels.values()}
        problems: list[Problem] = []
        cases = []
        for name in _sets(root):
            images = index_files(root / name / IMAGES)
            problems += images.findings("image")
            for key, suffix in images.suffixes.items():
                path = root / name / ANNOTATIONS / f"{key}{suffix}.json"
                mask = _mask(path, known, problems)
                id_ = f"{name}/{IMAGES}/{key}"
                cases.append(Case(id_, (images.path(key),), mask, partition=partition_of(name)))
        if not cases:
            raise DataError(f"{root}: its {IMAGES}/ hold no picture; export with the images.")
        found = collection_of(root, self.name, cases, problems, labels)
        return collect(found, settings, STRUCTURAL | {IMAGES, ANNOTATIONS}, accounted=False)


def _sets(root: Path) -> list[str]:
    return [
        name
        for name in list_folders(root)
        if (root / name / IMAGES).is_dir() and (root / name / ANNOTATIONS).is_dir()
    ]


def _mask(path: Path, known: set[str], problems: list[Problem]) -> Path | None:
    """The annotation file of a picture, if somebody has annotated it; what is wrong is told."""
    if not path.is_file():
        return None
    try:
        file = open_annotations(path)
        if not isinstance(file, SuperviselyFile):
            raise UnreadableFileError(path, "is no file of Supervisely", "export it again")
    except UnreadableFileError as error:
        problems.append(Problem.from_error(error, [path]))
        return None
    strange = [name for name in file.names.values() if plain_name(name) not in known]
    if strange:
        message = f"has objects of the class '{strange[0][:80]}', which {META} does not list"
        problems.append(Problem("error", message, "Export it again", path))
        return None
    (picture,) = file.pictures.values()
    return path if picture.is_annotated else None


def _classes(path: Path) -> dict[int, str]:
    """Name of each class by its number, background first."""
    try:
        if regular_file(path).stat().st_size > _MAX_BYTES:
            raise ValueError("larger than 16 MiB")
        content: Any = json.loads(path.read_text(encoding="utf-8-sig"))
        names = [entry["title"] for entry in content["classes"]]
        if not all(isinstance(name, str) for name in names):
            raise ValueError("a title that is no text")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{path}: its classes cannot be read ({error}); export the project again."
        ) from None
    drawn = [name for name in dict.fromkeys(names) if name.casefold() not in _BACKGROUND]
    return {0: "background", **dict(enumerate(drawn, start=1))}
