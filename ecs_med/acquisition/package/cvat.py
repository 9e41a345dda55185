"""Package `cvat`: pictures, labels of a task, and drafts as "CVAT for images 1.1"."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from ecs_med.acquisition.package.base import Classes, Package, PackagedCase, write_object
from ecs_med.acquisition.package.pictures import put_picture, size_of
from ecs_med.acquisition.package.pieces import Piece, pieces_of
from ecs_med.data.readers.annotations.drafts import DRAFT
from ecs_med.data.readers.annotations.run_lengths import run_lengths
from ecs_med.palette import css_color

__all__ = ["CvatPackage"]

_DRAFTS = "drafts.xml"
_LABELS = "labels.json"


class CvatPackage(Package):
    """A shape a piece: a polygon, or a mask where it has a hole, which polygons lack."""

    name: ClassVar[str] = "cvat"
    title: ClassVar[str] = "CVAT"

    def __init__(self, folder: Path, classes: Classes) -> None:
        super().__init__(folder, classes)
        self._root = Element("annotations")
        SubElement(self._root, "version").text = "1.1"
        meta = SubElement(self._root, "meta")
        SubElement(meta, DRAFT).text = "not checked by a person"
        labels = SubElement(SubElement(meta, "task"), "labels")
        for name in classes.drawn:
            SubElement(SubElement(labels, "label"), "name").text = name
        colors = [css_color(index) for index in range(1, len(classes.names))]
        content: list[dict[str, Any]] = [
            {"name": name, "color": color, "attributes": []}
            for name, color in zip(classes.drawn, colors, strict=True)
        ]
        write_object(folder / _LABELS, content)
        self._drafted = False

    def add(self, case: PackagedCase) -> None:
        """Write the picture, and keep its shapes."""
        height, width = size_of(case)
        picture = put_picture(case, self.folder / "images")
        number = str(len(self._root.findall("image")))
        size = {"width": str(width), "height": str(height)}
        image = SubElement(self._root, "image", {"id": number, "name": picture, **size})
        if case.draft is not None:
            self._drafted = True
            for piece in pieces_of(case.draft):
                self._add_shape(image, piece)

    def _add_shape(self, image: Element, piece: Piece) -> None:
        about = {"label": self.classes.names[piece.number], "source": "auto", "occluded": "0"}
        if piece.has_hole:
            left, top, width, height = (str(side) for side in piece.box)
            runs = ", ".join(map(str, run_lengths(piece.mask)))
            box = {"rle": runs, "left": left, "top": top, "width": width, "height": height}
            SubElement(image, "mask", {**about, **box, "z_order": "0"})
            return
        points = ";".join(f"{x:.2f},{y:.2f}" for x, y in piece.outline())
        SubElement(image, "polygon", {**about, "points": points, "z_order": "0"})

    def close(self) -> None:
        """Write the shapes of all pictures."""
        if self._drafted:
            indent(self._root, " ")
            tree = ElementTree(self._root)
            tree.write(self.folder / _DRAFTS, encoding="utf-8", xml_declaration=True)

    def steps(self, *, drafted: bool) -> Sequence[str]:
        """As of `Package.steps`."""
        upload = f"; then upload {_DRAFTS} as annotations of 'CVAT 1.1'" if drafted else ""
        done = "Correct the shapes" if drafted else "Draw shapes"
        return (
            f"In CVAT, make a task with the files of images/, and paste {_LABELS} into its labels "
            f"as 'Raw'{upload}.",
            f"{done} in every picture; give one a tag where there is nothing to draw.",
            "Export as 'CVAT for images 1.1' and put its annotations.xml here, beside images/.",
        )
