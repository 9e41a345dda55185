"""A kept index: equal to a fresh one, and dropped as soon as anything may have changed."""

import gzip
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecs_med.config import ReadingSettings
from ecs_med.data import layout, saved_index
from ecs_med.data.layout import open_data
from ecs_med.types import CaseCollection


@pytest.fixture(autouse=True)
def _small_folders_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(saved_index, "FEWEST_CASES", 2)
    monkeypatch.setattr(saved_index, "_SETTLED_SECONDS", 0.0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    for patient in ("patient1", "patient2", "patient3"):
        for part in ("images", "masks"):
            (folder / part / patient).mkdir(parents=True)
            (folder / part / patient / "a.png").touch()
    (folder / "images/patient1/unlabelled.png").touch()
    time.sleep(0.05)  # more than a tick of the file system's clock
    return folder


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows whenever a layout lists files."""
    calls: list[str] = []
    before = layout._layout_of

    def counted(*args: object) -> layout.Layout:
        calls.append("listed")
        return before(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(layout, "_layout_of", counted)
    return calls


def assert_not_kept(root: Path, listed: list[str]) -> None:
    """Files are listed at each of two starts."""
    assert open_data(root) == open_data(root)
    assert len(listed) == 2


def test_the_next_start_finds_the_same_without_listing(root: Path, listed: list[str]) -> None:
    first = open_data(root)
    assert open_data(root) == first
    assert len(listed) == 1
    assert {case.patient for case in first.cases} == {"patient1", "patient2", "patient3"}
    assert [p.severity for p in first.problems]  # notes are kept, too


def _add(root: Path) -> None:
    (root / "images/patient2/new.png").touch()


def _remove(root: Path) -> None:
    (root / "masks/patient3/a.png").unlink()


def _add_folder(root: Path) -> None:
    (root / "images/patient4").mkdir()
    (root / "images/patient4/a.png").touch()


def _swap(root: Path) -> None:
    (root / "masks/patient3").rename(root / "masks/old")
    (root / "masks/patient3").mkdir()


@pytest.mark.parametrize("change", [_add, _remove, _add_folder, _swap])
def test_any_change_is_seen(
    root: Path, listed: list[str], change: Callable[[Path], None], tmp_path: Path
) -> None:
    before = open_data(root)
    change(root)
    found = open_data(root)
    assert len(listed) == 2
    assert found.cases != before.cases
    assert found == _fresh(root, tmp_path)


def test_a_folder_that_changed_while_it_was_listed_is_not_kept(
    root: Path, listed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_index, "_SETTLED_SECONDS", 3600.0)
    assert_not_kept(root, listed)


def test_other_settings_are_another_question(root: Path, listed: list[str]) -> None:
    open_data(root)
    alone = open_data(root, ReadingSettings(patient="none"))
    assert len(listed) == 2
    assert {case.patient for case in alone.cases} == {None}


def test_a_list_is_kept_until_it_or_a_folder_changes(root: Path, listed: list[str]) -> None:
    table = root / "list.csv"
    rows = ["image,mask,annotated"]
    rows += [f"images/patient{n}/a.png,masks/patient{n}/a.png,{'polyp' * (n == 2)}" for n in (1, 2)]
    table.write_text("\n".join(rows))
    time.sleep(0.05)
    first = open_data(table)
    assert open_data(table) == first
    assert len(listed) == 1
    assert [case.annotated for case in first.cases] == [None, ("polyp",)]
    text = table.read_text()
    table.write_text(text.replace("polyp", "tumour"))
    assert open_data(table).cases[1].annotated == ("tumour",)
    (root / "masks/patient1/a.png").unlink()
    assert len(open_data(table).cases) == 1


def test_declared_labels_come_back(tmp_path: Path, listed: list[str]) -> None:
    root = tmp_path / "Task01_Some"
    for part in ("imagesTr", "labelsTr"):
        (root / part).mkdir(parents=True)
        for name in ("a", "b"):
            (root / part / f"{name}.nii.gz").touch()
    (root / "dataset.json").write_text(
        '{"labels": {"0": "background", "1": "organ"}, "numTraining": 2, "training": ['
        '{"image": "./imagesTr/a.nii.gz", "label": "./labelsTr/a.nii.gz"},'
        '{"image": "./imagesTr/b.nii.gz", "label": "./labelsTr/b.nii.gz"}]}'
    )
    time.sleep(0.05)
    first = open_data(root)
    assert open_data(root) == first
    assert len(listed) == 1
    assert first.labels == {0: "background", 1: "organ"}
    declared = (root / "dataset.json").read_text()
    (root / "dataset.json").write_text(declared.replace("organ", "liver"))
    assert open_data(root).labels == {0: "background", 1: "liver"}


_NO_DEFLATE = b"\x1f\x8b\x08" + bytes(7) + b"\xff" * 20


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"no archive",
        b"\x1f\x8b\x08",
        _NO_DEFLATE,
        gzip.compress(b"[1]\n"),
        gzip.compress(b"x"),
    ],
)
def test_a_damaged_file_is_made_anew(
    root: Path, listed: list[str], tmp_path: Path, damage: bytes
) -> None:
    first = open_data(root)
    (kept,) = (tmp_path / "cache").rglob("*.json.gz")
    kept.write_bytes(damage)
    assert open_data(root) == first
    assert open_data(root) == first
    assert len(listed) == 2


def test_a_cache_that_cannot_be_written_is_no_failure(
    root: Path, listed: list[str], tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file")
    assert_not_kept(root, listed)


@pytest.mark.parametrize("name", [".ecs-med-outputs", "images/patient1/.ecs-med-outputs"])
def test_where_ecs_med_wrote_nothing_is_kept(root: Path, listed: list[str], name: str) -> None:
    (root / name).write_text("{}")
    time.sleep(0.05)
    assert_not_kept(root, listed)


def test_layouts_that_look_into_files_are_asked_each_time(
    root: Path, listed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layout.available_layouts()["folder"].__class__, "reads_names_only", False)
    assert_not_kept(root, listed)


def test_a_relative_path_stays_one(
    root: Path, listed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = open_data(root)
    monkeypatch.chdir(root.parent)
    near = open_data(Path("data"))
    assert open_data(Path("data")) == near
    assert len(listed) == 2
    assert str(near.cases[0].images[0]).startswith(f"data{os.sep}")
    assert [case.id for case in near.cases] == [case.id for case in whole.cases]


def test_a_folder_that_vanishes_meanwhile_is_no_failure(
    root: Path, listed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_one_more(top: str, **options: bool) -> Iterator[tuple[str, list[str], list[str]]]:
        yield from walk(top, **options)
        yield f"{top}/gone", [], []

    walk = os.walk
    monkeypatch.setattr(saved_index.os, "walk", with_one_more)
    assert_not_kept(root, listed)


def test_small_folders_are_listed_anew(
    root: Path, listed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saved_index, "FEWEST_CASES", 50_000)
    assert_not_kept(root, listed)


def _fresh(root: Path, tmp_path: Path) -> CaseCollection:
    os.environ["XDG_CACHE_HOME"] = str(tmp_path / "other")
    return open_data(root)
