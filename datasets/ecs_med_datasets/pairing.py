"""Matching masks to images by name, and saying which could not be matched without guessing."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ecs_med.types import Problem
from ecs_med_datasets.naming import (
    looks_like_mask,
    mask_base,
    normal,
    numbered_mask_base,
    plain,
    same_case,
)
from ecs_med_datasets.scanning import FileIndex

__all__ = ["Matches", "masks_beside", "match", "pair", "problems_of"]


@dataclass(slots=True)
class Matches:
    """Which mask belongs to which image; keys as of `FileIndex`.

    Attributes:
        mask_of: Mask by image.
        loosely: Those of them whose names mean the same case, though neither is the other's.
        second: Image by further mask of it.
        numbered: Image by mask that looks like one of several of an image.
        ambiguous: Images of which each mask may be the mask.
        orphans: Masks of no image.
    """

    mask_of: dict[str, str] = field(default_factory=dict)
    loosely: list[str] = field(default_factory=list)
    second: dict[str, str] = field(default_factory=dict)
    numbered: dict[str, str] = field(default_factory=dict)
    ambiguous: dict[str, list[str]] = field(default_factory=dict)
    orphans: list[str] = field(default_factory=list)


def match(images: Collection[str], masks: Iterable[str]) -> Matches:
    """Match masks to images, by strict rules before loose ones.

    The same name comes first, whether composed or not and whatever blanks are around it; then the
    name with `_mask`, `_seg`, `_label`, `_gt`, `_manual1` or their like behind it; then both
    whether in capitals or not and however numbers are padded; then names that agree without the
    words for their roles, as `volume-1` and `segmentation-1`; then all that among subfolders.
    """
    found = Matches()
    left = [mask for mask in masks if not _same_name(mask, images, found)]
    if left:
        exact = _by(images, normal)
        left = [mask for mask in left if not _take(mask, exact.get(normal(mask)), found)]
        left = [mask for mask in left if not _with_suffix(mask, exact, found)]
    for of_image, of_mask in _LOOSELY:
        left = _match_loosely(images, left, of_image, of_mask, found)
    found.orphans = left
    return found


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
    names = {_plain_name(key) for key in images.suffixes}
    orphans = [
        key
        for key in found.orphans
        if normal(key) not in foreign and not ("/" in key and _plain_base_name(key) in names)
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


def masks_beside(keys: Collection[str], labeled: Collection[str] = ()) -> Matches:
    """Match masks to images where both lie in one folder, as `12.png` and `12_mask.png`.

    Orphans are those that are called masks and have no image. Where all files of a folder are
    called so, that is how its images are called, and none of them is a mask.

    Args:
        keys: All files of the folder.
        labeled: Those of them that have a mask elsewhere, and so are none themselves.
    """
    masks = {key for key in keys if looks_like_mask(key) and key not in labeled}
    bases = {normal(base) for key in masks if (base := mask_base(key)) is not None}
    # An image may be called `seg_1`, and its mask `seg_1_mask`.
    masks -= {key for key in masks if normal(key) in bases and mask_base(key) not in keys}
    images = dict.fromkeys(key for key in keys if key not in masks)
    return match(images, [key for key in keys if key in masks]) if images else Matches()


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _role_of_image(key: str) -> str:
    return same_case(key, "image")


def _role_of_mask(key: str) -> str:
    return same_case(key, "mask")


def _plain_base(key: str) -> str:
    return plain(mask_base(key) or key)


def _plain_name(key: str) -> str:
    return plain(_name(key))


def _plain_base_name(key: str) -> str:
    return _plain_base(_name(key))


def _name(key: str) -> str:
    return key.rpartition("/")[2]


_LOOSELY: tuple[tuple[Callable[[str], str], Callable[[str], str]], ...] = (
    (plain, plain),
    (plain, _plain_base),
    (_role_of_image, _role_of_mask),
    (_plain_name, _plain_base_name),
)
"""What has to agree of an image and of a mask, the strictest first."""


def _by(keys: Iterable[str], name: Callable[[str], str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for key in keys:
        found[name(key)].append(key)
    return dict(found)


def _same_name(mask: str, images: Collection[str], found: Matches) -> bool:
    if mask in images:
        found.mask_of[mask] = mask
        return True
    return False


def _take(mask: str, images: list[str] | None, found: Matches) -> bool:
    """Give a mask to the one image that it names; whether it names any."""
    if not images:
        return False
    if len(images) > 1:
        found.ambiguous[mask] = images
    elif images[0] in found.mask_of:
        found.second[mask] = images[0]
    else:
        found.mask_of[images[0]] = mask
    return True


def _with_suffix(mask: str, images: dict[str, list[str]], found: Matches) -> bool:
    base = mask_base(mask)
    if base is not None and _take(mask, images.get(normal(base)), found):
        return True
    base = numbered_mask_base(mask)
    several = images.get(normal(base)) if base is not None else None
    if several:
        found.numbered[mask] = several[0]
    return bool(several)


def _match_loosely(
    images: Iterable[str],
    masks: Sequence[str],
    of_image: Callable[[str], str],
    of_mask: Callable[[str], str],
    found: Matches,
) -> list[str]:
    """Match by what names have in common, where that is one image and one mask; returns the rest.

    Args:
        images: All images.
        masks: What has not been matched yet.
        of_image: What of the key of an image counts.
        of_mask: What of the key of a mask.
        found: Gets the matches.
    """
    if not masks:
        return []
    cases = _by(images, of_image)
    left: list[str] = []
    for name, keys in _by(masks, of_mask).items():
        same = cases.get(name, [])
        without = [image for image in same if image not in found.mask_of]
        if len(keys) == 1 and len(same) == 1 and without:
            found.mask_of[same[0]] = keys[0]
            found.loosely.append(same[0])
        elif without:
            found.ambiguous |= dict.fromkeys(keys, without)
        elif same and of_mask is not _plain_base_name:  # a copy in a subfolder is no second mask
            found.second |= dict.fromkeys(keys, same[0])
        else:
            left += keys
    return left


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
