"""Layout `voc`: PASCAL VOC 2012 (VOCdevkit), with the additional masks of SBD."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from ecs_med.errors import DataError
from ecs_med.types import IGNORE_INDEX, Case, Partition, Problem
from ecs_med_datasets.benchmark_layouts import PublishedLayout
from ecs_med_datasets.sbd import NUM_SBD, convert_masks, find_sbd, list_masks
from ecs_med_datasets.scanning import FileIndex, index_files

__all__ = ["PascalVocLayout"]

LISTS = "ImageSets/Segmentation"
IMAGE_NAME = re.compile(r"20\d\d_\d{6}")
MAX_BYTES = 2**20
REMEDY = "Unpack VOCtrainval_11-May-2012.tar again"
_NUM_SHOWN = 3


class PascalVocLayout(PublishedLayout):
    """The folder `VOCdevkit/VOC2012`, its parent, or a folder of `VOCdevkit/` and SBD.

    Masks are palette pictures in `SegmentationClass/`; 255 is the void border of objects.
    Training cases are those of `ImageSets/Segmentation/train.txt` together with all images of SBD
    that VOC's validation set does not hold; without SBD, `SegmentationClassAug/` serves, the same
    masks as PNG. The validation cases are those of `val.txt`. Opening converts SBD's MATLAB
    masks into the user's cache folder, once; it is the one layout that decodes anything.
    """

    name = "voc"
    title = "VOC 2012 with SBD"
    refusal = (
        "not PASCAL VOC 2012; expected VOCdevkit/VOC2012/ with JPEGImages/, SegmentationClass/ and"
        f" {LISTS}/train.txt"
    )
    remedy = REMEDY
    class_names = (
        *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat"),
        *("chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant"),
        *("sheep", "sofa", "train", "tvmonitor"),
    )
    labels: ClassVar[Mapping[int, str]] = {
        **dict(enumerate(class_names)), IGNORE_INDEX: "ignore"
    }  # fmt: skip
    num_cases: ClassVar[Mapping[Partition, int]] = {"train": 10_582, "validation": 1_449}
    """VOC's `train` (1,464) and all of SBD that is neither in VOC's `train` nor `val` (9,118)."""
    structural = frozenset({"vocdevkit", "voc2012", "jpegimages", "img"})

    def find(self, root: Path) -> Path | None:
        """The folder `VOC2012`, with VOC's lists, mask folder and image names."""
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

    def list_cases(self, folder: Path, root: Path, problems: list[Problem]) -> Sequence[Case]:
        """Those of VOC, and of SBD where it is below `root`.

        Raises:
            DataError: If a list is missing or damaged, or nothing of it is there.
        """
        train, val = _read_list(folder, "train"), _read_list(folder, "val")
        images = index_files(folder / "JPEGImages", recursive=False)
        masks = index_files(folder / "SegmentationClass", recursive=False)
        cases = [
            *_listed_cases(images, masks, train, "train", problems),
            *_listed_cases(images, masks, val, "validation", problems),
            *_more_cases(images, folder, root, {*train, *val}, problems),
        ]
        if not cases:
            raise DataError(f"{folder}: none of the listed images is in JPEGImages/; {REMEDY}.")
        return cases

    def remedy_for(self, cases: Sequence[Case]) -> str:
        """Where no mask is SBD's, how SBD is added."""
        if any(case.mask and case.mask.parent.name != "SegmentationClass" for case in cases):
            return REMEDY
        return (
            "Put SBD's benchmark_RELEASE/ beside VOCdevkit/ and name the folder of both, or"
            " SegmentationClassAug/ into VOC2012/"
        )


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


def _listed_cases(
    images: FileIndex,
    masks: FileIndex,
    names: Sequence[str],
    partition: Partition,
    problems: list[Problem],
) -> list[Case]:
    """The images that a list of VOC names; an image without its mask is an error."""
    there = [name for name in names if name in images.suffixes]
    problems += _missing(set(names) - set(there), "images", images.folder)
    problems += _missing({n for n in there if n not in masks.suffixes}, "masks", masks.folder)
    return [
        Case(f"JPEGImages/{name}", (images.path(name),), masks.get(name), None, partition)
        for name in there
    ]


def _more_cases(
    images: FileIndex, folder: Path, root: Path, taken: set[str], problems: list[Problem]
) -> list[Case]:
    """Training cases for the masks of SBD whose images are in no list of VOC."""
    # Above `root` is not looked: VOC without SBD is had by naming VOC's own folder.
    sbd = find_sbd(root) or find_sbd(folder)
    if sbd is not None:
        masks = _masks_of_sbd(sbd, taken, problems)
        others = index_files(sbd / "img", recursive=False)
    else:
        aug = index_files(folder / "SegmentationClassAug", recursive=False)
        masks = {name: aug.path(name) for name in aug.suffixes if name not in taken}
        others = images
    # VOC has all these pictures, so SBD's copies of them may have been left out.
    found = {name: images.get(name) or others.get(name) for name in masks}
    absent = {name for name, image in found.items() if image is None}
    problems += _missing(absent, "images", others.folder)
    return [
        Case(f"JPEGImages/{name}", (image,), masks[name], None, "train")
        for name, image in found.items()
        if image is not None
    ]


def _masks_of_sbd(sbd: Path, taken: set[str], problems: list[Problem]) -> dict[str, Path]:
    mats = list_masks(sbd)
    if len(mats) != NUM_SBD:
        message = f"{len(mats):,} masks, where SBD has {NUM_SBD:,}"
        problems.append(Problem("warning", message, "Unpack benchmark.tgz again", sbd / "cls"))
    masks, unreadable = convert_masks(path for name, path in mats.items() if name not in taken)
    problems += unreadable
    if masks:
        note = f"{len(masks):,} masks of SBD are kept here as PNG"
        problems.append(Problem("note", note, path=next(iter(masks.values())).parent))
    return masks


def _missing(names: Collection[str], what: str, folder: Path) -> list[Problem]:
    """One error for files (`what`: images or masks) that a list names and `folder` lacks."""
    if not names:
        return []
    shown = ", ".join(sorted(names)[:_NUM_SHOWN]) + (", ..." if len(names) > _NUM_SHOWN else "")
    return [Problem("error", f"{len(names):,} listed {what} are missing ({shown})", REMEDY, folder)]
