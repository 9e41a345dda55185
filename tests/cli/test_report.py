"""`ecs-med report`: what it prints, what it refuses, its exit codes."""

import json
from pathlib import Path

import pytest
from sweep_folders import SweepSpec, change_json, fail, write_sweep

from ecs_med_cli.app import main

TINY = SweepSpec(budgets=("1/8", "1/4"), seeds=(0, 1), num_samples=0, num_test=4)


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    return write_sweep(tmp_path / "sweep", TINY)


def run(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["report", *map(str, words)])
    code = caught.value.code
    assert isinstance(code, int)
    return code


def test_a_sweep_folder(tmp_path, folders, capsys):
    fail(folders[0])
    assert run(tmp_path / "sweep", "-o", tmp_path / "out", "--minutes-per-label", "5") == 0
    assert str(tmp_path / "out" / "budget.html") in capsys.readouterr().out
    text = (tmp_path / "out" / "budget.html").read_text(encoding="utf-8")
    assert "1 of 8 runs has no score" in text
    assert (tmp_path / "out" / "tables" / "paper.tex").exists()


def test_minutes_by_form(tmp_path, folders):
    assert run(*folders, "-o", tmp_path / "out", "--minutes-per-label", "outline=6,draft=2") == 0
    text = (tmp_path / "out" / "budget.html").read_text(encoding="utf-8")
    assert "10 outlines drawn from nothing or 30 corrected drafts" in text


def test_json_is_one_object(tmp_path, folders, capsys):
    assert run(*folders, "-o", tmp_path / "out", "--json") == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == {
        "report": str(tmp_path / "out" / "budget.html"),
        "finished": 8,
        "without_score": [],
    }


def test_runs_that_differ_are_refused_unless_allowed(tmp_path, folders, capsys):
    change_json(folders[0] / "config.json", iterations=7)
    assert run(*folders, "-o", tmp_path / "out") == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(folders[0]) in said
    assert "--allow protocol" in said
    assert run(*folders, "-o", tmp_path / "out", "--allow", "protocol") == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "no such run folder"),
        (["{}", "--allow", "everything"], "everything"),
        (["{}", "--cost-per-hour", "80"], "give --minutes-per-label too"),
        (["{}", "--minutes-per-label", "-1"], "above 0"),
        (["{}", "--minutes-per-label", "six"], "--minutes-per-label cannot be 'six'"),
        (["{}", "--minutes-per-label", "circle=2"], "none of outline, draft, slice, scribble"),
    ],
)
def test_wrong_use_ends_with_2_and_one_sentence(tmp_path, folders, capsys, words, said):
    words = [word.format(folders[0]) for word in words]
    assert run(*words, "-o", tmp_path / "out") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
