"""Finding the mask of an image by name."""

import re
from collections.abc import Sequence
from pathlib import Path

from ecs_med.types import Problem
from ecs_med_datasets.scanning import FileIndex

__all__ = ["mask_base", "pair", "pair_within"]

MASK_SUFFIX = re.compile(
    r"(?P<base>.+?)[ _.-]+(masks?|seg|segs|segmentations?|labels?|gt|groundtruth|annotations?)$",
    re.IGNORECASE,
)


def mask_base(key: str) -> str | None:
    """The image key that a mask key with a usual suffix stands for.

    Example:
        >>> mask_base("p1/12_mask")
        'p1/12'
        >>> mask_base("p1/12") is None
        True
    """
    folder, slash, stem = key.rpartition("/")
    match = MASK_SUFFIX.fullmatch(stem)
    return folder + slash + match["base"] if match else None


def pair(images: FileIndex, masks: FileIndex) -> tuple[dict[str, str], list[Problem]]:
    """Match masks to images by path below their folders, without suffixes.

    The same name wins over a name with `_mask`, `_seg`, `_segmentation`,
    `_label` or `_gt` behind it.

    Returns:
        Key in the mask index by key in the image index, unlabelled images left out; and orphan
        masks and ambiguous ones as problems.
    """
    exact = {key: key for key in images.suffixes if key in masks.suffixes}
    matched = dict(exact)
    orphans: list[str] = []
    problems: list[Problem] = []
    for key in masks.suffixes:
        if key in exact:
            continue
        base = mask_base(key)
        if base is None or base not in images.suffixes:
            orphans.append(key)
        elif base in matched:
            problems.append(_second_mask(masks.path(key), masks.path(matched[base])))
        else:
            matched[base] = key
    problems += _orphan_problems(images, masks, orphans, num_matched=len(matched))
    return matched, problems


def pair_within(index: FileIndex) -> dict[str, str]:
    """Mask by image where both lie in one folder, as `12.png` and `12_mask.png`."""
    mask_of: dict[str, str] = {}
    for key in index.suffixes:
        base = mask_base(key)
        if base is not None and base in index.suffixes:
            mask_of.setdefault(base, key)
    return mask_of


def _second_mask(path: Path, other: Path) -> Problem:
    return Problem(
        "error",
        f"a second mask for the image that already has {other.name}",
        "Merge the two into one file, or remove one",
        path,
    )


def _orphan_problems(
    images: FileIndex, masks: FileIndex, orphans: Sequence[str], *, num_matched: int
) -> list[Problem]:
    if orphans and images.suffixes and not num_matched:
        first = images.path(next(iter(images.suffixes)))
        return [
            Problem(
                "error",
                f"none of {len(masks.suffixes)} masks has the name of an image"
                f" (the first image is {first.name}, the first mask {masks.path(orphans[0]).name})",
                "Give every mask the name of its image, with or without _mask behind it",
                masks.folder,
            )
        ]
    return [
        Problem(
            "warning",
            "mask without an image",
            "Add the image under the same name, or remove the mask",
            masks.path(key),
        )
        for key in orphans
    ]
