"""Layout `folder`: images beside masks; and the rule by which masks are matched by name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import Layout
from ecs_med.data.names import IMAGE_NAMES, MASK_NAMES, MASK_SUFFIX
from ecs_med.errors import DataError
from ecs_med.types import Case, CaseCollection, Problem
from ecs_med_datasets.collecting import (
    EXPECTED,
    PARTITION_NAMES,
    collect,
    partition_of,
    relative_path,
    settle_partitions,
)
from ecs_med_datasets.scanning import FileIndex, index_files, list_folders

__all__ = ["STRUCTURAL", "FolderLayout", "pair"]

UNLABELED_NAMES = ("unlabeled", "unlabelled", "unannotated")
STRUCTURAL = frozenset({*IMAGE_NAMES, *UNLABELED_NAMES, *PARTITION_NAMES})
DEPTH = 3


@dataclass(frozen=True, slots=True)
class ImageFolder:
    """A folder of images, and the folders in which their masks may lie.

    Attributes:
        path: The folder of images.
        masks: Mask folders beside it, by preference; empty: unlabelled.
        unlabeled: Whether the folder's own name says that there are no masks.
    """

    path: Path
    masks: tuple[Path, ...] = ()
    unlabeled: bool = False


class FolderLayout(Layout):
    """`images/` beside `masks/`, or a plain folder of images without labels.

    Understood are the usual other names of both folders, `train/`,
    `validation/` and `test/` around or inside them, mirrored subfolders,
    `unlabeled/`, and masks that lie beside their images as `NAME_mask.png`.
    An image without a mask is unlabelled.
    """

    name = "folder"
    priority = 0

    def recognizes(self, root: Path) -> bool:
        """Whether an image folder, or an image itself, lies in `root`."""
        if not root.is_dir():
            return False
        return any(True for _ in find_image_folders(root)) or _holds_images(root)

    def read(self, root: Path, settings: ReadingSettings) -> CaseCollection:
        """List the cases below `root`.

        Raises:
            DataError: If there is no image below `root`.
        """
        if not root.is_dir():
            raise DataError(f"{root}: not a folder; {EXPECTED}.")
        problems: list[Problem] = []
        cases: list[Case] = []
        folders = list(find_image_folders(root))
        for folder in folders:
            cases += _read_image_folder(folder, root, problems)
        if not folders:
            plain = ImageFolder(root, _mask_folders(root, list_folders(root)))
            cases = _read_image_folder(plain, root, problems)
        if not cases:
            raise DataError(f"{root}: {_what_is_there(root)}; {EXPECTED}.")
        found = CaseCollection(
            name=root.resolve().name or "data",
            root=root,
            layout=self.name,
            cases=settle_partitions(cases),
            problems=tuple(problems),
        )
        return collect(found, settings, STRUCTURAL)


def find_image_folders(root: Path, depth: int = DEPTH) -> Iterator[ImageFolder]:
    """Find folders of images in `root` and up to `depth - 1` levels below.

    Folders of images and of masks are not entered themselves.
    """
    names = list_folders(root)
    masks = _mask_folders(root, names)
    for name in names:
        if name.lower() in IMAGE_NAMES:
            yield ImageFolder(root / name, masks)
        elif name.lower() in UNLABELED_NAMES:
            yield ImageFolder(root / name, unlabeled=True)
        elif name.lower() not in MASK_NAMES and depth > 1 and not (root / name).is_symlink():
            yield from find_image_folders(root / name, depth - 1)


def _mask_folders(folder: Path, names: Sequence[str]) -> tuple[Path, ...]:
    """Those of the subfolders `names` that may hold masks, by preference."""
    lower = {name.lower(): name for name in names}
    return tuple(folder / lower[name] for name in MASK_NAMES if name in lower)


def _read_image_folder(folder: ImageFolder, root: Path, problems: list[Problem]) -> list[Case]:
    inside = folder.unlabeled or folder.path == root
    images = index_files(folder.path, skip=MASK_NAMES if inside else ())
    problems += images.findings("image")
    masks = _choose_masks(folder, problems)
    used: set[str] = set()
    if masks is not None:
        mask_of, unpaired = pair(images, masks)
        problems += [*masks.findings("mask"), *unpaired]
    else:
        beside = {} if folder.unlabeled else _masks_beside(images)
        mask_of = {key: images.path(mask) for key, mask in beside.items()}
        used = set(beside.values())
    prefix = "" if folder.path == root else f"{relative_path(folder.path, root)}/"
    outer = partition_of(prefix)
    return [
        Case(
            f"{prefix}{key}",
            (images.path(key),),
            mask_of.get(key),
            partition=outer or partition_of(key.rpartition("/")[0]),
        )
        for key in images.suffixes
        if key not in used
    ]


def _choose_masks(folder: ImageFolder, problems: list[Problem]) -> FileIndex | None:
    """Index the first mask folder that holds readable files; say so if there are several."""
    indexes = [index_files(path) for path in folder.masks]
    usable = [index for index in indexes if index.suffixes]
    for index in indexes:
        if not index.suffixes:
            kinds = f", only files such as {index.foreign[0]}" if index.foreign else ""
            message = f"no readable mask in this folder{kinds}"
            remedy = "Store masks as PNG or NIfTI label images"
            problems.append(Problem("warning", message, remedy, index.folder))
    for index in usable[1:]:
        message = f"not used, because masks are taken from {usable[0].folder.name}/"
        remedy = "Keep one folder of masks beside the images"
        problems.append(Problem("warning", message, remedy, index.folder))
    return usable[0] if usable else None


def pair(images: FileIndex, masks: FileIndex) -> tuple[dict[str, Path], list[Problem]]:
    """Match masks to images by path below their folders, without suffixes.

    The same name wins over a name with `_mask`, `_seg`, `_segmentation`,
    `_label` or `_gt` behind it.

    Returns:
        Mask by key in the image index, unlabelled images left out; and orphan masks and ambiguous
        ones as problems.
    """
    exact = {key: masks.path(key) for key in images.suffixes if key in masks.suffixes}
    matched = dict(exact)
    orphans: list[str] = []
    problems: list[Problem] = []
    for key in masks.suffixes:
        if key in exact:
            continue
        base = _mask_base(key)
        if base is None or base not in images.suffixes:
            orphans.append(key)
        elif base in matched:
            message = f"a second mask for the image that already has {matched[base].name}"
            remedy = "Merge the two into one file, or remove one"
            problems.append(Problem("error", message, remedy, masks.path(key)))
        else:
            matched[base] = masks.path(key)
    if orphans and images.suffixes and not matched:
        first = images.path(next(iter(images.suffixes)))
        orphan = masks.path(orphans[0])
        message = (
            f"none of {len(masks.suffixes)} masks has the name of an image"
            f" (the first image is {first.name}, the first mask {orphan.name})"
        )
        remedy = "Give every mask the name of its image, with or without _mask behind it"
        return matched, [*problems, Problem("error", message, remedy, masks.folder)]
    remedy = "Add the image under the same name, or remove the mask"
    problems += [
        Problem("warning", "mask without an image", remedy, masks.path(key)) for key in orphans
    ]
    return matched, problems


def _masks_beside(images: FileIndex) -> dict[str, str]:
    """Mask by image where both lie in one folder, as `12.png` and `12_mask.png`."""
    mask_of: dict[str, str] = {}
    for key in images.suffixes:
        base = _mask_base(key)
        if base is not None and base in images.suffixes:
            mask_of.setdefault(base, key)
    return mask_of


def _mask_base(key: str) -> str | None:
    """The image key that a mask key with a usual suffix stands for: `p1/12` of `p1/12_mask`."""
    folder, slash, stem = key.rpartition("/")
    match = MASK_SUFFIX.fullmatch(stem)
    return folder + slash + match["base"] if match else None


def _holds_images(root: Path) -> bool:
    if index_files(root, recursive=False).suffixes:
        return True
    return any(index_files(root / name, recursive=False).suffixes for name in list_folders(root))


def _what_is_there(root: Path) -> str:
    index = index_files(root)
    if index.suffixes:
        return f"{len(index.suffixes)} image file(s), none of them where images are looked for"
    if index.foreign:
        return f"no readable image among {len(index.foreign)} file(s), such as {index.foreign[0]}"
    return "the folder is empty"
