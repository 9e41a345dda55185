"""Reading VIA and Supervisely: shapes, holes, classes, and what is refused."""

import base64
import json
import math
import zlib

import numpy as np
import pytest
from annotation_sets import SIZE, add_pictures
from more_annotation_sets import bitmap, supervisely, via, via_csv, via_region

from ecs_med.data.checks.examination import diagnose
from ecs_med.data.layout import open_data
from ecs_med.data.masks.reading import read_labels
from ecs_med.data.readers import reader_of
from ecs_med.errors import DataError, UnreadableFileError

SQUARE = {"all_points_x": [2, 12, 12, 2], "all_points_y": [2, 2, 12, 12]}
REGIONS = [
    via_region("polyp", **SQUARE),
    via_region("tool", kind="rect", x=4, y=5, width=3, height=2),
    via_region("polyp", kind="circle", cx=25, cy=6, r=3),
    via_region("tool", kind="ellipse", cx=20, cy=17, rx=6, ry=3, theta=math.pi / 2),
]


def expected():
    labels = np.zeros(SIZE, np.uint8)
    labels[2:12, 2:12] = 1
    labels[5:7, 4:7] = 2
    rows, columns = np.indices(SIZE) + 0.5
    labels[(columns - 25) ** 2 + (rows - 6) ** 2 < 9] = 1
    labels[((columns - 20) / 3) ** 2 + ((rows - 17) / 6) ** 2 < 1] = 2
    return labels


def labels_of(root, id_):
    collection = open_data(root)
    diagnosis = diagnose(collection)
    case = next(case for case in collection.cases if case.id == id_)
    return diagnosis.scheme.class_names, read_labels(case.images, case.mask, diagnosis.scheme)


@pytest.mark.parametrize("form", ["annotations", "project", "table"])
def test_shapes_of_via_in_each_form(tmp_path, form):
    add_pictures(tmp_path, "images/a.png", "images/b.png", "images/c.png")
    regions = {"a.png": REGIONS, "b.png": []}
    if form == "table":
        via_csv(tmp_path / "via_export.csv", regions)
    else:
        via(tmp_path / "via.json", regions, project=form == "project")
    collection = open_data(tmp_path)
    assert collection.layout == "via"
    labeled = {case.id: case.mask is not None for case in collection.cases}
    assert labeled == {"images/a": True, "images/b": False, "images/c": False}
    names, labels = labels_of(tmp_path, "images/a")
    assert names == ("background", "polyp", "tool")
    assert np.array_equal(labels, expected())


def test_classes_of_via(tmp_path):
    add_pictures(tmp_path, "a.png", "b.png")
    ticked = via_region({"polyp": True, "tool": False}, **SQUARE)
    via(tmp_path / "via.json", {"a.png": [ticked]})
    assert labels_of(tmp_path, "a")[0] == ("background", "polyp")
    several = via_region("polyp", **SQUARE)
    several["region_attributes"] = {"quality": "good", "Label": "polyp"}
    via(tmp_path / "via.json", {"a.png": [several]})
    assert labels_of(tmp_path, "a")[0] == ("background", "polyp")
    without = {**several, "region_attributes": {}}
    via(tmp_path / "via.json", {"a.png": [without]})
    assert labels_of(tmp_path, "a")[0] == ("background", "object")
    via(tmp_path / "via.json", {"a.png": [without, several]})
    with pytest.raises(UnreadableFileError, match="whose 'Label' names no class"):
        reader_of([p := tmp_path / "via.json"]).read_stored_labels(p, [tmp_path / "a.png"])
    several["region_attributes"] = {"quality": "good", "size": "large"}
    via(tmp_path / "via.json", {"a.png": [several]})
    with pytest.raises(DataError, match=r"several attributes \('quality', 'size'\), of which none"):
        open_data(tmp_path)


def test_a_picture_of_via_is_labelled_once_somebody_has_looked(tmp_path):
    add_pictures(tmp_path, "a.png", "b.png")
    via(tmp_path / "via.json", {"a.png": [], "b.png": REGIONS}, quality="good")
    assert all(case.mask is not None for case in open_data(tmp_path).cases)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"kind": "point", "cx": 3, "cy": 4}, "is a point, which has no pixels"),
        ({"kind": "polyline", **SQUARE}, "is a polyline, which has no pixels"),
        ({"all_points_x": [1, 2], "all_points_y": [1, 2, 3]}, "no list of points"),
        ({"kind": "circle", "cx": 3, "cy": 4}, "a circle whose r is no number"),
        ({"kind": "rect", "x": 1, "y": 2, "width": 1e300, "height": 1}, "width is no place"),
    ],
)
def test_regions_of_via_that_cannot_be_drawn(tmp_path, shape, said):
    add_pictures(tmp_path, "a.png")
    path = tmp_path / "via.json"
    via(path, {"a.png": [via_region("polyp", **shape)]})
    with pytest.raises(UnreadableFileError, match=f"{path}: of the picture a.png .*{said}"):
        reader_of([path]).read_stored_labels(path, [tmp_path / "a.png"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("filename,region_shape_attributes\na.png,{}\n", "it has no columns region_shape_att"),
        ("filename,region_shape_attributes,region_attributes\na.png,{}\n", "line 2 lacks a column"),
        ("filename,region_shape_attributes,region_attributes\na.png,{,{}\n", "is no CSV table"),
        ("filename,region_shape_attributes,region_attributes\na,3,{}\n", "without a shape"),
        ("\0", "it has no columns region_shape_attributes and region_attributes"),
    ],
)
def test_tables_of_via_that_are_damaged(tmp_path, text, said):
    add_pictures(tmp_path, "a.png")
    path = tmp_path / "via.csv"
    path.write_text(text)
    with pytest.raises(UnreadableFileError, match=said):
        reader_of([path]).read_stored_labels(path, [tmp_path / "a.png"])


