"""Whatever stands in an annotation file, what comes back is a mask or one sentence."""

import copy
import csv
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotation_sets import SIZE, add_pictures, coco, runs_of, square, write_cvat, write_labelme
from more_annotation_sets import bitmap, via, via_csv, via_region

from ecs_med.data.layout import open_data
from ecs_med.data.readers import reader_of
from ecs_med.data.readers.annotations.drafts import DRAFT, digest_of_coco, digest_of_labelme
from ecs_med.errors import DataError

ODD = (None, True, -1, 0, 1.5, 2**70, float("nan"), float("inf"), "x", "", "..", [], [[]], {}, [1])
WORDS = ("", "x", "-1", "1e400", "nan", "1;2", "1,2;3", "9" * 5000, "1,1;2,2;3,3")
RECTANGLE = {"label": "a", "points": [[1, 1], [9, 9]], "shape_type": "rectangle"}
POLYGON = {"label": "b", "points": [[1, 1], [9, 1], [5, 7]], "shape_type": "polygon"}
SHAPES = (
    '<polygon label="p" points="2.0,2.0;12.0,2.0;12.0,12.0" z_order="1"/>'
    '<mask label="m" rle="1, 2, 1" left="25" top="3" width="2" height="2"/>'
    '<ellipse label="p" cx="20" cy="18" rx="4" ry="2" rotation="3"/>'
)


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in parsed JSON; of lists the first two places."""
    if path:
        yield path
    if isinstance(content, dict):
        for key in content:
            yield from places(content[key], (*path, key))
    elif isinstance(content, list):
        for index in range(min(len(content), 2)):
            yield from places(content[index], (*path, index))


def variants(content: Any) -> Iterator[Any]:
    """The content with one thing in it replaced, or left out."""
    for path in places(content):
        for odd in (*ODD, KeyError):
            changed = copy.deepcopy(content)
            inner = changed
            for key in path[:-1]:
                inner = inner[key]
            if odd is KeyError:
                del inner[path[-1]]
            else:
                inner[path[-1]] = odd
            yield changed


def use(root: Path, path: Path) -> None:
    """Open and draw; no error but those that are told in a sentence."""
    with suppress(DataError):
        open_data(root)
    with suppress(DataError):
        stored = reader_of([path]).read_stored_labels(path, [root / "a.png"])
        assert stored.values.shape in (SIZE, SIZE[::-1])


@pytest.mark.slow
def test_json_with_one_thing_that_is_odd(tmp_path: Path) -> None:
    contents: dict[str, Any] = {}
    crowd = runs_of(np.eye(*SIZE, dtype=np.bool_))
    packed = {"counts": "52203", "size": [*SIZE]}
    objects = [("polyp", [square(2, 2, 8)]), ("tool*", crowd), ("tool", packed)]
    contents["coco"] = coco(tmp_path / "a.json", {"a.png": objects})
    contents["coco"]["categories"][0]["supercategory"] = "lesion"
    write_labelme(tmp_path / "a.json", RECTANGLE, POLYGON)
    contents["labelme"] = json.loads((tmp_path / "a.json").read_text())
    for name, digest in (("coco", digest_of_coco), ("labelme", digest_of_labelme)):
        contents[name][DRAFT] = digest(contents[name])
    value = {"x": 1, "y": 2, "width": 30, "height": 40, "rotation": 5, "rectanglelabels": ["a"]}
    size = {"original_height": SIZE[0], "original_width": SIZE[1]}
    brush = {"format": "rle", "rle": [0, 0, 12, 0, 57], "brushlabels": ["b"]}
    results = [{"id": "r", "type": "rectanglelabels", "value": value, **size}]
    results.append({"id": "s", "type": "brushlabels", "value": brush, **size})
    task = {"data": {"image": "a.png"}, "annotations": [{"result": results}]}
    contents["label-studio"] = [task]
    ellipse = via_region("a", kind="ellipse", cx=9, cy=8, rx=3, ry=2, theta=1)
    polygon = via_region({"a": True}, all_points_x=[1, 9, 5], all_points_y=[1, 1, 7])
    contents["via"] = via(tmp_path / "a.json", {"a.png": [ellipse, polygon]}, project=True)
    drawn = {"exterior": [[1, 1], [9, 1], [5, 7]], "interior": [[[2, 2], [4, 2], [3, 4]]]}
    painted = bitmap(np.ones((2, 2), np.bool_), (3, 4))
    contents["supervisely"] = {
        "size": {"height": SIZE[0], "width": SIZE[1]},
        "tags": [],
        "objects": [
            {"classTitle": "a", "geometryType": "polygon", "points": drawn},
            {"classTitle": "b", "geometryType": "bitmap", "bitmap": painted},
        ],
    }
    for name, content in contents.items():
        root = tmp_path / name
        add_pictures(root, "a.png")
        for changed in variants(content):
            path = root / "a.json"
            path.write_text(json.dumps(changed))
            use(root, path)


@pytest.mark.parametrize("word", WORDS)
def test_xml_with_one_word_that_is_odd(tmp_path: Path, word: str) -> None:
    add_pictures(tmp_path, "a.png")
    path = tmp_path / "annotations.xml"
    write_cvat(path, {"a.png": SHAPES})
    parts = path.read_text().split('"')
    for place in range(1, len(parts), 2):
        path.write_text('"'.join([*parts[:place], word, *parts[place + 1 :]]))
        use(tmp_path, path)


@pytest.mark.parametrize("word", WORDS)
def test_a_table_with_one_cell_that_is_odd(tmp_path: Path, word: str) -> None:
    add_pictures(tmp_path, "a.png")
    path = tmp_path / "via.csv"
    via_csv(path, {"a.png": [via_region("a", kind="rect", x=1, y=2, width=3, height=4)]})
    rows = [list(row) for row in csv.reader(path.read_text().splitlines())]
    for line in range(2):
        for place in range(len(rows[0])):
            changed = [list(row) for row in rows]
            changed[line][place] = word
            with path.open("w", newline="") as file:
                csv.writer(file).writerows(changed)
            use(tmp_path, path)


def test_a_draft_of_lists_in_lists(tmp_path: Path) -> None:
    add_pictures(tmp_path, "a.png")
    for depth in (100, 300, 900):
        deep = "[" * depth + "]" * depth
        shape = '{"label": "a", "shape_type": "polygon", "points": ' + deep + "}"
        text = '{"shapes": [' + shape + f'], "imagePath": "a.png", "{DRAFT}": ""' + "}"
        (tmp_path / "a.json").write_text(text)
        use(tmp_path, tmp_path / "a.json")
