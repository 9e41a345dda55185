"""Layout `camvid`: CamVid as SegNet's authors prepared it, 11 classes and void."""

import re
from collections.abc import Mapping
from pathlib import Path

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import Layout
from ecs_med.errors import DataError
from ecs_med.types import Case, CaseCollection, Partition, Problem
from ecs_med_datasets.collecting import collect
from ecs_med_datasets.data_root import count_problem
from ecs_med_datasets.scanning import index_files, list_folders

__all__ = ["CLASS_NAMES", "NUM_CASES", "VOID_VALUE", "CamVidLayout", "find_camvid"]

CLASS_NAMES = (
    *("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car"),
    *("pedestrian", "bicyclist"),
)
"""The 11 classes of SegNet (Badrinarayanan et al. 2017) in the order of mask values 0 to 10."""

VOID_VALUE = 11
NUM_CASES: Mapping[Partition, int] = {"train": 367, "validation": 101, "test": 233}
PARTS: Mapping[str, Partition] = {"train": "train", "val": "validation", "test": "test"}
STRUCTURAL = frozenset({"camvid", "train", "val", "test"})
VIDEO = re.compile(r"(0001TP|0006R0|0016E5|Seq05VD)_\w+")
"""Names of images begin with the video that they are from."""
REMEDY = "Take the folder CamVid of SegNet's tutorial again"


class CamVidLayout(Layout):
    """`train/` beside `trainannot/`, and so `val` and `test`; or their parent.

    Masks are PNG of class numbers with 11 for void. The 701 pictures are frames of four
    videos; `patient='regex:(0001TP|0006R0|0016E5|Seq05VD)'` names the video.
    """

    name = "camvid"
    priority = 40

    def recognizes(self, root: Path) -> bool:
        """Whether `train` and `trainannot` are there, with images named as in CamVid."""
        return find_camvid(root) is not None

    def read(self, root: Path, settings: ReadingSettings) -> CaseCollection:
        """List the cases of the three parts.

        Raises:
            DataError: If the folders are missing or hold no image of CamVid.
        """
        folder = find_camvid(root)
        if folder is None:
            raise DataError(
                f"{root}: not CamVid as of SegNet; expected train/ beside trainannot/, with images"
                " such as 0001TP_006690.png."
            )
        problems: list[Problem] = []
        cases: list[Case] = []
        for part, partition in PARTS.items():
            images = index_files(folder / part)
            masks = index_files(folder / f"{part}annot")
            problems += [*images.findings("image"), *masks.problems]
            cases += [
                Case(
                    id=f"{part}/{key}",
                    images=(images.path(key),),
                    mask=masks.path(key) if key in masks.suffixes else None,
                    partition=partition,
                )
                for key in images.suffixes
            ]
        problems.append(count_problem(cases, NUM_CASES, "CamVid", root, REMEDY))
        found = CaseCollection(
            name="camvid",
            root=root,
            layout=self.name,
            cases=tuple(cases),
            labels={**dict(enumerate(CLASS_NAMES)), VOID_VALUE: "ignore"},
            problems=tuple(problems),
        )
        return collect(found, settings, STRUCTURAL, folder=folder)


def find_camvid(root: Path) -> Path | None:
    """The folder of `train` and `trainannot` in `root`; `None` where it is not there."""
    for folder in (root, root / "CamVid", root / "camvid"):
        if not {"train", "trainannot"} <= set(list_folders(folder)):
            continue
        names = index_files(folder / "train", recursive=False).suffixes
        if names and VIDEO.fullmatch(next(iter(names))):
            return folder
    return None
