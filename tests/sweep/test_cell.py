"""One run of a sweep: anew, resumed, failed, stopped, and as a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecs_med.methods import Supervised
from ecs_med.sweep.cell import CellOutcome, main, outcome_of_folder, run_cell
from ecs_med.sweep.lock_and_log import BusyError, hold_lock
from ecs_med.sweep.plan import Cell, SweepConfig, plan_cells
from ecs_med.sweep.state import read_state

Build = Callable[..., SweepConfig]


@pytest.fixture
def cell(build: Build) -> Cell:
    return plan_cells(build(methods=("supervised",), budgets=("1/2",)))[0]


def run(cell: Cell, **changes: Any) -> tuple[CellOutcome, list[str]]:
    lines: list[str] = []
    return run_cell(cell.config.model_copy(update=changes), lines.append), lines


def act_at(monkeypatch: pytest.MonkeyPatch, step: int, action: Callable[[], None]) -> None:
    """Do something in the `step`-th training step from now."""
    real = Supervised.step
    count = 0

    def disturbed(self: Supervised, batch: Any, progress: float) -> Any:
        nonlocal count
        count += 1
        if count == step:
            action()
        return real(self, batch, progress)

    monkeypatch.setattr(Supervised, "step", disturbed)


def fail(error: BaseException) -> Callable[[], None]:
    def action() -> None:
        raise error

    return action


def test_a_run_from_nothing_and_once_more(cell: Cell) -> None:
    outcome, lines = run(cell)
    metrics = json.loads((cell.folder / "metrics.json").read_text())
    assert (outcome.progress, outcome.exit_code) == ("done", 0)
    assert outcome.miou == metrics["test"]["miou"]
    assert lines[-1].startswith("done:")
    written = (cell.folder / "metrics.json").stat().st_mtime_ns
    again, lines = run(cell)
    assert again.miou == outcome.miou
    assert lines == []
    assert (cell.folder / "metrics.json").stat().st_mtime_ns == written


def test_a_users_mistake_is_kept_as_a_failure_and_tried_again(cell: Cell) -> None:
    outcome, lines = run(cell, encoder="resnet5O")
    failure = json.loads((cell.folder / "failure.json").read_text())
    assert (outcome.progress, outcome.exit_code) == ("failed", 2)
    assert failure["sentence"] == outcome.sentence == lines[-1]
    assert "did you mean" in failure["sentence"]
    assert failure["exit_code"] == 2
    assert read_state(cell.folder).progress == "failed"
    assert run(cell)[0].progress == "done"
    assert not (cell.folder / "failure.json").exists()


def test_a_bug_fails_its_cell_with_a_traceback_in_the_log(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        act_at(patch, 3, fail(ZeroDivisionError("oh")))
        outcome, lines = run(cell)
    assert (outcome.progress, outcome.exit_code) == ("failed", 1)
    assert outcome.sentence == "this is a bug: ZeroDivisionError: oh"
    assert any("Traceback" in line for line in lines)
    assert read_state(cell.folder).iteration == 2
    assert run(cell)[0].progress == "done"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_training_saves_and_a_second_start_goes_on(
    cell: Cell, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    with monkeypatch.context() as patch:
        act_at(patch, 3, lambda: signal.raise_signal(number))
        outcome, _ = run(cell)
    assert (outcome.progress, outcome.exit_code) == ("stopped", 75)
    assert read_state(cell.folder).progress == "resumable"
    assert read_state(cell.folder).iteration == 3
    outcome, lines = run(cell)
    assert outcome.progress == "done"
    assert "iteration 3 of 4" in lines


def test_a_signal_while_preparing_stops_too(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(
        "ecs_med.training.opening.plan_data", lambda *_: signal.raise_signal(signal.SIGTERM)
    )
    outcome, _ = run(cell)
    assert (outcome.progress, outcome.exit_code) == ("stopped", 75)
    assert read_state(cell.folder).progress == "missing"
    assert signal.getsignal(signal.SIGTERM) is before


def test_remains_without_a_whole_checkpoint_are_started_anew(cell: Cell) -> None:
    outcome, _ = run(cell)
    (cell.folder / "metrics.json").unlink()
    for path in (cell.folder / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:500])
    history = (cell.folder / "history.jsonl").read_text()
    (cell.folder / "notes.txt").write_text("not ours")
    again, lines = run(cell)
    assert "iteration 0 of 4" in lines
    assert again.miou == outcome.miou
    assert (cell.folder / "history.jsonl").read_text().count("\n") == history.count("\n")
    assert (cell.folder / "notes.txt").read_text() == "not ours"


def test_a_run_that_another_process_trains_is_left_alone(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecs_med.sweep.cell._PATIENCE", 0.2)
    lock = cell.folder.parent / ".locks" / f"{cell.folder.name}.lock"
    lock.parent.mkdir(parents=True)
    with hold_lock(lock, 0.0):
        with pytest.raises(BusyError, match="another process"), hold_lock(lock, 0.2):
            pass
        outcome, _ = run(cell)
    assert outcome.progress == "failed"
    assert outcome.sentence is not None
    assert "another process" in outcome.sentence
    assert not cell.folder.exists()


def test_a_folder_without_a_word(tmp_path: Path) -> None:
    outcome = outcome_of_folder(tmp_path, 3.0)
    assert (outcome.progress, outcome.exit_code, outcome.seconds) == ("failed", 1, 3.0)


def test_the_process_form_refuses_what_is_no_run(
    cell: Cell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cell.json"
    path.write_text(cell.config.model_copy(update={"run": None}).model_dump_json())
    for arguments in ([], [str(tmp_path / "absent.json")], [str(path)]):
        assert main(arguments) == 2
        assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.slow
def test_the_process_form_ends_with_75_on_sigterm_and_then_with_0(
    build: Build, tmp_path: Path
) -> None:
    config = plan_cells(build({"iterations": 200}, budgets=("1/2",)))[0].config
    path = tmp_path / "cell.json"
    path.write_text(config.model_dump_json())
    command = [sys.executable, "-m", "ecs_med.sweep.cell", str(path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert config.run is not None
    rows = config.run / "history.jsonl"
    while process.poll() is None and not rows.exists():
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGTERM)
    errors = process.communicate(timeout=120)[1]
    assert process.returncode == 75, errors
    short = config.model_copy(update={"run": tmp_path / "short", "iterations": 2})
    path.write_text(short.model_dump_json())
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
