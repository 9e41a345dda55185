"""Package `label-studio`: pictures, the labelling interface, and tasks with predictions."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np
import numpy.typing as npt

from ecs_med.acquisition.package.base import Classes, Package, PackagedCase, write_object
from ecs_med.acquisition.package.pictures import put_picture, size_of
from ecs_med.data.readers.annotations.brushes import packed_brush
from ecs_med.palette import css_color

__all__ = ["LabelStudioPackage"]

_TASKS = "tasks.json"
_INTERFACE = "interface.xml"
_FILES = "/data/local-files/?d="


class LabelStudioPackage(Package):
    """A brush a class, exact to the pixel; predictions, which are no annotations."""

    name: ClassVar[str] = "label-studio"
    title: ClassVar[str] = "Label Studio"

    def __init__(self, folder: Path, classes: Classes) -> None:
        super().__init__(folder, classes)
        self._tasks: list[dict[str, Any]] = []
        view = Element("View")
        SubElement(view, "Image", {"name": "image", "value": "$image", "zoom": "true"})
        brushes = SubElement(view, "BrushLabels", {"name": "label", "toName": "image"})
        for index, name in enumerate(classes.drawn, start=1):
            color = css_color(index) or ""
            SubElement(brushes, "Label", {"value": name, "background": color})
        indent(view)
        (folder / _INTERFACE).write_text(f"{tostring(view, 'unicode')}\n", encoding="utf-8")

    def add(self, case: PackagedCase) -> None:
        """Write the picture, and keep its task."""
        picture = put_picture(case, self.folder / "images")
        task: dict[str, Any] = {
            "data": {"image": f"{_FILES}{quote(f'images/{picture}')}"},
            "annotations": [],
        }
        if case.draft is not None:
            result = list(self._brushes(case.draft, size_of(case)))
            task["predictions"] = [{"model_version": "ecs-med", "result": result}]
        self._tasks.append(task)

    def close(self) -> None:
        """Write the tasks."""
        write_object(self.folder / _TASKS, self._tasks)

    def _brushes(
        self, labels: npt.NDArray[np.uint8], shape: tuple[int, int]
    ) -> Iterator[dict[str, Any]]:
        for index, name in enumerate(self.classes.drawn, start=1):
            mask = labels == index
            if not mask.any():
                continue
            rle = packed_brush(mask)
            yield {
                "id": f"draft{index}",
                "type": "brushlabels",
                "from_name": "label",
                "to_name": "image",
                "original_height": shape[0],
                "original_width": shape[1],
                "image_rotation": 0,
                "value": {"format": "rle", "rle": rle, "brushlabels": [name]},
            }

    def steps(self, *, drafted: bool) -> Sequence[str]:
        """As of `Package.steps`."""
        done = "take over and correct each prediction" if drafted else "paint each picture"
        return (
            "Start Label Studio with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true and "
            "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT=this folder, and add images/ to a project as "
            "local storage.",
            f"Paste {_INTERFACE} as the labelling interface, import {_TASKS}, {done}, and submit.",
            f"Export as JSON (not JSON-MIN), and put the file here in place of {_TASKS}.",
        )
