"""Layout `folder`: images beside masks, or masks beside each of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import Layout
from ecs_med.errors import DataError
from ecs_med.types import Case, CaseCollection, Problem
from ecs_med_datasets.accounting import nothing_readable
from ecs_med_datasets.collecting import collect, collection_of, partition_of
from ecs_med_datasets.mask_folders import choose_masks, mask_folders, passed_over
from ecs_med_datasets.matching import masks_beside, match
from ecs_med_datasets.naming import (
    EXPECTED,
    IMAGE_NAMES,
    MASK_NAMES,
    STRUCTURAL,
    UNLABELED_NAMES,
    looks_like_mask,
    relative_path,
)
from ecs_med_datasets.pairing import problems_of
from ecs_med_datasets.scanning import FileIndex, index_files, list_folders

__all__ = ["FolderLayout"]

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
    reads_names_only = True

    def recognizes(self, root: Path) -> bool:
        """Whether an image folder, or an image itself, lies in `root`."""
        if not root.is_dir():
            return False
        return any(True for _ in find_image_folders(root)) or _holds_images(root)

    def read(self, root: Path, settings: ReadingSettings) -> CaseCollection:
        """List the cases below `root`.

        Raises:
            DataError: If there is no image below `root`, or no folder `settings.mask_folder`.
        """
        if not root.is_dir():
            raise DataError(f"{root}: not a folder; {EXPECTED}.")
        problems: list[Problem] = []
        cases: list[Case] = []
        chosen = settings.mask_folder
        folders = list(find_image_folders(root, chosen=chosen)) or [_plain(root, chosen)]
        if chosen is not None and not any(folder.masks for folder in folders):
            raise DataError(
                f"{root}: no folder {chosen} beside a folder of images; correct `mask_folder`."
            )
        for folder in folders:
            cases += _read_image_folder(folder, root, chosen is not None, problems)
            if chosen is not None and folder.masks:
                around = root if folder.path == root else folder.path.parent
                problems += passed_over(around, chosen)
        if not cases:
            raise DataError(f"{root}: {nothing_readable(root)}.")
        found = collection_of(root, self.name, cases, problems)
        return collect(found, settings, STRUCTURAL)


def find_image_folders(
    root: Path, depth: int = DEPTH, chosen: str | None = None
) -> Iterator[ImageFolder]:
    """Find folders of images in `root` and up to `depth - 1` levels below.

    Folders of images and of masks are not entered themselves.

    Args:
        root: Where to look.
        depth: How many levels.
        chosen: Name of the folder of masks beside each; `None`: those that are called so.
    """
    names = list_folders(root)
    masks = mask_folders(root, names, chosen)
    for name in names:
        if name.lower() in IMAGE_NAMES and name != chosen:
            yield ImageFolder(root / name, masks)
        elif name.lower() in UNLABELED_NAMES:
            yield ImageFolder(root / name, unlabeled=True)
        elif _may_be_entered(name, chosen) and depth > 1 and not (root / name).is_symlink():
            yield from find_image_folders(root / name, depth - 1, chosen)


def _may_be_entered(name: str, chosen: str | None) -> bool:
    return name.lower() not in MASK_NAMES and name != chosen


def _plain(root: Path, chosen: str | None) -> ImageFolder:
    """The data itself as the folder of images."""
    return ImageFolder(root, mask_folders(root, list_folders(root), chosen))


def _read_image_folder(
    folder: ImageFolder, root: Path, settled: bool, problems: list[Problem]
) -> list[Case]:
    inside = folder.unlabeled or folder.path == root
    skip = {*MASK_NAMES, *(path.name.lower() for path in folder.masks)} if inside else ()
    images = index_files(folder.path, skip=skip)
    problems += images.findings("image")
    masks = choose_masks(images, folder.masks, settled, problems)
    mask_of: dict[str, Path] = {}
    if masks is not None:
        found = match(images.suffixes, masks.suffixes)
        mask_of = {image: masks.path(mask) for image, mask in found.mask_of.items()}
        problems += [*masks.findings("mask"), *problems_of(found, images, masks)]
    no_images = _take_masks_beside(images, mask_of, folder.unlabeled, problems)
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
        if key not in no_images
    ]


def _take_masks_beside(
    images: FileIndex, mask_of: dict[str, Path], unlabeled: bool, problems: list[Problem]
) -> set[str]:
    """Add to `mask_of` the masks that lie among images; returns those that are no images.

    What has a mask is an image, whatever it is called, and then so are others that are called so.
    """
    found = masks_beside(images.suffixes, mask_of)
    no_images = {*found.mask_of.values(), *found.second, *found.numbered, *found.ambiguous}
    if not any(looks_like_mask(key) for key in mask_of):
        no_images |= {*found.orphans}
    found.orphans = []  # told with all other files that are not used
    for image in mask_of.keys() & found.mask_of.keys():
        del found.mask_of[image]
    if not unlabeled:
        mask_of |= {image: images.path(mask) for image, mask in found.mask_of.items()}
        problems += problems_of(found, images, images)
    return no_images


def _holds_images(root: Path) -> bool:
    if index_files(root, recursive=False).suffixes:
        return True
    return any(index_files(root / name, recursive=False).suffixes for name in list_folders(root))
