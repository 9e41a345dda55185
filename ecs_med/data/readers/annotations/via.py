"""VGG Image Annotator 2: regions of many pictures, as a project, as JSON, or as a CSV table."""

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ecs_med.data.readers.annotations.base import AnnotatedPicture, AnnotationFile
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

__all__ = ["ViaFile", "is_via", "rows_of_via"]

_PICTURES = "_via_img_metadata"
_CLASS_NAMES = ("class", "label", "name", "type", "category", "object")
"""Attributes that tell the class where regions have several, by preference."""
_OBJECT = "object"
"""Class of regions in a file of which none has an attribute."""
_COLUMNS = ("region_shape_attributes", "region_attributes")


def is_via(content: object) -> bool:
    """Whether parsed JSON is a project, or the annotations of one."""
    if not isinstance(content, dict) or not content:
        return False
    entries = content.get(_PICTURES, content)
    return isinstance(entries, dict) and all(
        isinstance(one, dict) and isinstance(one.get("filename"), str) and "regions" in one
        for one in entries.values()
    )


def rows_of_via(path: Path, text: str) -> dict[str, Any]:
    """What a CSV table of VIA says, in the form of its JSON.

    Raises:
        UnreadableFileError: If it is no such table.
    """
    found: dict[str, Any] = {}
    try:
        rows = csv.DictReader(io.StringIO(text))
        if not {*_COLUMNS} <= {*(rows.fieldnames or ())}:
            raise ValueError(f"it has no columns {' and '.join(_COLUMNS)}")
        for number, row in enumerate(rows, start=2):
            name = row.get("filename") or row.get("#filename")
            if name is None or any(row.get(column) is None for column in _COLUMNS):
                raise ValueError(f"line {number} lacks a column")
            entry = found.setdefault(name, {"filename": name, "regions": []})
            entry["file_attributes"] = json.loads(row.get("file_attributes") or "{}")
            shape, attributes = (json.loads(row[column] or "{}") for column in _COLUMNS)
            if shape:
                region = {"shape_attributes": shape, "region_attributes": attributes}
                entry["regions"].append(region)
    except (csv.Error, ValueError, RecursionError) as error:
        raise UnreadableFileError(
            path, f"is no CSV table of VIA ({error})", "export it again, or as JSON"
        ) from None
    return found


class ViaFile(AnnotationFile):
    """Later regions lie above earlier ones.

    The class is the value of the attribute of regions; of several, of the one that is called
    `class`, `label` or the like. Where no region of a file has any, there is one class, `object`.
    A picture without a region is unlabelled unless an attribute of the file is set: a project lists
    its pictures before anybody has looked at them.
    """

    def __init__(self, path: Path, content: Mapping[str, Any]) -> None:
        """Arguments: the file, and its JSON, for which `is_via` holds."""
        entries = content.get(_PICTURES, content)
        pictures = [_picture(path, entry) for entry in entries.values()]
        regions = [region for picture in pictures for region in picture.content]
        self._attribute = _class_attribute(path, regions)
        names = {name for region in regions if (name := self._name(region)) is not None}
        super().__init__(path, sorted(names), pictures)

    def regions(self, picture: AnnotatedPicture) -> Sequence[Region]:
        """One a region."""
        return [self._region(found) for found in picture.content]

    def _region(self, found: Mapping[str, Any]) -> Region:
        name = self._name(found)
        if name is None:
            raise ValueError(f"has a region whose '{self._attribute}' names no class, or several")
        return Region(self.number_of[name], partial(_mask, found["shape_attributes"]))

    def _name(self, region: Mapping[str, Any]) -> str | None:
        if self._attribute is None:
            return _OBJECT
        value = region["region_attributes"].get(self._attribute)
        if isinstance(value, dict):  # boxes to be ticked
            ticked = [str(key) for key, chosen in value.items() if chosen is True]
            value = ticked[0] if len(ticked) == 1 else None
        known = isinstance(value, str) and value.strip() not in ("", "undefined")
        return value if known else None


def _picture(path: Path, entry: Mapping[str, Any]) -> AnnotatedPicture:
    name = entry["filename"].replace("\\", "/").removeprefix("./")
    if "://" in name:
        name = name.rpartition("/")[2]
    regions = entry["regions"]
    if isinstance(regions, dict):  # as of version 1
        regions = list(regions.values())
    if not isinstance(regions, list) or not all(_is_region(one) for one in regions):
        raise UnreadableFileError(
            path, f"has regions of the picture {name[:80]} without a shape or without attributes",
            "export it again from VIA",
        )  # fmt: skip
    about = entry.get("file_attributes")
    is_told = isinstance(about, dict) and any(_is_set(value) for value in about.values())
    return AnnotatedPicture(name, None, regions, bool(regions) or is_told)


def _is_region(entry: object) -> bool:
    keys = ("shape_attributes", "region_attributes")
    return isinstance(entry, dict) and all(isinstance(entry.get(key), dict) for key in keys)


def _is_set(value: object) -> bool:
    return any(value.values()) if isinstance(value, dict) else value not in ("", None)


def _class_attribute(path: Path, regions: Sequence[Mapping[str, Any]]) -> str | None:
    """Which attribute of regions tells their class; `None`: they have none."""
    found = {key for region in regions for key in region["region_attributes"]}
    usual = [name for name in _CLASS_NAMES for key in found if key.casefold() == name]
    if len(found) <= 1 or usual:
        chosen = next((k for name in usual for k in sorted(found) if k.casefold() == name), None)
        return chosen or next(iter(found), None)
    named = ", ".join(f"'{key[:40]}'" for key in sorted(found)[:4])
    raise UnreadableFileError(
        path, f"has regions with several attributes ({named}), of which none is called class",
        "rename the one that tells the class to class",
    )  # fmt: skip


def _mask(shape: Mapping[str, Any], picture: Shape) -> Mask:
    kind = shape.get("name")
    if kind == "polygon":
        across, down = shape.get("all_points_x"), shape.get("all_points_y")
        if not (isinstance(across, list) and isinstance(down, list) and len(across) == len(down)):
            raise ValueError("has an outline that is no list of points")
        return fill([outline_of([list(pair) for pair in zip(across, down, strict=True)])], picture)
    if kind == "rect":
        left, top, width, height = _numbers(shape, "x", "y", "width", "height")
        return fill([box_outline(left, top, left + width, top + height)], picture)
    if kind == "circle":
        x, y, radius = _numbers(shape, "cx", "cy", "r")
        return fill([ellipse_outline(x, y, radius, radius)], picture)
    if kind == "ellipse":
        x, y, across, down = _numbers(shape, "cx", "cy", "rx", "ry")
        degrees = math.degrees(next(_numbers(shape, "theta"))) if "theta" in shape else 0.0
        outline = turned_outline(ellipse_outline(x, y, across, down), degrees, (x, y))
        return fill([outline], picture)
    raise ValueError(f"is a {str(kind)[:40]}, which has no pixels: draw a polygon, or remove it")


def _numbers(shape: Mapping[str, Any], *keys: str) -> Iterator[float]:
    for key in keys:
        value = shape.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"has a {shape.get('name')} whose {key} is no number")
        if not abs(value) < 1e9:
            raise ValueError(f"has a {shape.get('name')} whose {key} is no place")
        yield float(value)
