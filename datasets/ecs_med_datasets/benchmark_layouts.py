"""Layouts of published benchmarks: what they have in common, CamVid, and Cityscapes."""

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import Layout
from ecs_med.errors import DataError
from ecs_med.types import Case, CaseCollection, Partition, Problem
from ecs_med_datasets.collecting import collect
from ecs_med_datasets.scanning import index_files, list_folders

__all__ = ["CamVidLayout", "CityscapesLayout", "PublishedLayout"]


class PublishedLayout(Layout):
    """A data set whose folders, classes and numbers of cases its authors have published."""

    priority = 40

    title: ClassVar[str]
    """As people call it, where its numbers are compared."""
    refusal: ClassVar[str]
    """What another folder is told: what it is not, and what is expected."""
    remedy: ClassVar[str]
    """What to do where something of it is missing, without a full stop."""
    class_names: ClassVar[tuple[str, ...]]
    """Classes in the order in which they are trained and scored."""
    labels: ClassVar[Mapping[int, str]]
    """Class name by stored mask value; `void` is no class."""
    num_cases: ClassVar[Mapping[Partition, int]]
    """Cases with masks that literature uses."""
    structural: ClassVar[frozenset[str]]
    """Lower-case names of its folders, which are nobody's patient."""
    is_upright: ClassVar[bool] = True
    """Whether its pictures have an up; photographs do."""

    @abstractmethod
    def find(self, root: Path) -> Path | None:
        """The folder of the data set in `root`; `None` where it is not there."""

    @abstractmethod
    def list_cases(self, folder: Path, root: Path, problems: list[Problem]) -> Sequence[Case]:
        """The cases below `folder`, with what is wrong with them in `problems`."""

    def remedy_for(self, cases: Sequence[Case]) -> str:
        """What to do where the numbers of these cases are not those of literature."""
        return self.remedy

    def recognizes(self, root: Path) -> bool:
        """Whether its folders and names are there."""
        return self.find(root) is not None

    def read(self, root: Path, settings: ReadingSettings) -> CaseCollection:
        """List the cases.

        Raises:
            DataError: If a folder is missing, or nothing of the data set is there.
        """
        folder = self.find(root)
        if folder is None:
            raise DataError(f"{root}: {self.refusal}.")
        problems: list[Problem] = []
        cases = self.list_cases(folder, root, problems)
        problems.append(self._compare_numbers(cases, root))
        found = CaseCollection(
            self.name,
            root,
            self.name,
            tuple(cases),
            self.labels,
            tuple(problems),
            self.is_upright,
        )
        return collect(found, settings, self.structural, accounted=False)

    def _compare_numbers(self, cases: Sequence[Case], root: Path) -> Problem:
        """A note where the numbers of cases with masks are as published, else a warning."""
        found = {
            partition: sum(c.mask is not None and c.partition == partition for c in cases)
            for partition in self.num_cases
        }
        counts = _in_words(found)
        if found == dict(self.num_cases):
            return Problem(
                "note", f"{counts} cases with masks, as published for {self.title}", path=root
            )
        return Problem(
            "warning",
            f"{counts} cases with masks, where {self.title} has {_in_words(self.num_cases)};"
            " scores on it are not comparable with published ones",
            self.remedy_for(cases),
            root,
        )


def _in_words(numbers: Mapping[Partition, int]) -> str:
    return ", ".join(f"{number:,} {partition}" for partition, number in numbers.items())


