"""Miniature data sets with annotation files: VIA and Supervisely."""

import base64
import csv
import io
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from annotation_sets import SIZE
from PIL import Image

__all__ = ["bitmap", "supervisely", "via", "via_csv", "via_region"]

Regions = Mapping[str, Sequence[Mapping[str, Any]]]


def via_region(name: str | Mapping[str, bool], **shape: Any) -> dict[str, Any]:
    """A region of class `name`, whose shape is `kind` with its numbers."""
    kind = shape.pop("kind", "polygon")
    return {
        "shape_attributes": {"name": kind, **shape},
        "region_attributes": {"class": name},
    }


def via(path: Path, regions: Regions, *, project: bool = False, **about: Any) -> Any:
    """Write a JSON file of VIA; `about` are attributes of every picture."""
    entries = {
        f"{name}123": {
            "filename": name,
            "size": 123,
            "regions": list(found),
            "file_attributes": about,
        }
        for name, found in regions.items()
    }
    content: Any = entries
    if project:
        content = {"_via_settings": {}, "_via_img_metadata": entries, "_via_attributes": {}}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return content


def via_csv(path: Path, regions: Regions) -> None:
    """Write a CSV table of VIA."""
    table = io.StringIO(newline="")
    rows = csv.writer(table)
    columns = ["filename", "file_size", "file_attributes", "region_count", "region_id"]
    rows.writerow([*columns, "region_shape_attributes", "region_attributes"])
    for name, found in regions.items():
        for number, region in enumerate(found or [{}]):
            parts = (region.get("shape_attributes", {}), region.get("region_attributes", {}))
            cells = (json.dumps(part) for part in parts)
            rows.writerow([name, 123, "{}", len(found), number, *cells])
    path.write_text(table.getvalue())


def bitmap(mask: npt.NDArray[np.bool_], corner: tuple[int, int] = (0, 0)) -> dict[str, Any]:
    """A mask as Supervisely stores it."""
    png = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8) * 255).save(png, "PNG")
    data = base64.b64encode(zlib.compress(png.getvalue())).decode()
    return {"data": data, "origin": list(corner)}


def supervisely(
    root: Path,
    objects: Mapping[str, Sequence[Mapping[str, Any]]],
    classes: Sequence[str] = ("polyp", "tool"),
    size: tuple[int, int] = SIZE,
    **more: Any,
) -> None:
    """Write `meta.json`, and the file of each picture, such as `set/a.png`."""
    root.mkdir(parents=True, exist_ok=True)
    meta = {"classes": [{"title": name, "shape": "any", "color": "#FF0000"} for name in classes]}
    (root / "meta.json").write_text(json.dumps(meta))
    for name, found in objects.items():
        dataset, _, picture = name.partition("/")
        content = {
            "description": "",
            "tags": [],
            "size": {"height": size[0], "width": size[1]},
            "objects": list(found),
            **more,
        }
        path = root / dataset / "ann" / f"{picture}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
