"""Layout `listing`: JSON and CSV."""

import json
from pathlib import Path
from typing import Any

import pytest

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import open_data
from ecs_med.errors import DataError
from ecs_med.types import CaseCollection
from ecs_med_datasets.list_rows import Row, read_rows


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("i/a.png", "i/b.png", "i/c.png", "m/a.png", "m/b.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def open_text(root: Path, text: str, name: str = "list.csv", **settings: Any) -> CaseCollection:
    (root / name).write_text(text, encoding="utf-8")
    return open_data(root / name, ReadingSettings(**settings))


def rows(collection: CaseCollection) -> list[tuple[str, bool, str | None, str | None]]:
    return [(c.id, c.mask is not None, c.patient, c.partition) for c in collection.cases]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("header", ["image mask patient split", "Img Label subject_id Partition"])
def test_csv(root: Path, delimiter: str, bom: str, header: str) -> None:
    lines = [header, "i/a.png m/a.png p1 train", "i/b.png m/b.png p2 val", "i/c.png - p1 train"]
    text = bom + "\n".join(line.replace("-", "").replace(" ", delimiter) for line in lines)
    collection = open_text(root, text)
    assert collection.layout == "listing"
    assert collection.name == "list"
    assert rows(collection) == [
        ("i/a", True, "p1", "train"),
        ("i/b", True, "p2", "validation"),
        ("i/c", False, "p1", "train"),
    ]


def test_absolute_paths_quotes_and_unknown_columns(root: Path) -> None:
    text = f'image,mask,comment\n"{root}/i/a.png",./m/../m/a.png,"good, sharp"\n\n'
    collection = open_text(root, text)
    assert rows(collection) == [("i/a", True, None, None)]
    assert collection.cases[0].mask == root / "m/a.png"
    assert [p.message for p in collection.problems] == [
        "not used: comment",
        "2 image(s) here are not in the list: b.png, c.png",
        "1 image(s) here are not in the list: b.png",
    ]


def test_patient_none_ignores_the_column(root: Path) -> None:
    text = "image,mask,patient\ni/a.png,m/a.png,p1\ni/b.png,m/b.png,\n"
    assert [c.patient for c in open_text(root, text, patient="none").cases] == [None, None]
    collection = open_text(root, text, patient="column")
    assert [c.patient for c in collection.cases] == ["p1", None]
    assert any("1 of 2 cases have no patient" in p.message for p in collection.problems)


def test_bad_rows_are_named(root: Path) -> None:
    text = (
        "image,mask,split\ni/a.png,m/a.png,\ni/x.png,,\ni/b.png,m/x.png,\n,m/b.png,\n"
        "i/a.png,,\ni/c.png,,later\n"
    )
    collection = open_text(root, text)
    errors = [p.message for p in collection.problems if p.severity == "error"]
    assert errors == [
        "row 5 names no image",
        "row 3 names a file that does not exist",
        "row 4 names a file that does not exist",
        "row 6 names this image again",
        "row 7: 'later' is no partition",
    ]
    assert [c.id for c in collection.cases] == ["i/a"]


def test_same_stem_keeps_ids_unique(root: Path) -> None:
    (root / "i" / "a.jpg").touch()
    collection = open_text(root, "image,mask\ni/a.png,m/a.png\ni/a.jpg,m/b.png\n")
    assert [c.id for c in collection.cases] == ["i/a", "i/a.jpg"]


def test_decathlon_json(root: Path) -> None:
    values = {
        "labels": {"0": "background", "1": "polyp"},
        "training": [{"image": ["i/a.png", "i/b.png"], "label": "m/a.png", "fold": 0}],
        "test": [{"image": "i/c.png", "label": "m/b.png", "patient": 7}],
    }
    collection = open_text(root, json.dumps(values), "data.json")
    assert rows(collection) == [("i/a", True, None, "train"), ("i/c", True, "7", "test")]
    assert len(collection.cases[0].images) == 2
    assert collection.labels == {0: "background", 1: "polyp"}


def test_flat_json(root: Path) -> None:
    values = [{"image": "i/a.png", "mask": "m/a.png"}, "i/b.png", {"image": 3}]
    collection = open_text(root, json.dumps(values), "data.json")
    assert rows(collection) == [("i/a", True, None, None), ("i/b", False, None, None)]
    assert any(p.message == "entry 3 names no image" for p in collection.problems)


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("a.json", "{", "not readable as JSON"),
        ("a.json", "[" * 100_000, "not readable as JSON"),
        ("a.json", '{"a": 1}', "no list of cases"),
        ("a.json", "3", "no list of cases"),
        ("a.json", "[]", "none of 0 rows"),
        ("a.csv", "", "none of 0 rows"),
        ("a.csv", "i/a.png,m/a.png\n", "no column named image; the first line has i/a.png"),
        ("a.csv", "image\ni/x.png\n", "none of 1 rows names an image that exists"),
    ],
)
def test_unusable_lists(root: Path, name: str, text: str, match: str) -> None:
    with pytest.raises(DataError, match=match):
        open_text(root, text, name)


def test_list_that_is_no_utf8(root: Path) -> None:
    (root / "l.csv").write_bytes("image\nä.png\n".encode("latin-1"))
    with pytest.raises(DataError, match="not UTF-8"):
        open_data(root / "l.csv")


def test_a_table_is_read_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"\n\nimage,mask\n1.png,\n" + b"x.png,y.png\n" * 100_000 + b'"\xe9 \n2.png,\n')
    rows = iter(read_rows(path))
    assert next(rows) == Row("row 4", ("1.png",))  # blank lines count
    assert next(rows) == Row("row 5", ("x.png",), "y.png")
    with pytest.raises(DataError, match=r"list.csv: not UTF-8 text"):
        list(rows)


def test_a_cell_that_is_longer_than_csv_allows_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("image\n1.png\n" + "x" * 200_000 + "\n")
    with pytest.raises(DataError, match=r"list.csv: line 3 is no valid CSV"):
        list(read_rows(path))
