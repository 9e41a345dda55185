"""Layout `cityscapes`: leftImg8bit beside gtFine, 34 label ids of which 19 are classes."""

from collections.abc import Mapping
from pathlib import Path

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import Layout
from ecs_med.errors import DataError
from ecs_med.types import Case, CaseCollection, Partition, Problem
from ecs_med_datasets.collecting import collect
from ecs_med_datasets.data_root import count_problem
from ecs_med_datasets.scanning import index_files

__all__ = [
    "CLASS_IDS",
    "CLASS_NAMES",
    "LABELS",
    "NUM_LABEL_IDS",
    "NUM_TRAIN",
    "NUM_VAL",
    "CityscapesLayout",
    "find_cityscapes",
]

CLASS_NAMES = (
    *("road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign"),
    *("vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train"),
    *("motorcycle", "bicycle"),
)
"""The 19 classes that are trained and scored, in the order of their train ids 0 to 18."""

CLASS_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""Value of each class in `_labelIds.png`.

Source: `cityscapesscripts/helpers/labels.py` of the data set's own tools.
"""

NUM_LABEL_IDS = 34
LABELS = {
    **dict.fromkeys(range(NUM_LABEL_IDS), "ignore"),
    **dict(zip(CLASS_IDS, CLASS_NAMES, strict=True)),
}
"""Class name by value in `_labelIds.png`; the 15 ids that are not scored are void."""

NUM_TRAIN = 2_975
NUM_VAL = 500

IMAGE_END = "_leftImg8bit"
MASK_END = "_gtFine_labelIds"
STRUCTURAL = frozenset({"cityscapes", "leftimg8bit", "train", "val"})
PARTS: Mapping[str, Partition] = {"train": "train", "val": "validation"}
REMEDY = "Unpack leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip again"


class CityscapesLayout(Layout):
    """`leftImg8bit/{train,val}/CITY/` beside `gtFine/{train,val}/CITY/`, or their parent.

    Masks are the `_gtFine_labelIds.png` as they are unpacked; nothing need be converted. The
    masks of the test cities are not public (their files hold no classes), so `test/` is not
    used. With `patient=folder`, images of one city stay together.
    """

    name = "cityscapes"
    priority = 40

    def recognizes(self, root: Path) -> bool:
        """Whether `leftImg8bit` and `gtFine` are there."""
        return find_cityscapes(root) is not None

    def read(self, root: Path, settings: ReadingSettings) -> CaseCollection:
        """List the cases of training and validation cities.

        Raises:
            DataError: If a folder is missing, or holds no image named as in Cityscapes.
        """
        folder = find_cityscapes(root)
        if folder is None:
            raise DataError(
                f"{root}: not Cityscapes; expected leftImg8bit/ beside gtFine/, each with train/"
                " and val/."
            )
        problems: list[Problem] = []
        cases: list[Case] = []
        for part, partition in PARTS.items():
            cases += _read_part(folder, part, partition, problems)
        if not cases:
            raise DataError(
                f"{folder / 'leftImg8bit'}: no image named CITY_000000_000000{IMAGE_END}.png in"
                f" train/ or val/; {REMEDY}."
            )
        if (folder / "leftImg8bit" / "test").is_dir():
            note = "test images are not used, because their masks are not public"
            problems.append(Problem("note", note, path=folder / "leftImg8bit" / "test"))
        published: dict[Partition, int] = {"train": NUM_TRAIN, "validation": NUM_VAL}
        problems.append(count_problem(cases, published, "Cityscapes", root, REMEDY))
        found = CaseCollection(
            name="cityscapes",
            root=root,
            layout=self.name,
            cases=tuple(cases),
            labels=LABELS,
            problems=tuple(problems),
        )
        return collect(found, settings, STRUCTURAL, folder=folder)


def find_cityscapes(root: Path) -> Path | None:
    """The folder of `leftImg8bit` and `gtFine` in `root`; `None` where it is not there."""
    for folder in (root, root / "cityscapes", root / "Cityscapes"):
        if (folder / "leftImg8bit").is_dir() and (folder / "gtFine").is_dir():
            return folder
    return None


def _read_part(
    folder: Path, part: str, partition: Partition, problems: list[Problem]
) -> list[Case]:
    images = index_files(folder / "leftImg8bit" / part)
    masks = index_files(folder / "gtFine" / part)
    problems += [*images.problems, *masks.problems]
    cases = []
    for key in images.suffixes:
        if not key.endswith(IMAGE_END):
            continue
        mask = key.removesuffix(IMAGE_END) + MASK_END
        cases.append(
            Case(
                id=f"leftImg8bit/{part}/{key}",
                images=(images.path(key),),
                mask=masks.path(mask) if mask in masks.suffixes else None,
                partition=partition,
            )
        )
    return cases
