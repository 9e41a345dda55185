"""`ecs-med compare` end to end on a few pictures of discs."""

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from miniatures import write_discs

from ecs_med_cli.app import main

TINY = (
    *("--encoder", "test_resnet", "--corrector-encoder", "test_resnet"),
    *("--encoder-weights", "none", "--device", "cpu", "--batch", "2", "--crop", "32"),
    *("--sets", "kvasir", "--methods", "supervised,fixmatch", "--reference", "fixmatch"),
    *("--executor", "inline", "--iterations", "3", "--budgets", "1/4", "--seeds", "0,1"),
)

Ask = Callable[..., str]


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Ask:
    """Runs the command in a folder with data, and gives what it prints."""
    write_discs(tmp_path / "kvasir", 16)

    def run(*arguments: str | Path, code: int = 0) -> str:
        words = ["compare", "--data", tmp_path, "--out", tmp_path / "out", *arguments]
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        printed = capsys.readouterr()
        assert int(ended.value.code or 0) == code, printed.err
        return printed.err if code else printed.out

    return run


@pytest.mark.slow
def test_a_table_goes_on_from_its_results(ask: Ask, tmp_path: Path) -> None:
    results = tmp_path / "results"
    said = ask(*TINY, "--results", results)
    assert "kvasir, supervised:" in said
    with (results / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    steps = {(row["equal"], row["method"]): int(row["steps"]) for row in rows}
    assert steps["steps", "supervised"] == steps["steps", "fixmatch"] == 3
    assert steps["seconds", "fixmatch"] == 3
    assert steps["seconds", "supervised"] > 3
    assert len(rows) == 2 * 2 * 2
    assert all(row["last_test_miou"] and row["validation_miou"] for row in rows)
    page = (results / "few_labels.md").read_text()
    assert "ecs-med compare --data DATA --sets kvasir --methods supervised" in page
    assert f"--equal steps --iterations {steps['seconds', 'supervised']} --batch 2" in page
    assert str(tmp_path) not in page

    # The folders of the runs are gone, their results are not.
    before = {path: path.read_bytes() for path in results.glob("runs/*.jsonl")}
    shutil.rmtree(tmp_path / "out")
    ask(*TINY, "--results", results)
    assert not (tmp_path / "out" / "runs").exists()
    assert {path: path.read_bytes() for path in results.glob("runs/*.jsonl")} == before

    # Neither data nor folders are needed for the page.
    shutil.rmtree(tmp_path / "kvasir")
    (results / "few_labels.md").unlink()
    answer = json.loads(ask(*TINY, "--results", results, "--page-only", "--json"))
    assert answer["results"] == 8
    assert (results / "few_labels.md").read_text() == page


@pytest.mark.slow
def test_finished_folders_are_taken_up_and_lose_their_checkpoints(ask: Ask, tmp_path: Path) -> None:
    """As after a kill between the end of a run and its result."""
    asked = (*TINY, "--equal", "steps")
    ask(*asked)
    stored = tmp_path / "out" / "results" / "runs"
    before = {path.name: path.read_text() for path in stored.iterdir()}
    shutil.rmtree(stored)
    changed = {path: path.stat().st_mtime_ns for path in tmp_path.glob("out/runs/*/metrics.json")}
    assert len(changed) == 4
    ask(*asked)
    assert {path: path.stat().st_mtime_ns for path in changed} == changed
    assert {path.name: path.read_text() for path in stored.iterdir()} == before
    assert not list(tmp_path.glob("out/runs/*/checkpoints/*.safetensors"))


@pytest.mark.slow
def test_a_plan_counts_runs_and_trains_nothing(ask: Ask, tmp_path: Path) -> None:
    answer = json.loads(ask(*TINY, "--equal", "steps", "--dry-run", "--json"))
    assert sorted(answer["open"]) == [
        f"kvasir-{method}-3-1-4-s{seed}" for method in ("fixmatch", "supervised") for seed in (0, 1)
    ]
    assert not (tmp_path / "out" / "runs").exists()


def test_wrong_use_is_told_in_one_sentence(ask: Ask) -> None:
    assert "--equal minutes is unknown; choose steps, seconds" in ask("--equal", "minutes", code=2)
    assert "did you mean 'kvasir'?" in ask("--sets", "kvasr", code=2)
    none = ask("--methods", "magic", code=2)
    assert "None of the methods is installed (magic)" in none
