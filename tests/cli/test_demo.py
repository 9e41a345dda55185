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
def test_demo_ends_with_what_labels_buy_and_does_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(demonstration, "NUM_IMAGES", 40)
    monkeypatch.setattr(demonstration, "SIZE", 64)
    monkeypatch.setattr(demonstration, "BUDGETS", ("1/4", "all"))
    small = {"batch": 2, "crop": 32, "min_size": 32, "max_size": 32, "device": "cpu"}
    monkeypatch.setattr(demonstration, "SETTINGS", demonstration.SETTINGS | small)
    output = tmp_path / "demo"
    assert run("-o", str(output), "--iterations", "2") == 0
    printed = capsys.readouterr().out
    rows = {row[0]: row for line in printed.splitlines() if (row := line.split())}
    runs = output / "budget" / "runs"
    for budget in ("1/4", "all"):
        for place, method in enumerate(("supervised", DEFAULT_METHOD)):
            folder = runs / f"{method}-{budget.replace('/', '-')}-s0"
            test = json.loads((folder / "metrics.json").read_text())["test"]
            assert rows[budget][2 + place] == f"{test['miou']:.4f}"
            assert (folder / "report.html").is_file()
    report = runs / f"{DEFAULT_METHOD}-1-4-s0" / "report.html"
    for path in (output / "budget" / "budget.html", report, output / "predictions"):
        assert str(path) in printed
        assert path.exists()
    assert list((output / "predictions").glob("*.png"))

    before = {path: path.stat().st_mtime_ns for path in runs.glob("*/model.safetensors")}
    assert len(before) == 4
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
