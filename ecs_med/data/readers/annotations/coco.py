"""COCO: one JSON file with images, annotations and categories."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ecs_med.data.readers.annotations.base import AnnotatedPicture, AnnotationFile
from ecs_med.data.readers.annotations.drafts import DRAFT, digest_of_coco, is_unchanged
from ecs_med.data.readers.annotations.regions import Mask, Region, Shape, fill, outline_of
from ecs_med.data.readers.annotations.run_lengths import coco_mask
from ecs_med.errors import UnreadableFileError
from ecs_med.types import IGNORE_INDEX

__all__ = ["CocoFile", "is_coco"]


def is_coco(content: object) -> bool:
    """Whether parsed JSON has the three lists of COCO."""
    lists = ("images", "annotations", "categories")
    return isinstance(content, dict) and all(isinstance(content.get(k), list) for k in lists)


class CocoFile(AnnotationFile):
    """Classes in the order of the list of categories.

    Polygons of one object are united, as pycocotools does. Larger objects lie below smaller ones,
    of equal ones the later above. Crowds are void where no object lies on them. What is listed
    and has no object is background.
    """

    larger_first = True

    def __init__(self, path: Path, content: Mapping[str, Any]) -> None:
        """Arguments: the file, and its JSON, for which `is_coco` holds."""
        objects = _objects(path, content["annotations"])
        drawn = {of_image["category_id"] for found in objects.values() for of_image in found}
        self._name_of = dict(_categories(path, content["categories"], drawn))
        unknown = next((key for key in drawn if key not in self._name_of), None)
        if unknown is not None:
            raise UnreadableFileError(
                path, f"has objects of the category {unknown}, which its categories do not list",
                "add the category, or export it again",
            )  # fmt: skip
        self.is_draft = DRAFT in content and is_unchanged(content, digest_of_coco(content))
        pictures = list(_pictures(path, content["images"], objects, not self.is_draft))
        if objects:
            raise UnreadableFileError(
                path, f"has objects on the image {next(iter(objects))}, which it does not list",
                "add the image, or export it again",
            )  # fmt: skip
        super().__init__(path, self._name_of.values(), pictures)

    def regions(self, picture: AnnotatedPicture) -> Sequence[Region]:
        """Crowds first, since they are void below everything else."""
        return [self._region(found) for found in picture.content]

    def _region(self, found: Mapping[str, Any]) -> Region:
        number = self.number_of[self._name_of[found["category_id"]]]
        mask = partial(_mask, found.get("segmentation"))
        if found.get("iscrowd"):
            return Region(IGNORE_INDEX, mask, layer=-1)
        return Region(number, mask)


def _mask(segmentation: object, shape: Shape) -> Mask:
    if isinstance(segmentation, Mapping):
        return coco_mask(segmentation.get("counts"), segmentation.get("size"), shape)
    if not isinstance(segmentation, list) or not segmentation:
        raise ValueError("has no segmentation, a box at most, which does not tell its pixels")
    return fill([outline_of(points) for points in segmentation], shape)


def _objects(path: Path, annotations: Sequence[Any]) -> dict[Any, list[Mapping[str, Any]]]:
    """Annotations by the id of their image."""
    found: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for place, entry in enumerate(annotations, start=1):
        keys = ("image_id", "category_id")
        if not isinstance(entry, dict) or not all(_is_id(entry.get(key)) for key in keys):
            raise UnreadableFileError(
                path, f"its annotation {place} has no image_id or category_id", "export it again"
            )
        found[entry["image_id"]].append(entry)
    return found


def _categories(
    path: Path, categories: Sequence[Any], drawn: set[Any]
) -> Iterator[tuple[Any, str]]:
    """Name by id, without headings: categories above others, of which nothing is drawn."""
    seen: set[Any] = set()
    headings = {str(c.get("supercategory")) for c in categories if isinstance(c, dict)}
    for place, entry in enumerate(categories, start=1):
        known = isinstance(entry, dict) and _is_id(entry.get("id"))
        if not known or not isinstance(entry.get("name"), str) or entry["id"] in seen:
            raise UnreadableFileError(
                path, f"its category {place} has no name or no id of its own", "export it again"
            )
        seen.add(entry["id"])
        is_heading = entry["name"] in headings and entry.get("supercategory") != entry["name"]
        if entry["id"] in drawn or not is_heading:
            yield entry["id"], entry["name"]


def _pictures(
    path: Path,
    images: Sequence[Any],
    objects: dict[Any, list[Mapping[str, Any]]],
    is_annotated: bool,
) -> Iterator[AnnotatedPicture]:
    """What is listed; takes the objects of each out of `objects`."""
    seen: set[Any] = set()
    for place, entry in enumerate(images, start=1):
        known = isinstance(entry, dict) and _is_id(entry.get("id"))
        if not known or not isinstance(entry.get("file_name"), str):
            raise UnreadableFileError(
                path, f"its image {place} has no id or no file_name", "export it again"
            )
        if entry["id"] in seen:
            raise UnreadableFileError(
                path, f"has two images with the id {entry['id']}", "give each an id of its own"
            )
        seen.add(entry["id"])
        shape = shape_of(entry.get("height"), entry.get("width"))
        name = entry["file_name"].replace("\\", "/").removeprefix("./")
        yield AnnotatedPicture(name, shape, objects.pop(entry["id"], []), is_annotated)


def shape_of(height: object, width: object) -> Shape | None:
    """Height and width as a file gives them; `None` where it does not."""
    if type(height) is int and type(width) is int and height > 0 and width > 0:
        return height, width
    return None


def _is_id(value: object) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)
