"""Layouts of annotation files: where pictures lie, which are labelled, partitions, refusals."""

import json
from pathlib import Path

import pytest
from annotation_sets import add_pictures, coco, square, write_cvat, write_labelme
from PIL import Image

from ecs_med.config import ReadingSettings
from ecs_med.data.checks.examination import diagnose
from ecs_med.data.layout import open_data
from ecs_med.errors import DataError
from ecs_med.splits import draw_split
from ecs_med.types import CaseCollection

POLYP = [("polyp", [square(2, 2, 8)])]
SHAPE = {"label": "polyp", "points": [[2, 2], [9, 9]], "shape_type": "rectangle"}


def labeled(collection: CaseCollection) -> dict[str, bool]:
    return {case.id: case.mask is not None for case in collection.cases}


def errors(collection: CaseCollection) -> list[str]:
    return [problem.sentence() for problem in collection.problems if problem.severity == "error"]


@pytest.mark.parametrize(
    ("file", "pictures"),
    [
        ("annotations.json", ""),
        ("polyps.json", "images/"),
        ("annotations/instances_default.json", "images/"),
        ("annotations/instances_train2017.json", "train2017/"),
        ("annotations/instances_train2017.json", "images/train2017/"),
        ("images/_annotations.coco.json", "images/"),
    ],
)
def test_coco_beside_its_pictures(tmp_path: Path, file: str, pictures: str) -> None:
    add_pictures(tmp_path / pictures, "a.png", "b.png", "c.png")
    coco(tmp_path / file, {"a.png": POLYP, "b.png": []})
    collection = open_data(tmp_path)
    assert collection.layout == "coco"
    assert labeled(collection) == {
        f"{pictures}a": True,
        f"{pictures}b": True,
        f"{pictures}c": False,
    }
    assert collection.labels == {0: "background", 1: "polyp", 2: "tool"}
    notes = [problem.message for problem in collection.problems if problem.severity == "note"]
    assert "1 of 2 pictures have no object and count as all background" in notes


def test_roboflow_gives_partitions(tmp_path: Path) -> None:
    for part in ("train", "valid", "test"):
        add_pictures(tmp_path / part, f"{part}1.png", f"{part}2.png")
        coco(tmp_path / part / "_annotations.coco.json", {f"{part}1.png": POLYP})
    collection = open_data(tmp_path)
    assert {case.id: case.partition for case in collection.cases if case.mask} == {
        "train/train1": "train",
        "valid/valid1": "validation",
        "test/test1": "test",
    }


def test_names_of_files_give_partitions_and_other_annotations_are_left_out(tmp_path: Path) -> None:
    for part in ("train", "val"):
        add_pictures(tmp_path / f"{part}2017", f"{part}.png")
        for kind in ("instances", "person_keypoints"):
            path = tmp_path / f"annotations/{kind}_{part}2017.json"
            coco(path, {f"{part}.png": POLYP})
    collection = open_data(tmp_path)
    assert not errors(collection)
    found = {case.id: case.partition for case in collection.cases}
    assert found == {"train2017/train": "train", "val2017/val": "validation"}


def test_the_file_itself_may_be_given(tmp_path: Path) -> None:
    add_pictures(tmp_path / "images", "a.png", "b.png")
    path = tmp_path / "annotations/all.json"
    coco(path, {"a.png": POLYP})
    collection = open_data(path)
    assert (collection.layout, labeled(collection)) == ("coco", {"images/a": True})
    diagnosis = diagnose(collection)
    assert diagnosis.scheme is not None
    assert diagnosis.scheme.class_names == ("background", "polyp", "tool")


def test_folders_of_masks_and_lists_are_read_as_before(tmp_path: Path) -> None:
    add_pictures(tmp_path / "images", "a.png")
    add_pictures(tmp_path / "masks", "a.png")
    coco(tmp_path / "annotations.json", {"a.png": POLYP})
    assert open_data(tmp_path).layout == "folder"
    assert open_data(tmp_path, ReadingSettings(layout="coco")).layout == "coco"
    listing = tmp_path / "list.json"
    listing.write_text(json.dumps([{"image": "images/a.png", "label": "masks/a.png"}]))
    assert open_data(listing).layout == "listing"


