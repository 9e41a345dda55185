"""Label Studio: brushes bit by bit, regions in shares of the picture, pictures by their names."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from annotation_sets import SIZE, add_pictures

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import open_data
from ecs_med.data.masks.reading import read_labels, understand_masks
from ecs_med.data.readers import reader_of
from ecs_med.data.readers.annotations.brushes import brush_mask
from ecs_med.errors import DataError, UnreadableFileError


def packed(mask: np.ndarray, width: int = 8) -> list[int]:
    """The brush of a mask, as text of bits: runs repeated where they can be, else written out."""
    values = (np.repeat(mask.ravel(), 4) * 255).tolist()
    bits = f"{len(values):032b}{width - 1:05b}" + "".join(f"{n - 1:04b}" for n in (3, 4, 8, 16))
    place = 0
    while place < len(values):
        run = 1
        while run < 2**16 and values[place : place + run + 1] == [values[place]] * (run + 1):
            run += 1
        if run > 8:
            bits += f"111{run - 1:016b}{values[place]:0{width}b}"
        else:
            run = min(8, len(values) - place)
            bits += f"000{run - 1:03b}"
            bits += "".join(f"{value:0{width}b}" for value in values[place : place + run])
        place += run
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


def result(
    kind: str, label: str | None, value: Mapping[str, Any], id_: str = "r"
) -> dict[str, Any]:
    own = {kind: [label]} if label else {}
    size = {"original_height": SIZE[0], "original_width": SIZE[1]}
    return {"id": id_, "type": kind, "value": {**value, **own}, **size}


def task(image: str, *annotations: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    found = [{"completed_by": 1, "result": results} for results in annotations]
    return {"id": 1, "data": {"image": image}, "annotations": found, **more}


def write(path: Path, *tasks: dict[str, Any]) -> Path:
    path.write_text(json.dumps(tasks))
    return path


POLYGON = {"points": [[25, 25], [75, 25], [75, 75], [25, 75]]}


@pytest.mark.parametrize("seed", range(6))
def test_brushes_are_unpacked(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(int(side) for side in rng.integers(1, 40, 2))
    mask = rng.random(shape) < rng.choice([0, 0.05, 0.5, 1])
    assert np.array_equal(brush_mask(packed(mask), shape), mask)


@pytest.mark.parametrize("seed", range(6))
def test_brushes_are_those_of_label_studio(seed: int) -> None:
    brush = pytest.importorskip(
        "label_studio_sdk.converter.brush", reason="compared where it is installed"
    )
    rng = np.random.default_rng(seed)
    mask = rng.random((17, 23)) < rng.choice([0, 0.05, 0.5, 1])
    values = np.repeat(mask.ravel(), 4).astype(np.uint8) * 255
    assert np.array_equal(brush_mask(brush.encode_rle(values), (17, 23)), mask)
    assert np.array_equal(brush.decode_rle(packed(mask)), values)


@pytest.mark.parametrize(
    ("bytes_", "said"),
    [
        (packed(np.ones((3, 3), np.bool_)), "a brush of 9 pixels"),
        (packed(np.ones((2, 4), np.bool_))[:-1], "ends too early"),
        ([], "ends too early"),
        ([300], "no list of bytes"),
        ("00", "no list of bytes"),
        ([0, 0, 0, 32, 57, 37, 0xF0 | 0xE, 255, 255, 255], "more pixels than its picture"),
    ],
)
def test_brushes_that_are_damaged(bytes_: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        brush_mask(bytes_, (2, 4))


def test_regions_and_the_names_of_uploads(tmp_path: Path) -> None:
    names = ("a.png", "0123abcd-b b.png", "c.png", "d.png", "e.png")
    add_pictures(tmp_path / "images", *names)
    painted = np.zeros(SIZE, np.bool_)
    painted[1:3, 1:4] = True
    square = {"x": 50, "y": 50, "width": 25, "height": 25, "rotation": 0}
    round_ = {"x": 50, "y": 50, "radiusX": 25, "radiusY": 25}
    first = [
        result("polygonlabels", "polyp", POLYGON),
        result("brushlabels", "blood", {"format": "rle", "rle": packed(painted)}),
        result("rectanglelabels", "tool", square),
        {"id": "q", "type": "choices", "value": {"choices": ["good"]}},
    ]
    two = [result("ellipse", None, round_, "e"), result("labels", "polyp", round_, "e")]
    write(
        tmp_path / "project.json",
        task("/data/upload/3/8badf00d-a.png", first),
        task("/data/upload/3/0123abcd-b%20b.png", two),
        task("/data/local-files/?d=images/c.png", []),
        task("s3://bucket/d.png"),
    )
    collection = open_data(tmp_path)
    assert collection.layout == "label-studio"
    masks = {case.id: case.mask for case in collection.cases}
    assert [id_ for id_, mask in masks.items() if mask is None] == ["images/d", "images/e"]
    found = [(case.images, case.mask) for case in collection.cases if case.mask]
    images, paths = zip(*found, strict=True)
    scheme, _ = understand_masks(paths, ReadingSettings(), collection.labels, images)
    assert scheme.class_names == ("background", "blood", "polyp", "tool")
    labels = {image[0].stem: read_labels(image, mask, scheme) for image, mask in found}
    assert np.bincount(labels["a"].ravel()).tolist() == [570, 6, 16 * 12 - 48, 48]
    assert labels["0123abcd-b b"].sum() == pytest.approx(2 * np.pi * 8 * 6, rel=0.03)
    assert not labels["c"].any()


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ([result("keypointlabels", "polyp", {"x": 1, "y": 2})], "is a point, which has no pixels"),
        ([result("polygon", None, POLYGON)], "with 0 labels"),
        ([result("rectanglelabels", "p", {"x": 1, "y": 2, "width": None})], "whose width is no"),
        ([result("polygonlabels", "p", {"points": [[1, 2]]})], "an outline of 1 point"),
    ],
)
def test_results_that_cannot_be_drawn(tmp_path: Path, results: list[Any], said: str) -> None:
    add_pictures(tmp_path, "a.png")
    path = write(tmp_path / "project.json", task("a.png", results))
    with pytest.raises(UnreadableFileError, match=said):
        reader_of([path]).read_stored_labels(path, [tmp_path / "a.png"])


def test_of_several_annotations_the_ground_truth_counts(tmp_path: Path) -> None:
    add_pictures(tmp_path, "a.png")
    path = tmp_path / "project.json"
    two = task("a.png", [], [result("polygonlabels", "p", POLYGON)])
    write(path, two)
    with pytest.raises(UnreadableFileError, match="2 annotations, of which 0 are marked"):
        reader_of([path]).read_stored_labels(path, [tmp_path / "a.png"])
    two["annotations"][1]["ground_truth"] = True
    write(path, two, task("b.png"))
    assert reader_of([path]).read_stored_labels(path, [tmp_path / "a.png"]).values.sum() == 192
    two["annotations"][0]["was_cancelled"] = two["annotations"][1].pop("ground_truth")
    write(path, two)
    assert reader_of([path]).read_stored_labels(path, [tmp_path / "a.png"]).values.sum() == 192


def test_a_task_without_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "project.json"
    path.write_text('[{"data": {"n": 1}, "annotations": [], "result": "original_width"}]')
    with pytest.raises(DataError, match="its task 1 names no picture"):
        open_data(tmp_path)
