"""Masks paired with images, and what could not be paired without guessing."""

from pathlib import Path

from ecs_med.types import Problem
from ecs_med_datasets.matching import Matches, match
from ecs_med_datasets.naming import mask_base, normal, plain
from ecs_med_datasets.scanning import FileIndex

__all__ = ["pair", "problems_of"]


def pair(images: FileIndex, masks: FileIndex) -> tuple[dict[str, Path], list[Problem]]:
    """Match masks to images by path below their folders, as `match` does.

    Returns:
        Mask by key in the image index, unlabelled images left out; and orphan masks and ambiguous
        ones as problems.
    """
    found = match(images.suffixes, masks.suffixes)
    return (
        {image: masks.path(mask) for image, mask in found.mask_of.items()},
        problems_of(found, images, masks),
    )


def problems_of(found: Matches, images: FileIndex, masks: FileIndex) -> list[Problem]:
    """What a person should know of matches: masks that are not used, and loose matches."""
    problems = [*_ambiguous_problems(found, images, masks), *_loose_notes(found, images, masks)]
    # The images of some masks are there in a format that is not read, which is told of them.
    foreign = {normal(_stem(name)) for name in images.foreign}
    # Copies in subfolders are told with all other files that are not used.
    names = {plain(_name(key)) for key in images.suffixes}
    orphans = [
        key
        for key in found.orphans
        if normal(key) not in foreign and not ("/" in key and _base_name(key) in names)
    ]
    if orphans and images.suffixes and not found.mask_of and not problems:
        first = images.path(next(iter(images.suffixes)))
        if len(images.suffixes) == 1 < len(orphans):
            message = f"{len(orphans)} masks for one image, {first.name}, and none has its name"
            remedy = "Merge them into one label map with the name of the image"
            return [Problem("error", message, remedy, masks.folder)]
        message = (
            f"none of {len(masks.suffixes)} masks has the name of an image"
            f" (the first image is {first.name}, the first mask {masks.path(orphans[0]).name})"
        )
        remedy = "Give every mask the name of its image, with or without _mask behind it"
        return [Problem("error", message, remedy, masks.folder)]
    remedy = "Add the image under the same name, or remove the mask"
    problems += [
        Problem("warning", "mask without an image", remedy, masks.path(key)) for key in orphans
    ]
    return problems


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _name(key: str) -> str:
    return key.rpartition("/")[2]


def _base_name(key: str) -> str:
    name = _name(key)
    return plain(mask_base(name) or name)


def _ambiguous_problems(found: Matches, images: FileIndex, masks: FileIndex) -> list[Problem]:
    problems = []
    for mask, image in found.second.items():
        first = masks.path(found.mask_of[image]).name
        message = f"a second mask for the image that already has {first}"
        remedy = "Merge the two into one file, or remove one"
        problems.append(Problem("error", message, remedy, masks.path(mask)))
    for mask, image in found.numbered.items():
        name, suffix = images.path(image).name, masks.suffixes[mask]
        whole = f"{image.rpartition('/')[2]}_mask{suffix}"
        message = f"looks like one of several masks of {name}, so that its labels are not used"
        remedy = f"Merge all masks of the image into {whole}, or call it so if it is whole"
        problems.append(Problem("error", message, remedy, masks.path(mask)))
    for mask, several in found.ambiguous.items():
        names = " or ".join(several[:2]) + (" or others" if len(several) > 2 else "")
        message = f"may be the mask of {names}, so that it is not used"
        remedy = "Give every mask the name of its image, with or without _mask behind it"
        problems.append(Problem("error", message, remedy, masks.path(mask)))
    return problems


def _loose_notes(found: Matches, images: FileIndex, masks: FileIndex) -> list[Problem]:
    if not found.loosely:
        return []
    image = found.loosely[0]
    mask, name = masks.path(found.mask_of[image]), images.path(image).name
    message = (
        f"{len(found.loosely)} mask(s) were matched to images by what their names have in common,"
        f" such as {mask.name} to {name}"
    )
    return [Problem("note", message, path=masks.folder)]
