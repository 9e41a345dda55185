"""Supervisely: one JSON file a picture, with a list of objects."""

import base64
import binascii
import zlib
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ecs_med.data.readers.annotations.base import AnnotatedPicture, AnnotationFile
from ecs_med.data.readers.annotations.coco import shape_of
from ecs_med.data.readers.annotations.embedded import embedded_mask
from ecs_med.data.readers.annotations.regions import (
    Mask,
    Region,
    Shape,
    box_outline,
    fill,
    outline_of,
)
from ecs_med.errors import UnreadableFileError

__all__ = ["SuperviselyFile", "is_supervisely"]

_MOST_BYTES = 2**26
"""Of an unpacked picture of a mask, which is a PNG and compressed itself."""


def is_supervisely(content: object) -> bool:
    """Whether parsed JSON has size and objects as Supervisely writes them."""
    return (
        isinstance(content, dict)
        and isinstance(content.get("objects"), list)
        and isinstance(content.get("size"), dict)
    )


class SuperviselyFile(AnnotationFile):
    """Later objects lie above earlier ones; a polygon has the holes that its interior names.

    A picture without an object is unlabelled, unless it has a tag: an export has a file for each
    picture, whether somebody has looked at it or not.
    """

    def __init__(self, path: Path, content: Mapping[str, Any]) -> None:
        """Arguments: the file, and its JSON, for which `is_supervisely` holds."""
        objects = content["objects"]
        for place, entry in enumerate(objects, start=1):
            if not isinstance(entry, dict) or not isinstance(entry.get("classTitle"), str):
                raise UnreadableFileError(
                    path, f"its object {place} has no classTitle", "export it again"
                )
        shape = shape_of(content["size"].get("height"), content["size"].get("width"))
        is_annotated = bool(objects) or bool(content.get("tags"))
        self._picture = AnnotatedPicture(path.stem, shape, objects, is_annotated)
        super().__init__(path, sorted({entry["classTitle"] for entry in objects}), [self._picture])

    def picture_of(self, image: Path) -> AnnotatedPicture:
        """Its one entry: which picture that is, names tell, and sizes must agree."""
        return self._picture

    def regions(self, picture: AnnotatedPicture) -> Sequence[Region]:
        """One an object."""
        return [
            Region(self.number_of[entry["classTitle"]], partial(_mask, entry))
            for entry in picture.content
        ]


def _mask(entry: Mapping[str, Any], shape: Shape) -> Mask:
    kind = entry.get("geometryType")
    if kind == "bitmap":
        return _bitmap(entry.get("bitmap"), shape)
    if kind not in ("polygon", "rectangle"):
        raise ValueError(
            f"is a {str(kind)[:40]}, which has no pixels: draw a polygon or a mask, or remove it"
        )
    points = entry.get("points")
    if not isinstance(points, dict):
        raise ValueError(f"is a {kind} without points")
    if kind == "rectangle":
        corners = points.get("exterior")
        if not isinstance(corners, list) or len(corners) != 2:
            raise ValueError("is a rectangle without two points")
        (left, top), (right, bottom) = outline_of([*corners, corners[0]])[:2].tolist()
        return fill([box_outline(left, top, right, bottom)], shape)
    holes = points.get("interior") or []
    if not isinstance(holes, list):
        raise ValueError("is a polygon whose interior is no list of outlines")
    within = fill([outline_of(hole) for hole in holes], shape)
    return fill([outline_of(points.get("exterior"))], shape) & ~within


def _bitmap(found: object, shape: Shape) -> Mask:
    """A PNG, packed by zlib, in base 64."""
    data, origin = (
        (found.get("data"), found.get("origin")) if isinstance(found, Mapping) else (None, None)
    )
    if not isinstance(data, str) or not isinstance(origin, list):
        raise ValueError("is a bitmap without its pixels or without an origin")
    if len(origin) != 2 or not all(type(side) is int for side in origin):
        raise ValueError("is a bitmap whose origin is no pixel")
    try:
        packed = base64.b64decode(data, validate=True)
        unpacking = zlib.decompressobj()
        picture = unpacking.decompress(packed, _MOST_BYTES)
    except (binascii.Error, ValueError, zlib.error):
        raise ValueError("is a bitmap whose pixels cannot be unpacked") from None
    if not unpacking.eof:
        raise ValueError("is a bitmap whose pixels end early, or are far too many")
    return embedded_mask(base64.b64encode(picture).decode(), (origin[0], origin[1]), shape)
