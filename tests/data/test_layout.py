"""Finding a layout: entry points, recognition, and the sentence where none fits."""

from pathlib import Path

import pytest

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import Layout, available_layouts, open_data
from ecs_med.errors import DataError, SettingsError


def test_specific_layouts_are_asked_first() -> None:
    layouts = available_layouts()
    assert [name for name in layouts if name in {"folder", "msd", "nnunet", "listing"}] == [
        "listing",
        "nnunet",
        "msd",
        "folder",
    ]
    assert all(isinstance(layout, Layout) for layout in layouts.values())


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        open_data(tmp_path / "absent")


def test_unknown_layout(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"Unknown layout 'foldr'; did you mean 'folder'\?"):
        open_data(tmp_path, ReadingSettings(layout="foldr"))


def test_a_layout_can_be_forced(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    with pytest.raises(DataError, match="imagesTr"):
        open_data(tmp_path, ReadingSettings(layout="msd"))


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ((), "it is empty"),
        (("a.svs", "b.svs", "LICENSE"), r"found 2 \.svs file\(s\), 1 plain file\(s\)"),
        (("deep/er/a.txt",), "found deep/"),
    ],
)
def test_what_was_found_is_told(tmp_path: Path, names: tuple[str, ...], found: str) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=found) as caught:
        open_data(tmp_path)
    assert "expected images/ beside masks/" in str(caught.value)


def test_a_file_that_is_no_list(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    with pytest.raises(DataError, match=r"it is a \.png file"):
        open_data(tmp_path / "a.png")
