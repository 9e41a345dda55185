"""Packages `coco` and `coco-rle`: pictures, and one JSON file of COCO with the drafts of all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ecs_med.acquisition.package.base import Classes, Package, PackagedCase, write_object
from ecs_med.acquisition.package.pictures import put_picture, size_of
from ecs_med.acquisition.package.pieces import Piece, pieces_of
from ecs_med.data.readers.annotations.drafts import DRAFT, digest_of_coco
from ecs_med.data.readers.annotations.run_lengths import packed_counts, run_lengths

__all__ = ["CocoPackage", "CocoRunsPackage"]

_FILE = "annotations.json"


class CocoPackage(Package):
    """An object a piece: a polygon, or run lengths where it has a hole, which polygons lack."""

    name: ClassVar[str] = "coco"
    title: ClassVar[str] = "COCO"
    runs_alone: ClassVar[bool] = False
    """Whether pieces without a hole are run lengths, too."""

    def __init__(self, folder: Path, classes: Classes) -> None:
        super().__init__(folder, classes)
        self._images: list[dict[str, Any]] = []
        self._objects: list[dict[str, Any]] = []
        self._drafted = False

    def add(self, case: PackagedCase) -> None:
        """Write the picture, and keep its objects."""
        height, width = size_of(case)
        picture = put_picture(case, self.folder / "images")
        number = len(self._images) + 1
        self._images.append({"id": number, "file_name": picture, "height": height, "width": width})
        if case.draft is not None:
            self._drafted = True
            self._objects += [
                self._object(piece, number, (height, width)) for piece in pieces_of(case.draft)
            ]

    def close(self) -> None:
        """Write the file; objects are numbered from 1, as some tools ask for."""
        names = enumerate(self.classes.drawn, start=1)
        content: dict[str, Any] = {
            "info": {"description": "Images to annotate, drafted by ecs-med"},
            "licenses": [],
            "images": self._images,
            "annotations": [
                {"id": place, **found} for place, found in enumerate(self._objects, start=1)
            ],
            "categories": [{"id": n, "name": name, "supercategory": ""} for n, name in names],
        }
        # Without objects there is nothing to be confirmed, and nobody has looked all the same.
        content[DRAFT] = digest_of_coco(content)
        write_object(self.folder / _FILE, content)

    def _object(self, piece: Piece, image: int, shape: tuple[int, int]) -> dict[str, Any]:
        segmentation: Any
        if self.runs_alone or piece.has_hole:
            counts = run_lengths(_whole(piece, shape).T)
            segmentation = {"size": [*shape], "counts": packed_counts(counts)}
        else:
            segmentation = [[side for point in piece.outline() for side in point]]
        return {
            "image_id": image,
            "category_id": piece.number,
            "segmentation": segmentation,
            "area": piece.size,
            "bbox": [*piece.box],
            "iscrowd": 0,
        }

    def steps(self, *, drafted: bool) -> Sequence[str]:
        """As of `Package.steps`."""
        what = "Correct what is drawn" if drafted else "Draw the objects"
        return (
            f"Upload images/ into a project of the tool, then import {_FILE} as COCO.",
            f"{what}, and export as COCO when every picture is done.",
            f"Put the exported file here in place of {_FILE}: each picture that it lists counts as "
            "labelled then. As it is now, it counts for nothing.",
        )


class CocoRunsPackage(CocoPackage):
    """An object a piece as run lengths, exact to the pixel."""

    name: ClassVar[str] = "coco-rle"
    title: ClassVar[str] = "COCO with run lengths"
    runs_alone: ClassVar[bool] = True


def _whole(piece: Piece, shape: tuple[int, int]) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """The pixels of a piece in its picture."""
    mask = np.zeros(shape, np.bool_)
    left, top, width, height = piece.box
    mask[top : top + height, left : left + width] = piece.mask
    return mask
