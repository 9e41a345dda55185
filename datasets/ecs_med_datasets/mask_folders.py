"""Which folder beside one of images holds its masks; where several may, that is asked."""

from collections.abc import Sequence
from pathlib import Path

from ecs_med.types import Problem
from ecs_med_datasets.matching import match
from ecs_med_datasets.naming import (
    IMAGE_NAMES,
    MASK_NAMES,
    STRUCTURAL,
    is_mask_folder,
    relative_path,
)
from ecs_med_datasets.scanning import FileIndex, index_files, list_folders

__all__ = ["choose_masks", "mask_folders", "passed_over"]


def mask_folders(folder: Path, names: Sequence[str], chosen: str | None) -> tuple[Path, ...]:
    """Those folders that may hold masks of images in `folder` or in its folder of images.

    Args:
        folder: The folder of all.
        names: Its subfolders.
        chosen: The one that the user named, perhaps with folders above it, such as `labels/final`.

    Returns:
        By preference: those of usual names, then those with a mask word in their name. Where one
        is chosen, that one, or none if it is not there.
    """
    if chosen is not None:
        return (folder / chosen,) if (folder / chosen).is_dir() else ()
    lower = {name.lower(): name for name in names}
    usual = [lower[name] for name in MASK_NAMES if name in lower]
    others = [
        name
        for name in names
        if name not in usual and name.lower() not in STRUCTURAL and is_mask_folder(name)
    ]
    return tuple(folder / name for name in (*usual, *(n for n in others if _is_flat(folder / n))))


def choose_masks(
    images: FileIndex, folders: Sequence[Path], settled: bool, problems: list[Problem]
) -> FileIndex | None:
    """The masks of `images`: those in the first folder that fits them.

    Args:
        images: The images.
        folders: Where their masks may lie, by preference.
        settled: Whether the user named that folder.
        problems: Gets an error where several folders fit, or one cannot be read, and a warning for
            each that holds nothing readable.

    Returns:
        The masks, or `None` without any.
    """
    indexes = [index_files(path) for path in folders]
    usable = [index for index in indexes if index.suffixes]
    for index in indexes:
        problems += index.problems
        if not (index.suffixes or index.problems or index.own) and _is_usual(index.folder):
            kinds = f", only files such as {index.foreign[0]}" if index.foreign else ""
            message = f"no readable mask in this folder{kinds}"
            remedy = "Store masks as PNG or NIfTI label images"
            problems.append(Problem("warning", message, remedy, index.folder))
    if len(usable) == 1 and match(images.suffixes, usable[0].suffixes).ambiguous:
        usable = _fitting_subfolders(images, usable[0]) or usable
    if settled or len(usable) < 2:
        return usable[0] if usable else None
    fits = {id(index): len(match(images.suffixes, index.suffixes).mask_of) for index in usable}
    fitting = [index for index in usable if fits[id(index)]]
    if len(fitting) > 1:
        problems.append(_which(fitting, [fits[id(index)] for index in fitting], images))
    best = fitting[0] if fitting else usable[0]
    for index in usable:
        if index in fitting[1:]:
            note = "not used as long as it is not said which masks are meant"
            problems.append(Problem("note", note, path=index.folder))
        elif index is not best:
            message = f"not used, because masks are taken from {best.folder.name}/"
            remedy = "Keep one folder of masks beside the images"
            problems.append(Problem("warning", message, remedy, index.folder))
    return best


def _fitting_subfolders(images: FileIndex, masks: FileIndex) -> list[FileIndex]:
    """Subfolders of which each holds masks of the same images, as `final/` beside `original/`."""
    inside = [index_files(masks.folder / name) for name in list_folders(masks.folder)]
    return [index for index in inside if match(images.suffixes, index.suffixes).mask_of]


def passed_over(folder: Path, chosen: str) -> list[Problem]:
    """A note on each folder of masks in `folder` that is not the one that the user named."""
    named = Path(chosen)
    others = mask_folders(folder, list_folders(folder), None)
    beside = () if len(named.parts) == 1 else list_folders((folder / named).parent)
    others += tuple((folder / named).parent / name for name in beside)
    return [
        Problem("note", f"not used, because `mask_folder={chosen}` is asked for", path=other)
        for other in others
        if other not in {folder / named, *(folder / named).parents}
    ]


def _which(fitting: Sequence[FileIndex], fits: Sequence[int], images: FileIndex) -> Problem:
    total = len(images.suffixes)
    around = images.folder if images.folder in fitting[0].folder.parents else images.folder.parent
    names = [relative_path(index.folder, around) for index in fitting]
    found = " and ".join(
        f"{name}/ ({number} of {total} images)" for name, number in zip(names, fits, strict=True)
    )
    options = " or ".join(
        f"`mask_folder={chr(39) + name + chr(39) if ' ' in name else name}`" for name in names
    )
    message = f"{len(fitting)} folders may hold the masks: {found}"
    return Problem("error", message, f"Say which with {options}", images.folder)


def _is_usual(folder: Path) -> bool:
    return folder.name.lower() in MASK_NAMES


def _is_flat(folder: Path) -> bool:
    """Whether a folder is no data set of its own, such as `masks_2024/` around `images/`."""
    inside = {name.lower() for name in list_folders(folder)}
    return inside.isdisjoint({*IMAGE_NAMES, *MASK_NAMES})
