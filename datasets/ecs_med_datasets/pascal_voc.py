"""Layout `voc`: PASCAL VOC 2012 (VOCdevkit), with the additional masks of SBD."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import Layout
from ecs_med.errors import DataError
from ecs_med.types import IGNORE_INDEX, Case, CaseCollection, Partition, Problem
from ecs_med_datasets.collecting import collect
from ecs_med_datasets.data_root import count_problem, missing_problems
from ecs_med_datasets.sbd import NUM_SBD, convert_masks, find_sbd, list_masks
from ecs_med_datasets.scanning import FileIndex, index_files

__all__ = ["CLASS_NAMES", "NUM_TRAIN", "NUM_TRAIN_VOC", "NUM_VAL", "PascalVocLayout", "find_voc"]

CLASS_NAMES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat"),
    *("chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant"),
    *("sheep", "sofa", "train", "tvmonitor"),
)
"""Class names in the order of mask values 0 to 20; 255 is the void border of objects."""

NUM_TRAIN = 10_582
"""VOC's `train` (1,464) and all of SBD that is neither in VOC's `train` nor `val` (9,118)."""
NUM_TRAIN_VOC = 1_464
NUM_VAL = 1_449

STRUCTURAL = frozenset({"vocdevkit", "voc2012", "jpegimages", "img"})
LISTS = "ImageSets/Segmentation"
IMAGE_NAME = re.compile(r"20\d\d_\d{6}")
MAX_BYTES = 2**20
REMEDY = "Unpack VOCtrainval_11-May-2012.tar again"
MISSING_SBD = (
    "Put SBD's benchmark_RELEASE/ beside VOCdevkit/ and name the folder of both, or"
    " SegmentationClassAug/ into VOC2012/"
)


@dataclass(slots=True)
class Found:
    """What lies in the folder of VOC, and the cases made from it."""

    voc: Path
    images: FileIndex
    masks: FileIndex
    cases: list[Case] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    has_more: bool = False
    """Whether there is SBD, or its masks as PNG."""


class PascalVocLayout(Layout):
    """The folder `VOCdevkit/VOC2012`, its parent, or a folder of `VOCdevkit/` and SBD.

    Masks are palette pictures in `SegmentationClass/`. Training cases are those of
    `ImageSets/Segmentation/train.txt` together with all images of SBD that VOC's
    validation set does not hold; without SBD, `SegmentationClassAug/` serves, the same masks
    as PNG. The validation cases are those of `val.txt`. Opening converts SBD's MATLAB
    masks into the user's cache folder, once; it is the one layout that decodes anything.
    """

    name = "voc"
    priority = 40

    def recognizes(self, root: Path) -> bool:
        """Whether VOC's lists and mask folder are there, with its image names."""
        return find_voc(root) is not None

    def read(self, root: Path, settings: ReadingSettings) -> CaseCollection:
        """List the cases of VOC, and of SBD where it is below `root`.

        Raises:
            DataError: If a list or a folder is missing, or nothing of it is there.
        """
        voc = find_voc(root)
        if voc is None:
            raise DataError(
                f"{root}: not PASCAL VOC 2012; expected VOCdevkit/VOC2012/ with JPEGImages/,"
                f" SegmentationClass/ and {LISTS}/train.txt."
            )
        train, val = _read_list(voc, "train"), _read_list(voc, "val")
        found = Found(
            voc,
            index_files(voc / "JPEGImages", recursive=False),
            index_files(voc / "SegmentationClass", recursive=False),
        )
        _add_listed(found, train, "train")
        _add_listed(found, val, "validation")
        _add_sbd(found, root, {*train, *val})
        if not found.cases:
            raise DataError(f"{voc}: none of the listed images is in JPEGImages/; {REMEDY}.")
        found.problems.append(
            count_problem(
                found.cases,
                {"train": NUM_TRAIN, "validation": NUM_VAL},
                "VOC 2012 with SBD",
                root,
                REMEDY if found.has_more else MISSING_SBD,
            )
        )
        collection = CaseCollection(
            name="voc",
            root=root,
            layout=self.name,
            cases=tuple(found.cases),
            labels={**dict(enumerate(CLASS_NAMES)), IGNORE_INDEX: "ignore"},
            problems=tuple(found.problems),
        )
        return collect(collection, settings, STRUCTURAL)


