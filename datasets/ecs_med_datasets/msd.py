"""Layout `msd`: imagesTr beside labelsTr, as in the Medical Segmentation Decathlon."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import Layout
from ecs_med.errors import DataError
from ecs_med.types import Case, CaseCollection, Partition, Problem
from ecs_med_datasets.accounting import nothing_readable
from ecs_med_datasets.collecting import collect
from ecs_med_datasets.naming import relative_path
from ecs_med_datasets.pairing import pair
from ecs_med_datasets.scanning import index_files

__all__ = ["MsdLayout", "partitions_of"]

STRUCTURAL = frozenset({"imagestr", "imagests", "labelstr", "labelsts"})
MAX_BYTES = 64 * 2**20


class MsdLayout(Layout):
    """`imagesTr/` beside `labelsTr/`, with or without a `dataset.json`.

    Files are matched by name; the pairs that `dataset.json` lists are used where
    their names differ. `imagesTs/` is the test partition if `labelsTs/` is there,
    and holds unlabelled images if it is not.
    """

    name = "msd"
    priority = 10
    reads_names_only = True

    def recognizes(self, root: Path) -> bool:
        """Whether `root` has a folder `imagesTr`."""
        return (root / "imagesTr").is_dir()

    def read(self, root: Path, settings: ReadingSettings) -> CaseCollection:
        """List the cases below `root`.

        Raises:
            DataError: If `imagesTr` is missing or holds nothing that fits, or `dataset.json` is no
                valid JSON.
        """
        if not (root / "imagesTr").is_dir():
            raise DataError(f"{root}: no folder imagesTr; expected imagesTr/ beside labelsTr/.")
        description = _read_description(root)
        problems: list[Problem] = []
        cases = self.list_cases(root, description, problems)
        found = CaseCollection(
            name=root.resolve().name or "data",
            root=root,
            layout=self.name,
            cases=tuple(cases),
            labels=_read_labels_entry(description, root, problems),
            problems=tuple(problems),
        )
        return collect(found, settings, STRUCTURAL)

    def list_cases(
        self, root: Path, description: Mapping[str, Any], problems: list[Problem]
    ) -> list[Case]:
        """The cases of the folders of images, with what is wrong with them in `problems`."""
        listed = _listed_masks(description, root, problems)
        cases: list[Case] = []
        for part, partition in partitions_of(root, problems):
            cases += _read_part(root, part, partition, listed, problems)
        if not cases:
            raise DataError(f"{root}: no readable image in imagesTr/; {nothing_readable(root)}.")
        return cases


def _read_description(root: Path) -> Mapping[str, Any]:
    """Read `dataset.json`; empty if there is none.

    Raises:
        DataError: If it is too large, no JSON, or no object.
    """
    path = root / "dataset.json"
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path}: larger than 64 MB; this is no data set description.")
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: not readable as JSON ({error}); repair or remove it.") from None
    if not isinstance(values, Mapping):
        raise DataError(f"{path}: expected a JSON object; repair or remove it.")
    return values


def _read_labels_entry(
    description: Mapping[str, Any], root: Path, problems: list[Problem]
) -> dict[int, str] | None:
    """Class name by value from `labels`, written either way round; `None` if there is none."""
    entry = description.get("labels")
    if not isinstance(entry, Mapping) or not entry:
        return None
    labels: dict[int, str] = {}
    for key, value in entry.items():
        number, name = (key, value) if str(key).isdigit() else (value, key)
        if isinstance(number, list | float | bool) or not str(number).isdigit():
            message = f"label '{key}' is not one value but {value!r}; names are not taken from here"
            remedy = "Name the classes with `class_names`"
            problems.append(Problem("warning", message, remedy, root / "dataset.json"))
            return None
        labels[int(number)] = str(name)
    return dict(sorted(labels.items()))


def partitions_of(root: Path, problems: list[Problem]) -> list[tuple[str, Partition | None]]:
    """The parts `Tr` and `Ts` that exist, and the partition that each stands for."""
    if not (root / "imagesTs").is_dir():
        return [("Tr", None)]
    if (root / "labelsTs").is_dir():
        return [("Tr", "train"), ("Ts", "test")]
    note = "there is no labelsTs, so these images serve as unlabelled training images"
    problems.append(Problem("note", note, path=root / "imagesTs"))
    return [("Tr", None), ("Ts", None)]


def _read_part(
    root: Path,
    part: str,
    partition: Partition | None,
    listed: Mapping[str, Path],
    problems: list[Problem],
) -> list[Case]:
    images = index_files(root / f"images{part}")
    problems += images.findings("image")
    matched: dict[str, Path] = {}
    if (root / f"labels{part}").is_dir():
        masks = index_files(root / f"labels{part}")
        problems += masks.findings("mask")
        matched, unpaired = pair(images, masks)
        known = {key: listed.get(relative_path(images.path(key), root)) for key in images.suffixes}
        used = {key: mask for key, mask in known.items() if mask is not None}
        matched |= used
        # Where some are listed it is no fault that no name fits, which is told of the folder.
        fine = {*used.values(), masks.folder} if used else set()
        problems += [problem for problem in unpaired if problem.path not in fine]
    return [
        Case(f"images{part}/{key}", (images.path(key),), matched.get(key), None, partition)
        for key in images.suffixes
    ]


def _listed_masks(
    description: Mapping[str, Any], root: Path, problems: list[Problem]
) -> dict[str, Path]:
    """Mask by image path below `root`, as `training` lists them; only files inside `root`."""
    entries = description.get("training")
    pairs: dict[str, Path] = {}
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, Mapping):
            continue
        image, label = entry.get("image"), entry.get("label")
        if not isinstance(image, str) or not isinstance(label, str):
            continue
        inside = [_inside(text) for text in (image, label)]
        if inside[0] is None or inside[1] is None:
            message = f"the entry {image} / {label} leads out of the data set and is not followed"
            remedy = "Use paths below the folder of dataset.json, or a list file"
            problems.append(Problem("warning", message, remedy, root / "dataset.json"))
        elif (root / inside[1]).is_file():
            pairs[inside[0]] = root / inside[1]
    return pairs


def _inside(text: str) -> str | None:
    """`text` as a clean relative path; `None` if it is absolute or climbs above its start."""
    normal = os.path.normpath(text.replace("\\", "/")).replace(os.sep, "/")
    if "\0" in text or normal.startswith(("/", "..")) or ":" in normal:
        return None
    return normal