class CamVidLayout(PublishedLayout):
    """CamVid as SegNet's authors prepared it: `train/` beside `trainannot/`, so `val` and `test`.

    Masks are PNG of class numbers with 11 for void. The 701 pictures are frames of four
    videos; `patient='regex:(0001TP|0006R0|0016E5|Seq05VD)'` names the video.

    Source: Badrinarayanan et al. 2017, SegNet.
    """

    name = "camvid"
    title = "CamVid"
    refusal = (
        "not CamVid as of SegNet; expected train/ beside trainannot/, with images such as"
        " 0001TP_006690.png"
    )
    remedy = "Take the folder CamVid of SegNet's tutorial again"
    class_names = (
        *("sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car"),
        *("pedestrian", "bicyclist"),
    )
    labels: ClassVar[Mapping[int, str]] = {**dict(enumerate(class_names)), 11: "void"}
    num_cases: ClassVar[Mapping[Partition, int]] = {"train": 367, "validation": 101, "test": 233}
    structural = frozenset({"camvid", "train", "val", "test"})
    parts: ClassVar[dict[str, Partition]] = {"train": "train", "val": "validation", "test": "test"}
    video = re.compile(r"(0001TP|0006R0|0016E5|Seq05VD)_\w+")
    """Names of images begin with the video that they are from."""

    def find(self, root: Path) -> Path | None:
        """The folder of `train` and `trainannot`, with images named as in CamVid."""
        for folder in (root, root / "CamVid", root / "camvid"):
            if {"train", "trainannot"} <= set(list_folders(folder)):
                names = index_files(folder / "train", recursive=False).suffixes
                if names and self.video.fullmatch(next(iter(names))):
                    return folder
        return None

    def list_cases(self, folder: Path, root: Path, problems: list[Problem]) -> Sequence[Case]:
        """Those of the three parts."""
        cases = []
        for part, partition in self.parts.items():
            images, masks = index_files(folder / part), index_files(folder / f"{part}annot")
            problems += [*images.findings("image"), *masks.problems]
            cases += [
                Case(f"{part}/{key}", (images.path(key),), masks.get(key), None, partition)
                for key in images.suffixes
            ]
        return cases


class CityscapesLayout(PublishedLayout):
    """`leftImg8bit/{train,val}/CITY/` beside `gtFine/{train,val}/CITY/`, or their parent.

    Masks are the `_gtFine_labelIds.png` as they are unpacked; nothing need be converted. The
    masks of the test cities are not public (their files hold no classes), so `test/` is not
    used. With `patient=folder`, images of one city stay together.

    Source: `cityscapesscripts/helpers/labels.py` of the data set's own tools.
    """

    name = "cityscapes"
    title = "Cityscapes"
    refusal = "not Cityscapes; expected leftImg8bit/ beside gtFine/, each with train/ and val/"
    remedy = "Unpack leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip again"
    class_names = (
        *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light"),
        *("traffic sign", "vegetation", "terrain", "sky", "person", "rider", "car", "truck"),
        *("bus", "train", "motorcycle", "bicycle"),
    )
    class_ids = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
    """Value of each class in `_labelIds.png`; the other 15 of the 34 ids are not scored."""
    labels: ClassVar[Mapping[int, str]] = {
        **dict.fromkeys(range(34), "void"),
        **dict(zip(class_ids, class_names, strict=True)),
    }
    num_cases: ClassVar[Mapping[Partition, int]] = {"train": 2_975, "validation": 500}
    structural = frozenset({"cityscapes", "leftimg8bit", "train", "val"})
    parts: ClassVar[Mapping[str, Partition]] = {"train": "train", "val": "validation"}
    image_end = "_leftImg8bit"
    mask_end = "_gtFine_labelIds"

    def find(self, root: Path) -> Path | None:
        """The folder of `leftImg8bit` and `gtFine`."""
        for folder in (root, root / "cityscapes", root / "Cityscapes"):
            if (folder / "leftImg8bit").is_dir() and (folder / "gtFine").is_dir():
                return folder
        return None

    def list_cases(self, folder: Path, root: Path, problems: list[Problem]) -> Sequence[Case]:
        """Those of the training and validation cities."""
        cases = []
        for part, partition in self.parts.items():
            images = index_files(folder / "leftImg8bit" / part)
            masks = index_files(folder / "gtFine" / part)
            problems += [*images.problems, *masks.problems]
            for key in images.suffixes:
                if key.endswith(self.image_end):
                    name, files = f"leftImg8bit/{part}/{key}", (images.path(key),)
                    mask = masks.get(key.removesuffix(self.image_end) + self.mask_end)
                    cases.append(Case(name, files, mask, None, partition))
        if not cases:
            raise DataError(
                f"{folder / 'leftImg8bit'}: no image named CITY_000000_000000{self.image_end}.png"
                f" in train/ or val/; {self.remedy}."
            )
        if (folder / "leftImg8bit" / "test").is_dir():
            note = "test images are not used, because their masks are not public"
            problems.append(Problem("note", note, path=folder / "leftImg8bit" / "test"))
        return cases
