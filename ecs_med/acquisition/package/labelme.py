"""Package `labelme`: pictures, and a JSON file of LabelMe with the draft beside each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from ecs_med.acquisition.package.base import Classes, Package, PackagedCase, write_object
from ecs_med.acquisition.package.pictures import put_picture, size_of
from ecs_med.acquisition.package.pieces import Piece, pieces_of
from ecs_med.data.readers.annotations.drafts import CHECKED, DRAFT, digest_of_labelme

__all__ = ["LabelMePackage"]

_BACKGROUND = "_background_"
"""What LabelMe's own converters take for the background."""


class LabelMePackage(Package):
    """A polygon a piece, those first that enclose more; background in a hole is a polygon, too."""

    name: ClassVar[str] = "labelme"
    title: ClassVar[str] = "LabelMe"

    def __init__(self, folder: Path, classes: Classes) -> None:
        super().__init__(folder, classes)
        names = "\n".join(["__ignore__", _BACKGROUND, *classes.drawn])
        (folder / "labels.txt").write_text(f"{names}\n", encoding="utf-8")

    def add(self, case: PackagedCase) -> None:
        """Write the picture and, with a draft, its JSON file."""
        picture = put_picture(case, self.folder)
        if case.draft is None:
            return
        height, width = size_of(case)
        shapes = [self._shape(piece) for piece in pieces_of(case.draft, background=True)]
        content: dict[str, Any] = {
            "version": "5.5.0",
            "flags": {CHECKED: False},
            "shapes": shapes,
            "imagePath": picture,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        content[DRAFT] = digest_of_labelme(content)
        write_object(self.folder / f"{case.name}.json", content)

    def _shape(self, piece: Piece) -> dict[str, Any]:
        return {
            "label": self.classes.names[piece.number] if piece.number else _BACKGROUND,
            "points": piece.outline(),
            "group_id": None,
            "description": "",
            "shape_type": "polygon",
            "flags": {},
            "mask": None,
        }

    def steps(self, *, drafted: bool) -> Sequence[str]:
        """As of `Package.steps`."""
        opened = "Open a terminal in this folder and start `labelme . --labels labels.txt`."
        saved = (
            "Correct the outlines and save (Ctrl+S); where the draft is right as it is, tick "
            f"'{CHECKED}' under Flags and save. A draft that nobody has changed counts as "
            "unlabelled."
            if drafted
            else "Draw outlines with the labels offered, and save (Ctrl+S), also where there is "
            "nothing to draw. A picture without a JSON file counts as unlabelled."
        )
        return opened, saved, "Leave the JSON files beside the pictures."
