"""Finding the data of a benchmark, or saying what is missing and where it is had."""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ecs_med.data.layout import available_layouts
from ecs_med.errors import DataError, SettingsError
from ecs_med.types import Case, Partition, Problem
from ecs_med_datasets.data_sources import SOURCES, DataPart, DataSource

__all__ = [
    "DATA_VARIABLE",
    "count_problem",
    "find_data",
    "missing_parts",
    "missing_problems",
    "source_named",
]

_NUM_SHOWN = 3

DATA_VARIABLE = "ECS_MED_DATA"
"""Environment variable with a folder of data sets, used where no folder is given."""


def find_data(name: str, given: Path | None = None) -> Path:
    """The folder of a benchmark's data.

    Looked at are `given`, else the folder in `ECS_MED_DATA`: first its subfolders with one
    of the data set's usual names, then the folder itself. Where any folder of pictures
    would do, the folder itself must be given, or have one of these names.

    Args:
        name: Name of the data set, such as `voc`.
        given: What the user says; it may hold the data set, or a folder of it.

    Raises:
        SettingsError: If no data set has this name.
        DataError: If no folder is known or the data is not in it; the sentence says what is
            missing, where it is had, how large it is and under which licence.
    """
    source = source_named(name)
    from_variable = os.environ.get(DATA_VARIABLE)
    if given is None and not from_variable:
        raise DataError(
            f"{source.title}: no folder was named; give `data=FOLDER` or set {DATA_VARIABLE}."
            f" {_where_to_get(source, list(source.parts))}"
        )
    root = given if given is not None else Path(from_variable or "").expanduser()
    origin = "`data`" if given is not None else DATA_VARIABLE
    if not root.is_dir():
        raise DataError(f"{root}: no such folder; check {origin}.")
    candidates = [root / folder for folder in source.folders if (root / folder).is_dir()]
    if given is not None or "folder" not in source.layouts or root.name in source.folders:
        candidates.append(root)
    for candidate in candidates:
        if _layout_of(candidate) in source.layouts:
            return candidate
    missing = missing_parts(source, root) or list(source.parts)
    raise DataError(
        f"{root}: holds no {source.title} ({_what_is_missing(missing, root)}); unpack it there, or"
        f" correct {origin}. {_where_to_get(source, missing)}"
    )


def missing_parts(source: DataSource, root: Path) -> list[DataPart]:
    """Parts of a data set that are not below `root`, such as SBD beside VOC."""
    places = [root, *(root / folder for folder in source.folders)]
    return [part for part in source.parts if all(part.missing(place) for place in places)]


def source_named(name: str) -> DataSource:
    """The data set called `name`.

    Raises:
        SettingsError: If there is none.
    """
    if name not in SOURCES:
        raise SettingsError(f"'{name}' is no data set; known are: {', '.join(SOURCES)}.")
    return SOURCES[name]


def count_problem(
    cases: Sequence[Case],
    published: Mapping[Partition, int],
    title: str,
    root: Path,
    remedy: str,
) -> Problem:
    """Compare the number of cases with masks to what literature uses.

    Args:
        cases: All cases; only those with a mask count.
        published: Number of cases by partition.
        title: Name of the data set, for the sentence.
        root: The folder, for the sentence.
        remedy: What to do where numbers differ, without a full stop.

    Returns:
        A note where all numbers agree, else a warning that names both.
    """
    found = {
        partition: sum(c.mask is not None and c.partition == partition for c in cases)
        for partition in published
    }
    counts = ", ".join(f"{number:,} {partition}" for partition, number in found.items())
    if found == dict(published):
        return Problem("note", f"{counts} cases with masks, as published for {title}", path=root)
    wanted = ", ".join(f"{number:,} {partition}" for partition, number in published.items())
    return Problem(
        "warning",
        f"{counts} cases with masks, where {title} has {wanted}; scores on it are not comparable"
        " with published ones",
        remedy,
        root,
    )


def missing_problems(names: Collection[str], what: str, folder: Path, remedy: str) -> list[Problem]:
    """One error for files (`what`: images or masks) that a list names and `folder` lacks."""
    if not names:
        return []
    shown = ", ".join(sorted(names)[:_NUM_SHOWN]) + (", ..." if len(names) > _NUM_SHOWN else "")
    return [Problem("error", f"{len(names):,} listed {what} are missing ({shown})", remedy, folder)]


def _layout_of(folder: Path) -> str | None:
    layouts = available_layouts().values()
    return next((layout.name for layout in layouts if layout.recognizes(folder)), None)


def _what_is_missing(parts: list[DataPart], root: Path) -> str:
    paths = [path for part in parts for path in part.missing(root)]
    return f"missing are {', '.join(paths)}" if paths else "its files are not as published"


def _where_to_get(source: DataSource, parts: list[DataPart]) -> str:
    places = [
        f"{part.title} ({part.size}) is at {part.url}{', with a free account' * part.login}"
        for part in parts
    ]
    return f"{'; '.join(places)}; licence: {source.license}."
