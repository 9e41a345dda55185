"""LabelMe: one JSON file a picture, with a list of shapes."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ecs_med.data.readers.annotations.base import AnnotatedPicture, AnnotationFile
from ecs_med.data.readers.annotations.coco import shape_of
from ecs_med.data.readers.annotations.drafts import DRAFT, digest_of_labelme, is_unchanged
from ecs_med.data.readers.annotations.embedded import embedded_mask
from ecs_med.data.readers.annotations.regions import (
    Mask,
    Region,
    Shape,
    box_outline,
    ellipse_outline,
    fill,
    outline_of,
)
from ecs_med.errors import UnreadableFileError

__all__ = ["LabelMeFile", "is_labelme"]


def is_labelme(content: object) -> bool:
    """Whether parsed JSON has the list of shapes of LabelMe."""
    return isinstance(content, dict) and isinstance(content.get("shapes"), list)


class LabelMeFile(AnnotationFile):
    """Later shapes lie above earlier ones; what no shape covers is background."""

    def __init__(self, path: Path, content: Mapping[str, Any]) -> None:
        """Arguments: the file, and its JSON, for which `is_labelme` holds."""
        shapes = content["shapes"]
        for place, entry in enumerate(shapes, start=1):
            if not isinstance(entry, dict) or not isinstance(entry.get("label"), str):
                raise UnreadableFileError(
                    path, f"its shape {place} has no label", "give it one in LabelMe"
                )
        shape = shape_of(content.get("imageHeight"), content.get("imageWidth"))
        written = content.get("imagePath")
        self.image_path = written.replace("\\", "/") if isinstance(written, str) else ""
        self.embeds_image = bool(content.get("imageData"))
        self.is_draft = DRAFT in content and is_unchanged(content, digest_of_labelme(content))
        self._picture = AnnotatedPicture(path.name, shape, shapes, not self.is_draft)
        super().__init__(path, sorted({entry["label"] for entry in shapes}), [self._picture])

    def picture_of(self, image: Path) -> AnnotatedPicture:
        """Its one entry: which picture that is, names tell, and sizes must agree."""
        return self._picture

    def regions(self, picture: AnnotatedPicture) -> Sequence[Region]:
        """One a shape."""
        return [
            Region(self.number_of[entry["label"]], partial(_mask, entry))
            for entry in picture.content
        ]


def _mask(entry: Mapping[str, Any], shape: Shape) -> Mask:
    kind = entry.get("shape_type") or "polygon"
    points = entry.get("points")
    if kind == "polygon":
        return fill([outline_of(points)], shape)
    if kind not in ("rectangle", "circle", "mask"):
        raise ValueError(
            f"is a {str(kind)[:40]}, which has no pixels: draw a polygon, or remove it"
        )
    if not isinstance(points, list) or len(points) != 2:
        raise ValueError(f"is a {kind} without two points")
    # A third point makes an outline of them, so that they are checked like any other.
    (x0, y0), (x1, y1) = outline_of([*points, points[0]])[:2].tolist()
    if kind == "rectangle":
        return fill([box_outline(x0, y0, x1, y1)], shape)
    if kind == "circle":
        radius = math.hypot(x1 - x0, y1 - y0)
        return fill([ellipse_outline(x0, y0, radius, radius)], shape)
    return embedded_mask(entry.get("mask"), (round(x0), round(y0)), shape)
