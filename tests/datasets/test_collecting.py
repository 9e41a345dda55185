"""Where the patient of a case is known from."""

from pathlib import Path

import pytest

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import open_data
from ecs_med.errors import DataError, SettingsError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("images/p1/x_01.png", "images/p2/x_02.png", "images/y.png", "masks/y.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def patients(folder: Path, rule: str) -> list[str | None]:
    return [c.patient for c in open_data(folder, ReadingSettings(patient=rule)).cases]


def test_rules(folder: Path) -> None:
    assert patients(folder, "none") == [None, None, None]
    assert patients(folder, "auto") == [None, None, None]
    assert patients(folder, "folder") == ["p1", "p2", None]
    assert patients(folder, r"regex:x_(\d+)\.png") == ["01", "02", None]


def test_cases_left_out_are_counted(folder: Path) -> None:
    collection = open_data(folder, ReadingSettings(patient="folder"))
    [warning] = [p for p in collection.problems if p.severity == "warning"]
    assert "1 of 3 cases have no patient" in warning.message
    assert warning.path == folder / "images/y.png"


@pytest.mark.parametrize(
    ("rule", "error", "match"),
    [
        (r"regex:(patient\d+)", DataError, "no patient for any of 3 cases"),
        ("regex:(a", SettingsError, "not a regular expression"),
        (r"regex:p\d", SettingsError, "has 0 groups"),
        (r"regex:(p)(\d)", SettingsError, "has 2 groups"),
        ("column", DataError, "needs a CSV or JSON list"),
        ("name", SettingsError, "is not one of"),
    ],
)
def test_wrong_rules(folder: Path, rule: str, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        patients(folder, rule)


def test_folder_rule_where_all_lie_in_one(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").touch()
    with pytest.raises(DataError, match="no patient for any"):
        patients(tmp_path, "folder")
