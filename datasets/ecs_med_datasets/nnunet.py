"""Layout `nnunet`: raw data of nnU-Net, one file a channel (`CASE_0000`, `CASE_0001`)."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from ecs_med.data.readers import reader_of
from ecs_med.errors import DataError
from ecs_med.types import Case, Partition, Problem
from ecs_med_datasets.matching import match
from ecs_med_datasets.msd import MsdLayout, partitions_of
from ecs_med_datasets.pairing import problems_of
from ecs_med_datasets.scanning import FileIndex, index_files, split_name

__all__ = ["NnUNetLayout"]

CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>\d{4})")


class NnUNetLayout(MsdLayout):
    """`imagesTr/CASE_0000.nii.gz` and so on beside `labelsTr/CASE.nii.gz`.

    `dataset.json` may have either form: `modality` and labels by value, or
    `channel_names`, `file_ending` and values by label. `imagesTs` is the test
    partition if `labelsTs` is there, and holds unlabelled images if it is not.
    """

    name = "nnunet"
    priority = 20
    reads_names_only = True

    def recognizes(self, root: Path) -> bool:
        """Whether files in `imagesTr` end in a channel number that their masks do not have."""
        if not (root / "imagesTr").is_dir():
            return False
        images = index_files(root / "imagesTr", recursive=False).suffixes
        masks = index_files(root / "labelsTr", recursive=False).suffixes
        numbered = [m for key in islice(images, 1000) if (m := CHANNEL.fullmatch(key))]
        as_images = sum(found[0] in masks for found in numbered)
        as_cases = sum(found["case"] in masks for found in numbered)
        return bool(numbered) and (not as_images or as_cases > as_images)

    def list_cases(
        self, root: Path, description: Mapping[str, Any], problems: list[Problem]
    ) -> list[Case]:
        """As of `msd`, with the channel files of a case together."""
        cases: list[Case] = []
        for part, partition in partitions_of(root, problems):
            cases += _read_part(root, part, partition, problems)
        if not cases:
            raise DataError(
                f"{root / 'imagesTr'}: no file with a channel number; expected names such as"
                " CASE_0000.nii.gz (for names without number use `layout=msd`)."
            )
        problems += _channel_problems(cases, description, root)
        return cases


def _read_part(
    root: Path, part: str, partition: Partition | None, problems: list[Problem]
) -> list[Case]:
    images = index_files(root / f"images{part}")
    problems += images.findings("image")
    masks = FileIndex(root / f"labels{part}")
    if masks.folder.is_dir():
        masks = index_files(masks.folder)
        problems += masks.findings("mask")
    channels, unnumbered = _group_channels(images, masks)
    for key in unnumbered:
        message = "no channel number at the end of the name, so the file is not used"
        remedy = f"Rename it to {key.rpartition('/')[2]}_0000{images.suffixes[key]}"
        problems.append(Problem("warning", message, remedy, images.path(key)))
    found = match(channels, masks.suffixes)
    others = [*_cases_of(images.foreign), *(f"{key}." for key in unnumbered)]
    cases = FileIndex(images.folder, {key: "" for key in channels}, foreign=others)
    problems += problems_of(found, cases, masks)
    mask_of = {key: masks.path(mask) for key, mask in found.mask_of.items()}
    return [
        Case(
            f"images{part}/{key}", tuple(map(images.path, keys)), mask_of.get(key), None, partition
        )
        for key, keys in channels.items()
    ]


def _cases_of(names: Iterable[str]) -> list[str]:
    """Names of files of which no case is made, without their channel numbers."""
    return [re.sub(r"_\d{4}(?=\.)", "", name) for name in names]


def _group_channels(images: FileIndex, masks: FileIndex) -> tuple[dict[str, list[str]], list[str]]:
    """Keys of the channel files in channel order, by case; and keys without a channel number.

    Four digits that the mask has as well, while there is none without them, belong to the case.
    """
    channels: dict[str, list[str]] = {}
    unnumbered: list[str] = []
    for key in images.suffixes:
        found = CHANNEL.fullmatch(key)
        if found and not (key in masks.suffixes and found["case"] not in masks.suffixes):
            channels.setdefault(found["case"], []).append(key)
        else:
            unnumbered.append(key)
    return channels, unnumbered


def _channel_problems(
    cases: list[Case], description: Mapping[str, Any], root: Path
) -> list[Problem]:
    """Find cases whose number of channels differs from what is declared, or from the most."""
    declared = description.get("channel_names", description.get("modality"))
    if isinstance(declared, Mapping) and declared:
        expected, origin = len(declared), "dataset.json declares"
    else:
        counts = Counter(len(case.images) for case in cases)
        expected, origin = counts.most_common(1)[0][0], "most cases have"
    problems = []
    for case in cases:
        if _is_color(case, declared):
            continue
        numbers = [_channel_of(path) for path in case.images]
        missing = sorted({*range(max(expected, numbers[-1] + 1))} - {*numbers})
        beyond = [number for number in numbers if number >= expected]
        if not missing and not beyond:
            continue
        there = _listed(numbers)
        message = f"{len(numbers)} channel file(s) ({there}), where {origin} {expected}"
        remedy = "Remove the channel, or correct the numbers at the end of the names"
        if missing:
            message += f"; missing: {_listed(missing)}"
            remedy = "Add the missing channel, correct the number in the name, or remove the case"
        problems.append(Problem("error", message, remedy, case.images[0]))
    return problems


def _listed(numbers: Iterable[int]) -> str:
    texts = [f"{number:04d}" for number in numbers]
    return ", ".join(texts if len(texts) < 5 else (*texts[:2], "...", texts[-1]))


def _channel_of(path: Path) -> int:
    found = CHANNEL.fullmatch(split_name(path.name)[0])
    assert found is not None
    return int(found["channel"])


def _is_color(case: Case, declared: Any) -> bool:
    """Whether one picture stands for the three declared colour channels."""
    return (
        isinstance(declared, Mapping)
        and len(declared) == 3
        and len(case.images) == 1
        and reader_of(case.images).holds_colors
    )
