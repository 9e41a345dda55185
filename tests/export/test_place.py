"""The folder of an export, and what is refused before anything is written."""

from pathlib import Path
from typing import Any

import pytest

from ecs_med.errors import SettingsError
from ecs_med.export import EXPORTS, export
from ecs_med.export.place import written_as_a_whole


def test_an_export_replaces_one_of_before_and_nothing_else(tmp_path: Path) -> None:
    for text in ("old", "new"):
        with written_as_a_whole(tmp_path / "out", "bundle") as folder:
            (folder / text).write_text(text)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [".ecs-med-export", "new"]
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with (
        pytest.raises(SettingsError, match=r"holds notes\.txt, which no export has written"),
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


@pytest.mark.parametrize(
    ("to", "values", "words"),
    [
        ("onx", {}, r"Unknown export 'onx'; did you mean 'onnx'\?"),
        ("onnx", {"data": "here"}, "`data` is for data sets, and an ONNX file holds a model"),
        ("bundle", {"ignore_below": 0.5}, "`ignore_below` is for data sets"),
        ("msd", {"uncorrected": True}, "`uncorrected` is for models"),
        ("nnunet", {"ignore_below": 1.5}, "is no probability"),
    ],
)
def test_settings_of_another_target_are_refused(
    make_model: Any, tmp_path: Path, to: str, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        export(make_model(), to, tmp_path / "out", **values)
    assert not (tmp_path / "out").exists()


def test_every_target_says_what_it_is() -> None:
    titles = {name: target.title for name, target in EXPORTS.all().items()}
    assert {*titles} >= {"bundle", "msd", "nnunet", "onnx"}
    assert all(title[0].islower() and title.split()[0] in ("a", "an") for title in titles.values())