def test_a_list_may_name_annotation_files_as_masks(tmp_path: Path) -> None:
    add_pictures(tmp_path, "a.png", "b.png")
    coco(tmp_path / "all.json", {"a.png": POLYP})
    write_labelme(tmp_path / "b.json", SHAPE)
    listing = tmp_path / "list.csv"
    listing.write_text("image,mask\na.png,all.json\nb.png,b.json\n")
    diagnosis = diagnose(open_data(listing))
    assert diagnosis.class_pixels == {"a": (24 * 32 - 64, 64, 0), "b": (24 * 32 - 49, 49, 0)}


def test_in_a_list_what_nobody_has_annotated_is_unlabelled(tmp_path: Path) -> None:
    add_pictures(tmp_path, "images/a.png", "images/b.png")
    box = '<box label="polyp" xtl="2" ytl="2" xbr="9" ybr="9"/>'
    write_cvat(tmp_path / "annotations.xml", {"a.png": box, "b.png": ""})
    listing = tmp_path / "list.csv"
    rows = "".join(f"images/{name}.png,annotations.xml\n" for name in "ab")
    listing.write_text(f"image,mask\n{rows}")
    collection = open_data(listing)
    assert labeled(collection) == {"images/a": True, "images/b": False}
    told = [problem.sentence() for problem in collection.problems]
    assert any("as the mask of b.png, of which it holds nothing that a person" in s for s in told)


def test_pictures_that_are_not_there_are_told_once_a_file(tmp_path: Path) -> None:
    add_pictures(tmp_path / "images", "a.png")
    path = tmp_path / "annotations.json"
    coco(path, {"a.png": POLYP, "b.png": POLYP, "c.png": []})
    collection = open_data(tmp_path)
    assert errors(collection) == [
        f"{path}: 2 of 3 pictures that it lists are not there, such as b.png; put them beside this "
        "file or into images/ there, or list those alone that exist."
    ]
    coco(path, {"b.png": POLYP})
    with pytest.raises(DataError, match="1 of 1 pictures that it lists are not there"):
        open_data(tmp_path)


