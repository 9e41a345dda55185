"""Label Studio: one JSON file with tasks, each a picture with the results of its annotators."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ecs_med.data.readers.annotations.base import AnnotatedPicture, AnnotationFile
from ecs_med.data.readers.annotations.brushes import brush_mask
from ecs_med.data.readers.annotations.coco import shape_of
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
from ecs_med.errors import UnreadableFileError

__all__ = ["LabelStudioFile", "is_label_studio"]

_PREFIX = re.compile(r"[0-9a-f]{8}-")
"""What an upload puts before the name of a file."""
_SHAPES = ("points", "rle", "radiusX", "width")
"""Keys of values that are regions: polygon, brush, ellipse, rectangle."""


def is_label_studio(content: object) -> bool:
    """Whether parsed JSON is a list of tasks."""
    return (
        isinstance(content, list)
        and bool(content)
        and all(
            isinstance(task, dict)
            and isinstance(task.get("data"), dict)
            and isinstance(task.get("annotations"), list)
            for task in content
        )
    )


class LabelStudioFile(AnnotationFile):
    """Later regions lie above earlier ones; coordinates are shares of the picture.

    Pictures are found by their names, with or without what an upload puts before them. A task
    without an annotation is unlabelled, skipped annotations are none; of several the one counts
    that is marked as ground truth.
    """

    def __init__(self, path: Path, tasks: Sequence[Mapping[str, Any]]) -> None:
        """Arguments: the file, and its JSON, for which `is_label_studio` holds."""
        found = [_picture(path, place, task) for place, task in enumerate(tasks, start=1)]
        self.is_draft = not any(picture.content for picture in found)
        results = [r for picture in found for a in picture.content for r in _results(a)]
        super().__init__(path, sorted({name for r in results for name in _labels(r)}), found)

    def spellings(self, picture: AnnotatedPicture) -> Sequence[str]:
        """The name as it was uploaded, and as the picture was called before."""
        last = picture.name.rpartition("/")[2]
        return tuple(dict.fromkeys((picture.name, last, _PREFIX.sub("", last, count=1))))

    def is_empty(self, picture: AnnotatedPicture) -> bool:
        """Whether no annotation of it has a result with a place."""
        results = (result for found in picture.content for result in _results(found))
        return not any(_is_placed(result) for result in results)

    def regions(self, picture: AnnotatedPicture) -> Sequence[Region]:
        """One a result with a place; answers to questions about the whole picture have none."""
        if not picture.content:
            return []
        results = list(_results(_chosen(picture.content)))
        named = {str(result.get("id")) for result in results if _labels(result)}
        placed = [
            result
            for result in results
            if _labels(result) or (_is_region(result) and str(result.get("id")) not in named)
        ]
        return [self._region(result) for result in placed if _is_placed(result)]

    def _region(self, result: Mapping[str, Any]) -> Region:
        labels = _labels(result)
        if len(labels) != 1:
            raise ValueError(f"has a region with {len(labels)} labels, where one is meant")
        return Region(self.number_of[labels[0]], partial(_mask, result["value"]))


def _picture(path: Path, place: int, task: Mapping[str, Any]) -> AnnotatedPicture:
    texts = [task.get("file_upload"), *task["data"].values()]
    written = next((text for text in texts if isinstance(text, str) and text), None)
    if written is None:
        raise UnreadableFileError(
            path, f"its task {place} names no picture", "export it again as JSON"
        )
    name = unquote(written.partition("?d=")[2] or written.partition("?")[0]).replace("\\", "/")
    if "://" in name or name.startswith("/"):
        name = name.rpartition("/")[2]
    kept = [a for a in task["annotations"] if isinstance(a, dict) and not a.get("was_cancelled")]
    sizes = [(r.get("original_height"), r.get("original_width")) for a in kept for r in _results(a)]
    shape = next((found for size in sizes if (found := shape_of(*size))), None)
    return AnnotatedPicture(name, shape, kept, is_annotated=bool(kept))


def _results(annotation: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    found = annotation.get("result")
    if isinstance(found, list):
        yield from (r for r in found if isinstance(r, dict) and isinstance(r.get("value"), dict))


def _chosen(annotations: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    if len(annotations) == 1:
        return annotations[0]
    true = [annotation for annotation in annotations if annotation.get("ground_truth")]
    if len(true) != 1:
        raise ValueError(
            f"has {len(annotations)} annotations, of which {len(true)} are marked as ground truth: "
            "mark one"
        )
    return true[0]


def _labels(result: Mapping[str, Any]) -> list[str]:
    kind = result.get("type")
    found = result["value"].get(kind) if isinstance(kind, str) and kind.endswith("labels") else None
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _is_region(result: Mapping[str, Any]) -> bool:
    return any(key in result["value"] for key in _SHAPES)


def _is_placed(result: Mapping[str, Any]) -> bool:
    return _is_region(result) or "x" in result["value"]


def _mask(value: Mapping[str, Any], shape: Shape) -> Mask:
    across, down = shape[1] / 100, shape[0] / 100
    if "rle" in value:
        return brush_mask(value["rle"], shape)
    if "points" in value:
        return fill([outline_of(value["points"]) * [across, down]], shape)
    if "radiusX" in value:
        x, y, *radii = (_number(value, key) for key in ("x", "y", "radiusX", "radiusY"))
        outline = ellipse_outline(x * across, y * down, radii[0] * across, radii[1] * down)
        return fill([turned_outline(outline, _number(value, "rotation", 0.0))], shape)
    if "width" not in value:
        raise ValueError("is a point, which has no pixels: draw a polygon, or remove it")
    x, y, width, height = (_number(value, key) for key in ("x", "y", "width", "height"))
    corner = (x * across, y * down)
    box = box_outline(*corner, (x + width) * across, (y + height) * down)
    return fill([turned_outline(box, _number(value, "rotation", 0.0), corner)], shape)


def _number(value: Mapping[str, Any], key: str, missing: float | None = None) -> float:
    found = value.get(key, missing)
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise ValueError(f"has a region whose {key} is no number")
    return float(found)