def objects():
    ring = {"exterior": [[2, 2], [12, 2], [12, 12], [2, 12]]}
    ring["interior"] = [[[4, 4], [7, 4], [7, 7], [4, 7]]]
    mask = np.zeros((6, 5), np.bool_)
    mask[1:4, 2:] = True
    return [
        {"classTitle": "polyp", "geometryType": "polygon", "points": ring},
        {"classTitle": "tool", "geometryType": "bitmap", "bitmap": bitmap(mask, (10, 8))},
        {
            "classTitle": "tool",
            "geometryType": "rectangle",
            "points": {"exterior": [[20, 3], [23, 9]], "interior": []},
        },
    ]


def test_a_project_of_supervisely(tmp_path):
    add_pictures(tmp_path, "train/img/a.png", "train/img/b.png", "val/img/a.png", "val/img/c.png")
    found = {"train/a.png": objects(), "train/b.png": [], "val/a.png": objects()[:1]}
    supervisely(tmp_path, found, classes=("tool", "polyp"))
    collection = open_data(tmp_path)
    assert collection.layout == "supervisely"
    assert {case.id: (case.mask is not None, case.partition) for case in collection.cases} == {
        "train/img/a": (True, "train"),
        "train/img/b": (False, "train"),
        "val/img/a": (True, "validation"),
        "val/img/c": (False, "validation"),
    }
    names, labels = labels_of(tmp_path, "train/img/a")
    assert names == ("background", "tool", "polyp")
    wanted = np.zeros(SIZE, np.uint8)
    wanted[2:12, 2:12] = 2
    wanted[4:7, 4:7] = 0
    wanted[9:12, 12:15] = wanted[3:9, 20:23] = 1
    assert np.array_equal(labels, wanted)
    (tmp_path / "train/ann/b.png.json").write_text(
        json.dumps({"size": {}, "objects": [], "tags": [{"name": "clean"}]})
    )
    assert sum(case.mask is not None for case in open_data(tmp_path).cases) == 3


def test_classes_that_a_project_does_not_list(tmp_path):
    add_pictures(tmp_path, "set/img/a.png")
    supervisely(tmp_path, {"set/a.png": objects()}, classes=("polyp",))
    said = [problem.sentence() for problem in open_data(tmp_path).problems]
    assert any(
        "a.png.json: has objects of the class 'tool', which meta.json does" in s for s in said
    )
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(DataError, match=r"meta\.json: its classes cannot be read"):
        open_data(tmp_path)


def bomb():
    return base64.b64encode(zlib.compress(bytes(2**27))).decode()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"geometryType": "point"}, "is a point, which has no pixels"),
        ({"geometryType": "polygon", "points": None}, "is a polygon without points"),
        ({"geometryType": "bitmap"}, "a bitmap without its pixels"),
        ({"bitmap": {"data": "AAAA", "origin": [0, 0]}}, "pixels cannot be unpacked"),
        ({"bitmap": {"data": bomb(), "origin": [0, 0]}}, "end early, or are far too many"),
        ({"bitmap": bitmap(np.ones(SIZE, np.bool_), (1, 0))}, "reaches beyond its picture"),
        ({"bitmap": bitmap(np.ones((2, 2), np.bool_), (-1, 0))}, "reaches beyond its picture"),
        ({"bitmap": {"data": "AAAA", "origin": [0.5, 0]}}, "origin is no pixel"),
    ],
)
def test_objects_of_supervisely_that_cannot_be_drawn(tmp_path, change, said):
    add_pictures(tmp_path, "set/img/a.png")
    entry = {"classTitle": "polyp", "geometryType": "bitmap", **change}
    supervisely(tmp_path, {"set/a.png": [entry]})
    path = tmp_path / "set/ann/a.png.json"
    with pytest.raises(UnreadableFileError, match=said):
        reader_of([path]).read_stored_labels(path, [tmp_path / "set/img/a.png"])
