"""A folder that is written as a whole, and what of others it never replaces."""

from pathlib import Path

import pytest

from ecs_med.errors import SettingsError
from ecs_med.runs.whole_folders import written_as_a_whole


def test_an_export_replaces_one_of_before_and_nothing_else(tmp_path: Path) -> None:
    for text in ("old", "new"):
        with written_as_a_whole(tmp_path / "out", "bundle") as folder:
            (folder / text).write_text(text)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [".ecs-med-export", "new"]
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with (
        pytest.raises(SettingsError, match=r"holds notes\.txt, which ecs-med has not written"),
        written_as_a_whole(tmp_path / "out", "bundle"),
    ):
        pass
    assert (tmp_path / "out" / "new").read_text() == "new"


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    with written_as_a_whole(tmp_path / "out", "bundle") as folder:
        (folder / "old").write_text("old")
    with (
        pytest.raises(ZeroDivisionError),
        written_as_a_whole(tmp_path / "out", "bundle") as folder,
    ):
        (folder / "half").write_text(str(1 / 0))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "old").is_file()


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with (
        pytest.raises(SettingsError, match="is no folder"),
        written_as_a_whole(tmp_path / "out", "onnx"),
    ):
        pass


def test_what_was_changed_since_is_not_replaced(tmp_path: Path) -> None:
    with written_as_a_whole(tmp_path / "out", "bundle") as folder:
        (folder / "old").write_text("old")
    (tmp_path / "out" / "old").write_text("hours of work")
    with (
        pytest.raises(SettingsError, match=r"holds old, which was changed since ecs-med wrote it"),
        written_as_a_whole(tmp_path / "out", "bundle"),
    ):
        pass
    assert (tmp_path / "out" / "old").read_text() == "hours of work"
