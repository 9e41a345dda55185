"""Drafts of a model in annotation files: known as such until somebody has changed them."""

import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

__all__ = ["CHECKED", "DRAFT", "digest_of_coco", "digest_of_labelme", "is_unchanged"]

DRAFT = "ecs_med_draft"
"""Key under which a file says what was drafted, as a digest: tools that keep what they do not know
keep it, too, and it means nothing any more once something is drawn otherwise."""
CHECKED = "checked"
"""Flag of LabelMe by which a draft that is right as it is can be told from one not looked at."""

_SHAPE = ("label", "shape_type", "points", "mask")
_OBJECT = ("image_id", "category_id", "iscrowd", "segmentation")


def digest_of_labelme(content: Mapping[str, Any]) -> str:
    """Digest of the shapes and flags of a file of LabelMe."""
    return _digest([_chosen(content.get("shapes"), _SHAPE), content.get("flags")])


def digest_of_coco(content: Mapping[str, Any]) -> str:
    """Digest of the objects of a file of COCO."""
    return _digest(_chosen(content.get("annotations"), _OBJECT))


def is_unchanged(content: Mapping[str, Any], digest: str) -> bool:
    """Whether a file is a draft in which nothing is drawn otherwise than it was."""
    return content.get(DRAFT) == digest


def _chosen(entries: Any, keys: tuple[str, ...]) -> list[list[Any]]:
    listed = entries if isinstance(entries, list) else []
    return [[entry.get(key) for key in keys] for entry in listed if isinstance(entry, dict)]


def _digest(drawn: Any) -> str:
    try:
        told = json.dumps(_rounded(drawn), sort_keys=True)
    except RecursionError:  # lists in lists, which no tool writes
        return ""
    return blake2b(told.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _rounded(value: Any) -> Any:
    """Numbers by their value, and not by how they are written, which tools change."""
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, float):
        rounded = round(value, 3)
        return int(rounded) if rounded.is_integer() else rounded
    return value
