"""Matching masks to images by what they are called; nothing is guessed."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from ecs_med_datasets.naming import (
    looks_like_mask,
    mask_base,
    normal,
    numbered_mask_base,
    plain,
    same_case,
)

__all__ = ["Matches", "masks_beside", "match"]


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
