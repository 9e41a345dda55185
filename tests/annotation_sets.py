"""Miniature data sets with annotation files: COCO, LabelMe, CVAT."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["SIZE", "add_pictures", "coco", "runs_of", "square", "write_cvat", "write_labelme"]

SIZE = (24, 32)
"""Height and width of the pictures."""


def add_pictures(folder: Path, *names: str, size: tuple[int, int] = SIZE) -> None:
    """Noise, another one for each name."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        seed = sum(name.encode())
        pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(path)


def square(left: float, top: float, side: float) -> list[float]:
    """A polygon as COCO writes it."""
    right, bottom = left + side, top + side
    return [left, top, right, top, right, bottom, left, bottom]


def runs_of(mask: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """An uncompressed mask of COCO, counted pixel by pixel."""
    counts, last = [0], False
    for pixel in mask.T.ravel().tolist():
        if pixel != last:
            counts.append(0)
            last = pixel
        counts[-1] += 1
    return {"counts": counts, "size": list(mask.shape)}


def coco(
    path: Path,
    objects: Mapping[str, Sequence[tuple[str, Any]]],
    categories: Sequence[str] = ("polyp", "tool"),
    size: tuple[int, int] = SIZE,
) -> dict[str, Any]:
    """Write a file of COCO; `objects` are pairs of category and segmentation by picture."""
    images, annotations = [], []
    for number, (name, found) in enumerate(objects.items()):
        images.append({"id": number, "file_name": name, "height": size[0], "width": size[1]})
        for category, segmentation in found:
            annotations.append(
                {
                    "id": len(annotations),
                    "image_id": number,
                    "category_id": 10 + categories.index(category.removesuffix("*")),
                    "segmentation": segmentation,
                    "iscrowd": int(category.endswith("*")),
                }
            )
    content = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 10 + i, "name": name} for i, name in enumerate(categories)],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return content


def write_labelme(path: Path, *shapes: Mapping[str, Any], **more: Any) -> None:
    """Write a file of LabelMe."""
    content = {
        "version": "5.4.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": f"{path.stem}.png",
        "imageData": None,
        "imageHeight": SIZE[0],
        "imageWidth": SIZE[1],
        **more,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_cvat(path: Path, images: Mapping[str, str], labels: Sequence[str] = ()) -> None:
    """Write a file of CVAT for images 1.1; `images` are the elements of each picture."""
    names = "".join(f"<label><name>{name}</name></label>" for name in labels)
    text = "".join(
        f'<image id="{i}" name="{name}" width="{SIZE[1]}" height="{SIZE[0]}">{shapes}</image>'
        for i, (name, shapes) in enumerate(images.items())
    )
    meta = f"<meta><job><labels>{names}</labels></job></meta>"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"<annotations><version>1.1</version>{meta}{text}</annotations>")