def find_voc(root: Path) -> Path | None:
    """The folder `VOC2012` in `root`; `None` where it is not there or holds other data."""
    for folder in (root, root / "VOC2012", root / "VOCdevkit" / "VOC2012"):
        listed = folder / LISTS / "train.txt"
        if not listed.is_file() or not (folder / "SegmentationClass").is_dir():
            continue
        try:
            with listed.open(encoding="utf-8", errors="replace") as stream:
                first = stream.readline(80).strip()
        except OSError:
            continue
        if IMAGE_NAME.fullmatch(first):
            return folder
    return None


def _read_list(voc: Path, name: str) -> list[str]:
    path = voc / LISTS / f"{name}.txt"
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path}: larger than 1 MB; this is no list of VOC's. {REMEDY}.")
        names = path.read_text(encoding="utf-8").split()
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: the list cannot be read ({error}); {REMEDY}.") from None
    strange = [entry for entry in names if not IMAGE_NAME.fullmatch(entry)]
    if strange:
        raise DataError(
            f"{path}: '{strange[0][:40]}' is no image name of VOC such as 2007_000032; {REMEDY}."
        )
    return names


def _add_listed(found: Found, names: Sequence[str], partition: Partition) -> None:
    """Add the images that a list of VOC names; an image without its mask is an error."""
    there = [name for name in names if name in found.images.suffixes]
    for name in there:
        mask = found.masks.path(name) if name in found.masks.suffixes else None
        image = found.images.path(name)
        found.cases.append(Case(f"JPEGImages/{name}", (image,), mask, None, partition))
    absent = set(names) - set(there)
    unmasked = {name for name in there if name not in found.masks.suffixes}
    found.problems += missing_problems(absent, "images", found.images.folder, REMEDY)
    found.problems += missing_problems(unmasked, "masks", found.masks.folder, REMEDY)


def _add_sbd(found: Found, root: Path, taken: set[str]) -> None:
    """Add training cases for the masks of SBD whose images are in no list of VOC."""
    # Above `root` is not looked: VOC without SBD is had by naming VOC's own folder.
    sbd = find_sbd(root) or find_sbd(found.voc)
    if sbd is not None:
        masks = _masks_of_sbd(found, sbd, taken)
        images = index_files(sbd / "img", recursive=False)
    else:
        aug = index_files(found.voc / "SegmentationClassAug", recursive=False)
        masks = {name: aug.path(name) for name in aug.suffixes if name not in taken}
        images = found.images
    found.has_more = bool(masks)
    absent = set()
    for name, mask in masks.items():
        # VOC has all these pictures, so SBD's copies of them may have been left out.
        index = next((i for i in (found.images, images) if name in i.suffixes), None)
        if index is None:
            absent.add(name)
        else:
            image = index.path(name)
            found.cases.append(Case(f"JPEGImages/{name}", (image,), mask, None, "train"))
    found.problems += missing_problems(absent, "images", images.folder, REMEDY)


def _masks_of_sbd(found: Found, sbd: Path, taken: set[str]) -> dict[str, Path]:
    mats = list_masks(sbd)
    if len(mats) != NUM_SBD:
        message = f"{len(mats):,} masks, where SBD has {NUM_SBD:,}"
        found.problems.append(
            Problem("warning", message, "Unpack benchmark.tgz again", sbd / "cls")
        )
    masks, problems = convert_masks(path for name, path in mats.items() if name not in taken)
    found.problems += problems
    if masks:
        note = f"{len(masks):,} masks of SBD are kept here as PNG"
        found.problems.append(Problem("note", note, path=next(iter(masks.values())).parent))
    return masks
