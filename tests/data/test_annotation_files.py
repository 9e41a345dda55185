"""Reading annotation files as masks: classes, overlaps, void, and what is refused."""

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotation_sets import SIZE, add_pictures, coco, runs_of, square, write_cvat, write_labelme
from PIL import Image

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import open_data
from ecs_med.data.masks.reading import read_labels, understand_masks
from ecs_med.data.readers import reader_of
from ecs_med.data.readers.annotations import reader
from ecs_med.errors import DataError, UnreadableFileError
from ecs_med.types import IGNORE_INDEX, Case, CaseCollection

SMALL, LARGE = square(4, 4, 4), square(2, 2, 10)


def labels_of(
    collection: CaseCollection, settings: ReadingSettings | None = None
) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Class names, and the labels of every case with a mask."""
    cases: Sequence[Case] = [case for case in collection.cases if case.mask]
    masks, images = [c.mask for c in cases if c.mask], [c.images for c in cases]
    settings = settings or ReadingSettings()
    scheme, _ = understand_masks(masks, settings, collection.labels, images)
    found = {c.id: read_labels(c.images, c.mask, scheme) for c in cases if c.mask}
    return scheme.class_names, found


def coco_labels(root: Path, *objects: tuple[str, Any], **more: Any) -> np.ndarray:
    add_pictures(root, "images/a.png", "images/b.png")
    other = [("polyp", [LARGE]), ("tool", [SMALL])]
    coco(root / "annotations.json", {"a.png": objects, "b.png": other}, **more)
    return labels_of(open_data(root))[1]["images/a"]


def test_classes_are_the_categories_in_their_order(tmp_path: Path) -> None:
    add_pictures(tmp_path, "images/a.png", "images/b.png")
    objects = {"a.png": [("zebra", [LARGE]), ("ape", [SMALL])], "b.png": []}
    coco(tmp_path / "annotations.json", objects, categories=("zebra", "ape"))
    names, labels = labels_of(open_data(tmp_path))
    assert names == ("background", "zebra", "ape")
    assert np.bincount(labels["images/a"].ravel()).tolist() == [24 * 32 - 100, 84, 16]
    assert not labels["images/b"].any()


def test_smaller_objects_of_coco_lie_above_larger_ones(tmp_path: Path) -> None:
    labels = coco_labels(tmp_path, ("tool", [SMALL]), ("polyp", [LARGE]))
    assert (labels[5, 5], labels[3, 3]) == (2, 1)


def test_a_crowd_is_void_where_no_object_lies_on_it(tmp_path: Path) -> None:
    crowd = np.zeros(SIZE, np.bool_)
    crowd[2:12, 2:12] = True
    labels = coco_labels(tmp_path, ("polyp", [SMALL]), ("tool*", runs_of(crowd)))
    assert (labels[5, 5], labels[3, 3], labels[0, 0]) == (1, IGNORE_INDEX, 0)


def test_what_is_called_background_or_to_be_ignored_is_no_class(tmp_path: Path) -> None:
    add_pictures(tmp_path, "a.png")
    polygon = [[2, 2], [12, 2], [12, 12], [2, 12]]
    inner = [[4, 4], [8, 4], [8, 8], [4, 8]]
    far = [[20, 20], [24, 20], [24, 24], [20, 24]]
    write_labelme(
        tmp_path / "a.json",
        {"label": "polyp", "points": polygon, "shape_type": "polygon"},
        {"label": "_background_", "points": inner, "shape_type": "polygon"},
        {"label": "__ignore__", "points": far, "shape_type": "polygon"},
    )
    names, labels = labels_of(open_data(tmp_path))
    assert names == ("background", "polyp")
    values = [labels["a"][place] for place in ((3, 3), (5, 5), (22, 22))]
    assert values == [1, 0, IGNORE_INDEX]


def test_a_heading_of_roboflow_is_no_class_and_equal_names_are_one(tmp_path: Path) -> None:
    add_pictures(tmp_path, "train/a.png")
    path = tmp_path / "train/_annotations.coco.json"
    content = coco(path, {"a.png": [("polyp", [LARGE])]}, categories=("polyp",))
    content["categories"][0]["supercategory"] = "lesions"
    content["categories"].append({"id": 0, "name": "lesions", "supercategory": "none"})
    content["categories"].append({"id": 77, "name": "Polyp ", "supercategory": "lesions"})
    path.write_text(json.dumps(content))
    assert labels_of(open_data(tmp_path))[0] == ("background", "polyp")


def test_classes_may_be_chosen_and_a_file_without_them_is_background(tmp_path: Path) -> None:
    add_pictures(tmp_path, "a.png", "b.png")
    box = [[2, 2], [12, 12]]
    write_labelme(tmp_path / "a.json", {"label": "b", "points": box, "shape_type": "rectangle"})
    write_labelme(tmp_path / "b.json", {"label": "a", "points": box, "shape_type": "rectangle"})
    assert labels_of(open_data(tmp_path))[0] == ("background", "a", "b")
    chosen = ReadingSettings(class_names=("nothing", "b"))
    names, labels = labels_of(open_data(tmp_path), chosen)
    assert names == ("nothing", "b")
    assert labels["a"].sum() == 100
    assert not labels["b"].any()


def test_shapes_of_labelme(tmp_path: Path) -> None:
    add_pictures(tmp_path, "a.png")
    png = io.BytesIO()
    Image.fromarray(np.eye(4, dtype=np.uint8) * 255).save(png, "PNG")
    mask = base64.b64encode(png.getvalue()).decode()
    write_labelme(
        tmp_path / "a.json",
        {"label": "c", "points": [[10, 10], [10, 13]], "shape_type": "circle"},
        {"label": "m", "points": [[20, 2], [23, 5]], "shape_type": "mask", "mask": mask},
        {"label": "r", "points": [[30, 20], [25, 18]], "shape_type": "rectangle"},
    )
    labels = labels_of(open_data(tmp_path))[1]["a"]
    assert np.count_nonzero(labels == 1) == 32  # of a circle of radius 3 on a corner of pixels
    assert np.argwhere(labels == 2).tolist() == [[2 + i, 20 + i] for i in range(4)]
    assert np.count_nonzero(labels == 3) == 10


def test_shapes_of_cvat_lie_by_z_order(tmp_path: Path) -> None:
    add_pictures(tmp_path, "images/a.png", "images/b.png", "images/c.png")
    shapes = (
        '<polygon label="p" points="2.0,2.0;12.0,2.0;12.0,12.0;2.0,12.0" z_order="1"/>'
        '<box label="b" xtl="4" ytl="4" xbr="20" ybr="8" z_order="0"/>'
        '<mask label="m" rle="1, 2, 1" left="25" top="3" width="2" height="2"/>'
        '<ellipse label="p" cx="20" cy="18" rx="4" ry="2"/>'
    )
    images = {"a.png": shapes, "b.png": "", "c.png": '<tag label="clean"/>'}
    write_cvat(tmp_path / "annotations.xml", images, labels=("p", "m", "b"))
    collection = open_data(tmp_path)
    assert collection.layout == "cvat-xml"
    assert [case.mask is None for case in collection.cases] == [False, True, False]
    names, labels = labels_of(collection)
    assert names == ("background", "b", "m", "p")
    found = labels["images/a"]
    assert (found[5, 5], found[5, 15], found[18, 20]) == (3, 1, 3)
    assert np.argwhere(found == 2).tolist() == [[3, 26], [4, 25]]


def test_nothing_is_drawn_before_a_mask_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "draw", lambda *_, **__: pytest.fail("drawn"))
    add_pictures(tmp_path, "images/a.png")
    coco(tmp_path / "annotations.json", {"a.png": [("polyp", [LARGE])]})
    assert open_data(tmp_path).cases[0].mask == tmp_path / "annotations.json"


def test_annotations_of_a_picture_that_was_turned_by_its_tag(tmp_path: Path) -> None:
    path = tmp_path / "images/a.jpg"
    path.parent.mkdir()
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", SIZE[::-1]).save(path, exif=exif)
    as_stored = {"a.jpg": [("polyp", [square(0, 0, 4)])]}
    coco(tmp_path / "annotations.json", as_stored, categories=("polyp",))
    labels = labels_of(open_data(tmp_path))[1]["images/a"]
    assert labels.shape == SIZE[::-1]
    assert labels[:4, -4:].sum() == labels.sum() == 16
    as_shown = {"a.jpg": [("polyp", [square(0, 0, 4)])]}
    coco(tmp_path / "annotations.json", as_shown, categories=("polyp",), size=SIZE[::-1])
    labels = labels_of(open_data(tmp_path))[1]["images/a"]
    assert labels[:4, :4].sum() == labels.sum() == 16


@pytest.mark.parametrize(
    ("segmentation", "said"),
    [
        ([], "its region 1 has no segmentation, a box at most"),
        (None, "its region 1 has no segmentation"),
        ([[1, 2, 3, 4]], "has an outline of 2 point"),
        ([[1, 2, float("nan"), 4, 5, 6]], "not finite"),
        ({"counts": [5], "size": [*SIZE]}, "runs of 5 pixels together, where there are 768"),
        ({"counts": [768], "size": [10**9, 10**9]}, "runs of a mask of size"),
        ({"counts": "~", "size": [*SIZE]}, "letters that belong to none"),
    ],
)
def test_regions_that_cannot_be_drawn_name_file_and_picture(
    tmp_path: Path, segmentation: object, said: str
) -> None:
    add_pictures(tmp_path, "images/a.png")
    path = tmp_path / "annotations.json"
    coco(path, {"a.png": [("polyp", segmentation)]})
    with pytest.raises(UnreadableFileError, match=said) as refused:
        reader_of([path]).read_stored_labels(path, [tmp_path / "images/a.png"])
    assert str(refused.value).startswith(f"{path}: of the picture a.png its region 1 ")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"images": [{"id": 0, "file_name": "a.png"}] * 2}, "two images with the id 0"),
        ({"images": [{"id": i, "file_name": "a.png"} for i in range(2)]}, "a.png twice"),
        ({"images": [{"id": 0}]}, "its image 1 has no id or no file_name"),
        ({"images": [{"id": 9, "file_name": "a.png"}]}, "objects on the image 0, which it does"),
        ({"images": [{"id": 0, "file_name": "../a.png"}]}, "no path below the data"),
        ({"images": [{"id": 0, "file_name": "/etc/a.png"}]}, "no path below the data"),
        ({"images": [{"id": 0, "file_name": "C:\\a.png"}]}, "no path below the data"),
        ({"categories": []}, "the category 10, which its categories do not list"),
        ({"categories": [{"id": 10}]}, "its category 1 has no name"),
        ({"annotations": [{"id": 1}]}, "its annotation 1 has no image_id"),
        ({"annotations": [7]}, "its annotation 1 has no image_id"),
        ({"categories": [{"id": i, "name": f"c{i}"} for i in range(300)]}, "has 300 classes"),
    ],
)
def test_files_of_coco_that_contradict_themselves(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    add_pictures(tmp_path, "images/a.png")
    path = tmp_path / "annotations.json"
    content = coco(path, {"a.png": [("polyp", [LARGE])]})
    path.write_text(json.dumps(content | change))
    with pytest.raises(DataError, match=said) as refused:
        open_data(tmp_path)
    assert str(refused.value).startswith(str(path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('"images" "annotations" "categories"', "is no JSON"),
        ('{"images": 1, "annotations": [], "categories": []}', "is no annotation file"),
        ("[" * 100_000 + '"images" "annotations" "categories"', "is no JSON"),
    ],
)
def test_json_that_is_none(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "annotations.json").write_text(text)
    with pytest.raises(DataError, match=said):
        open_data(tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<annotations><image </annotations>", "is no XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations><image /></annotations>', "entities"),
        ("<annotations><meta/><!-- <image --></annotations>", "has no images"),
        ('<annotations><image name="a.png"/><track/></annotations>', "has tracks"),
    ],
)
def test_xml_that_is_none_of_cvat(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "annotations.xml").write_text(text)
    with pytest.raises(DataError, match=said):
        open_data(tmp_path)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ('<polyline label="p" points="1,1;2,2"/>', "is a polyline, which has no pixels"),
        ('<box label="p" xtl="1" ytl="1" xbr="inf" ybr="2"/>', "is a box whose xbr is no number"),
        ('<polygon label="p" points="1,1;2;3,3"/>', "no numbers"),
        ('<mask label="p" rle="a" left="0" top="0" width="1" height="1"/>', "no list of lengths"),
        ('<mask label="p" rle="9" left="0" top="0" width="99" height="1"/>', "not inside"),
        ('<box xtl="1" ytl="1" xbr="3" ybr="2"/>', "without a label"),
    ],
)
def test_shapes_of_cvat_that_cannot_be_drawn(tmp_path: Path, shape: str, said: str) -> None:
    add_pictures(tmp_path, "images/a.png")
    path = tmp_path / "annotations.xml"
    write_cvat(path, {"a.png": shape})
    with pytest.raises(UnreadableFileError, match=said):
        reader_of([path]).read_stored_labels(path, [tmp_path / "images/a.png"])


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"points": [[1, 1], [2, 2]], "shape_type": "line"}, "is a line, which has no pixels"),
        ({"points": [[1, 1]], "shape_type": "circle"}, "is a circle without two points"),
        ({"points": [[1, 1], [2]], "shape_type": "circle"}, "no numbers"),
        ({"points": None}, "no list of points"),
        ({"points": [[0, 0], [3, 3]], "shape_type": "mask"}, "a mask without its pixels"),
        ({"points": [[0, 0], [3, 3]], "shape_type": "mask", "mask": "x"}, "cannot be used"),
    ],
)
def test_shapes_of_labelme_that_cannot_be_drawn(
    tmp_path: Path, shape: dict[str, object], said: str
) -> None:
    add_pictures(tmp_path, "a.png")
    path = tmp_path / "a.json"
    write_labelme(path, {"label": "p", **shape})
    with pytest.raises(UnreadableFileError, match=said):
        reader_of([path]).read_stored_labels(path, [tmp_path / "a.png"])


def test_a_size_that_is_not_that_of_the_picture(tmp_path: Path) -> None:
    add_pictures(tmp_path, "images/a.png")
    path = tmp_path / "annotations.json"
    coco(path, {"a.png": [("polyp", [LARGE])]}, size=(10**6, 10**6))
    with pytest.raises(UnreadableFileError, match=r"1000000 x 1000000 .* but it is 24 x 32; put"):
        reader_of([path]).mask_header(path, [tmp_path / "images/a.png"])


def test_an_annotation_file_is_no_image_and_holds_no_results(tmp_path: Path) -> None:
    add_pictures(tmp_path, "a.png", "b.png")
    path = tmp_path / "annotations.json"
    coco(path, {"a.png": [("polyp", [LARGE])]})
    found = reader_of([path])
    for refused in (found.header, found.read):
        with pytest.raises(UnreadableFileError, match="which is no image"):
            refused([path])
    with pytest.raises(UnreadableFileError, match="cannot be written as COCO"):
        found.write_labels(path, np.zeros(SIZE, np.uint8), [path])
    with pytest.raises(UnreadableFileError, match=r"nothing on the picture .*b\.png"):
        found.read_stored_labels(path, [tmp_path / "b.png"])