def test_a_picture_that_two_files_list_or_that_is_not_read(tmp_path: Path) -> None:
    add_pictures(tmp_path / "images", "a.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "images/b.gif")
    for name in ("one.json", "two.json"):
        coco(tmp_path / name, {"a.png": POLYP})
    coco(tmp_path / "three.json", {"b.gif": POLYP})
    said = " ".join(errors(open_data(tmp_path)))
    assert f"is listed in {tmp_path}/two.json and in {tmp_path}/one.json" in said
    assert "is listed in three.json, in a format that is not read; convert it" in said


def test_names_with_backslashes_and_of_one_stem(tmp_path: Path) -> None:
    add_pictures(tmp_path, "set/a.png", "set/a.jpg")
    coco(tmp_path / "annotations.json", {"set\\a.png": POLYP, "./set/a.jpg": []})
    assert labeled(open_data(tmp_path)) == {"set/a.jpg": True, "set/a.png": True}
    assert not [p for p in diagnose(open_data(tmp_path)).problems if p.severity == "error"]


def test_a_name_that_leads_out_of_the_folder_of_annotations_alone(tmp_path: Path) -> None:
    add_pictures(tmp_path, "images/a.png")
    coco(tmp_path / "annotations/x.json", {"../images/a.png": POLYP})
    collection = open_data(tmp_path)
    assert labeled(collection) == {"images/a": True}
    assert diagnose(collection).class_pixels["images/a"] == (24 * 32 - 64, 64, 0)
    coco(tmp_path / "annotations/x.json", {"../../images/a.png": POLYP})
    with pytest.raises(DataError, match="no path below the data"):
        open_data(tmp_path)


def test_an_edit_changes_the_labels_of_the_pictures_that_it_is_about(tmp_path: Path) -> None:
    add_pictures(tmp_path / "images", "a.png", "b.png")
    path = tmp_path / "annotations.json"
    coco(path, {"a.png": POLYP, "b.png": POLYP})
    before = diagnose(open_data(tmp_path)).facts
    coco(path, {"a.png": POLYP, "b.png": [("polyp", [square(3, 3, 9)])]})
    after = diagnose(open_data(tmp_path)).facts
    kept = {id_: before[id_].content.labels == after[id_].content.labels for id_ in before}
    assert kept == {"images/a": True, "images/b": False}


def test_counts_and_a_split(tmp_path: Path) -> None:
    names = [f"{number:02}.png" for number in range(20)]
    add_pictures(tmp_path / "images", *names)
    coco(tmp_path / "annotations.json", dict.fromkeys(names, POLYP))
    collection = open_data(tmp_path)
    diagnosis = diagnose(collection)
    assert diagnosis.class_pixels["images/00"] == (24 * 32 - 64, 64, 0)
    assert "class 'tool' has no pixel in any of the masks" in [
        problem.message for problem in diagnosis.problems
    ]
    assert len(draw_split(collection.cases, "5", seed=0).labeled) == 5


def test_labelme_pairs_by_name_then_by_its_path(tmp_path: Path) -> None:
    add_pictures(tmp_path, "images/a.png", "images/b.png", "images/c.png", "images/d.png")
    write_labelme(tmp_path / "images/a.json", SHAPE, imagePath="old name.png")
    write_labelme(tmp_path / "json/b1.json", SHAPE, imagePath="..\\images\\b.png")
    write_labelme(tmp_path / "json/c.json", SHAPE, imagePath="c.png")
    collection = open_data(tmp_path)
    assert collection.layout == "labelme"
    assert labeled(collection) == {
        "images/a": True,
        "images/b": True,
        "images/c": True,
        "images/d": False,
    }
    diagnosis = diagnose(collection)
    assert not [problem for problem in diagnosis.problems if problem.severity != "note"]
    assert diagnosis.class_pixels["images/b"] == (24 * 32 - 49, 49)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"imagePath": "gone.png"}, "its picture 'gone.png' is not below the data; put"),
        ({"imagePath": "../../a.png"}, "is not below the data; put"),
        ({"imagePath": "/etc/a.gif"}, "is not below the data; put"),
        ({"imagePath": "x.png", "imageData": "aa"}, "and the copy inside the file is not used"),
    ],
)
def test_labelme_without_its_picture(tmp_path: Path, more: dict[str, str], said: str) -> None:
    add_pictures(tmp_path / "data", "a.png")
    write_labelme(tmp_path / "data/a.json", SHAPE)
    write_labelme(tmp_path / "data/b.json", SHAPE, **more)
    found = errors(open_data(tmp_path / "data"))
    assert len(found) == 1
    assert found[0].startswith(f"{tmp_path}/data/b.json: ")
    assert said in found[0]


def test_two_files_of_labelme_for_one_picture(tmp_path: Path) -> None:
    add_pictures(tmp_path, "a.png")
    write_labelme(tmp_path / "a.json", SHAPE)
    write_labelme(tmp_path / "b.json", SHAPE, imagePath="a.png")
    assert "is of the same picture as" in errors(open_data(tmp_path))[0]


def test_cvat_puts_pictures_into_subsets(tmp_path: Path) -> None:
    box = '<box label="polyp" xtl="2" ytl="2" xbr="9" ybr="9"/>'
    add_pictures(tmp_path / "images", "Train/a.png", "Test/b.png")
    path = tmp_path / "annotations.xml"
    write_cvat(path, {"a.png": box, "b.png": box})
    text = path.read_text().replace('name="a.png"', 'name="a.png" subset="Train"')
    path.write_text(text.replace('name="b.png"', 'name="b.png" subset="Test"'))
    collection = open_data(tmp_path)
    assert {case.id: case.partition for case in collection.cases} == {
        "images/Train/a": "train",
        "images/Test/b": "test",
    }
    assert not [p for p in diagnose(collection).problems if p.severity == "error"]


@pytest.mark.parametrize("layout", ["coco", "cvat-xml", "labelme"])
def test_a_folder_without_such_files(tmp_path: Path, layout: str) -> None:
    add_pictures(tmp_path, "a.png")
    with pytest.raises(DataError, match=r"holds no (JSON )?file of .*; expected"):
        open_data(tmp_path, ReadingSettings(layout=layout))
