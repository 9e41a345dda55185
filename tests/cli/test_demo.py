"""`ecs-med demo` at its smallest: it runs, goes on, and refuses another demo's folder."""

import json
from pathlib import Path

import pytest

from ecs_med.config import DEFAULT_METHOD
from ecs_med_cli.app import main
from ecs_med_cli.commands import demo as demonstration


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["demo", *words])
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.mark.slow
def test_demo_ends_with_a_comparison_and_does_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(demonstration, "NUM_IMAGES", 40)
    monkeypatch.setattr(demonstration, "SIZE", 64)
    small = {"batch": 2, "crop": 32, "max_size": 32, "labeled": "4", "device": "cpu"}
    monkeypatch.setattr(demonstration, "SETTINGS", demonstration.SETTINGS | small)
    output = tmp_path / "demo"
    assert run("-o", str(output), "--iterations", "2") == 0
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines()]
    for method in ("supervised", DEFAULT_METHOD):
        (row,) = [row for row in rows if row[:1] == [method] and len(row) > 3 and "─" not in row[1]]
        test = json.loads((output / method / "metrics.json").read_text())["test"]
        assert row[1:3] == [f"{test['miou']:.3f}", f"{test['foreground_dice']:.3f}"]
        assert str(output / method / "report.html") in printed
        assert (output / method / "report.html").is_file()
    assert list((output / "predictions").glob("*.png"))

    before = {path: path.stat().st_mtime_ns for path in output.glob("*/model.safetensors")}
    assert run("-o", str(output), "--iterations", "2") == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert run("-o", str(output), "--iterations", "3") == 2
    assert "with iterations 2, not 3" in capsys.readouterr().err


def test_folder_of_something_else_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    assert run("-o", str(tmp_path)) == 2
    assert "choose another folder with -o" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
