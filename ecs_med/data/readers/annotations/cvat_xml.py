"""CVAT for images 1.1: one XML file with the shapes of many pictures."""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element

from ecs_med.data.readers.annotations.base import AnnotatedPicture, AnnotationFile
from ecs_med.data.readers.annotations.coco import shape_of
from ecs_med.data.readers.annotations.drafts import DRAFT
from ecs_med.data.readers.annotations.regions import (
    Mask,
    Region,
    Shape,
    box_outline,
    ellipse_outline,
    fill,
    outline_of,
    turned_outline,
)
from ecs_med.data.readers.annotations.run_lengths import cvat_mask
from ecs_med.errors import UnreadableFileError

__all__ = ["CvatXmlFile"]

_REGIONS = ("polygon", "box", "ellipse", "mask")
_OTHERS = ("polyline", "points", "cuboid", "skeleton")
_MANY_DIGITS = 10


class CvatXmlFile(AnnotationFile):
    """Later shapes lie above earlier ones of the same `z_order`.

    A picture without a shape counts as not looked at, unless it has a tag: a task of CVAT lists
    its pictures before anybody has opened them.
    """

    def __init__(self, path: Path, root: Element) -> None:
        """Arguments: the file, and its element `annotations`."""
        if root.find("track") is not None:
            raise UnreadableFileError(
                path, "has tracks, as CVAT writes for videos", "export as 'CVAT for images 1.1'"
            )
        names = {node.text or "" for node in root.iterfind("meta//label/name")}
        names |= {s.get("label", "") for image in root.iterfind("image") for s in _drawn(image)}
        self.is_draft = root.find(f"meta/{DRAFT}") is not None
        super().__init__(path, sorted(names - {""}), _pictures(root, self.is_draft))

    def is_empty(self, picture: AnnotatedPicture) -> bool:
        """Whether it has tags alone."""
        return next(_drawn(picture.content), None) is None

    def regions(self, picture: AnnotatedPicture) -> Sequence[Region]:
        """One a shape, on the layer of its `z_order`."""
        return [self._region(shape) for shape in _drawn(picture.content)]

    def _region(self, shape: Element) -> Region:
        if not shape.get("label"):
            raise ValueError(f"has a {shape.tag} without a label")
        layer = int(_number(shape, "z_order")) if shape.get("z_order") else 0
        return Region(self.number_of[shape.get("label", "")], partial(_mask, shape), layer)


def _drawn(image: Element) -> Iterator[Element]:
    return (shape for shape in image if shape.tag in (*_REGIONS, *_OTHERS))


def _pictures(root: Element, is_draft: bool) -> Iterator[AnnotatedPicture]:
    for image in root.iterfind("image"):
        height, width = (_whole(image.get(key, "")) for key in ("height", "width"))
        is_drawn = image.find("tag") is not None or next(_drawn(image), None) is not None
        yield AnnotatedPicture(
            image.get("name", "").replace("\\", "/"),
            shape_of(height, width),
            image,
            is_drawn and not is_draft,
            image.get("subset", ""),
        )


def _mask(shape: Element, picture: Shape) -> Mask:
    if shape.tag == "polygon":
        pairs = [pair.split(",") for pair in shape.get("points", "").split(";") if pair]
        return fill([outline_of(pairs)], picture)
    if shape.tag == "box":
        corners = (_number(shape, key) for key in ("xtl", "ytl", "xbr", "ybr"))
        return fill([turned_outline(box_outline(*corners), _turn(shape))], picture)
    if shape.tag == "ellipse":
        axes = (_number(shape, key) for key in ("cx", "cy", "rx", "ry"))
        return fill([turned_outline(ellipse_outline(*axes), _turn(shape))], picture)
    if shape.tag == "mask":
        left, top, width, height = (
            int(_number(shape, key)) for key in ("left", "top", "width", "height")
        )
        runs = [_whole(text.strip()) for text in shape.get("rle", "").split(",")]
        return cvat_mask(
            [-1 if run is None else run for run in runs], (left, top, width, height), picture
        )
    raise ValueError(f"is a {shape.tag}, which has no pixels: draw a polygon, or remove it")


def _turn(shape: Element) -> float:
    return _number(shape, "rotation") if shape.get("rotation") else 0.0


def _number(shape: Element, key: str) -> float:
    try:
        value = float(shape.get(key, ""))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"is a {shape.tag} whose {key} is no number")
    return value


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) <= _MANY_DIGITS else None
