"""Layout `cvat`: what CVAT exports as "Segmentation mask 1.1", with its colours and names."""

from collections.abc import Mapping
from pathlib import Path

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import Layout
from ecs_med.errors import DataError
from ecs_med.files import regular_file
from ecs_med.types import Case, CaseCollection, Color, Partition, Problem
from ecs_med_datasets.collecting import collect, collection_of
from ecs_med_datasets.naming import PARTITION_NAMES
from ecs_med_datasets.pairing import pair
from ecs_med_datasets.scanning import index_files

__all__ = ["CvatLayout"]

LABELS = "labelmap.txt"
IMAGES = "JPEGImages"
MASKS = "SegmentationClass"
OBJECTS = "SegmentationObject"
LISTS = "ImageSets/Segmentation"
MAX_BYTES = 2**20
STRUCTURAL = frozenset({IMAGES.lower(), *PARTITION_NAMES})


class CvatLayout(Layout):
    """`JPEGImages/` beside `SegmentationClass/`, whose colours `labelmap.txt` names.

    Images in the lists `train`, `val` and `test` of `ImageSets/Segmentation/` are of that
    partition. `SegmentationObject/` shows the same objects one by one and is not used.
    """

    name = "cvat"
    priority = 15

    def recognizes(self, root: Path) -> bool:
        """Whether `labelmap.txt` lies beside `SegmentationClass/`."""
        return (root / LABELS).is_file() and (root / MASKS).is_dir()

    def read(self, root: Path, settings: ReadingSettings) -> CaseCollection:
        """List the cases below `root`.

        Raises:
            DataError: If the images were not exported, or `labelmap.txt` is damaged.
        """
        if not self.recognizes(root):
            raise DataError(f"{root}: no export of CVAT; expected {LABELS} beside {MASKS}/.")
        images, masks = index_files(root / IMAGES), index_files(root / MASKS)
        if not images.suffixes:
            raise DataError(
                f"{root / IMAGES}: holds no readable image; export from CVAT again with 'Save"
                " images', or put the images here."
            )
        mask_of, problems = pair(images, masks)
        problems += [*images.findings("image"), *masks.findings("mask")]
        partitions = _partitions(root)
        if (root / OBJECTS).is_dir():
            note = "not used: the same objects one by one"
            problems.append(Problem("note", note, path=root / OBJECTS))
        cases = [
            Case(
                f"{IMAGES}/{key}",
                (images.path(key),),
                mask_of.get(key),
                partition=partitions.get(key),
            )
            for key in images.suffixes
        ]
        found = collection_of(root, self.name, cases, problems, _read_labels(root / LABELS))
        return collect(found, settings, STRUCTURAL)


def _read_labels(path: Path) -> Mapping[Color, str]:
    """Class name by colour, background first: lines such as `lesion:250,50,83::`."""
    remedy = "export from CVAT again, or remove it and use `mask_colors`"
    try:
        if regular_file(path).stat().st_size > MAX_BYTES:
            raise DataError(f"{path}: larger than 1 MB; {remedy}.")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); {remedy}.") from None
    labels: dict[Color, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        color = _color(rest.partition(":")[0])
        if color is None or not name or color in labels:
            raise DataError(
                f"{path}: line {number} gives no colour of its own to a class; {remedy}."
            )
        labels[color] = name
    background = [color for color, name in labels.items() if name.lower() == "background"]
    return {color: labels[color] for color in dict.fromkeys((*background, *labels))}


def _color(text: str) -> Color | None:
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 3 or not all(part.isdecimal() and int(part) <= 255 for part in parts):
        return None
    red, green, blue = (int(part) for part in parts)
    return red, green, blue


def _partitions(root: Path) -> dict[str, Partition]:
    """Partition by image, from the lists that are called as partitions are."""
    found: dict[str, Partition] = {}
    for name, partition in PARTITION_NAMES.items():
        path = root / LISTS / f"{name}.txt"
        try:
            names = path.read_text(encoding="utf-8").split("\n") if path.is_file() else []
        except (OSError, ValueError) as error:
            raise DataError(f"{path}: cannot be read ({error}); export it again.") from None
        found |= {entry.strip(): partition for entry in names if entry.strip()}
    return found
