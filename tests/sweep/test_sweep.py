"""Whole sweeps: only what is missing is run, a failure stands alone, a death changes nothing."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ecs_med.config import TrainConfig
from ecs_med.errors import RunFolderError
from ecs_med.sweep.cell import CellOutcome
from ecs_med.sweep.executors.base import Executor, InlineExecutor, Stop
from ecs_med.sweep.executors.processes import ProcessExecutor
from ecs_med.sweep.plan import Cell, SweepConfig, plan_cells
from ecs_med.sweep.state import read_state
from ecs_med.sweep.sweep import SweepResult, run_sweep

Build = Callable[..., SweepConfig]


def sweep(
    cells: Sequence[Cell], executor: Executor | None = None, stop: Stop | None = None
) -> tuple[SweepResult, list[tuple[str, CellOutcome]]]:
    ended: list[tuple[str, CellOutcome]] = []
    result = run_sweep(
        cells,
        executor or InlineExecutor(),
        lambda cell, outcome: ended.append((cell.name, outcome)),
        stop or Stop(),
    )
    return result, ended


def table(cells: Sequence[Cell]) -> dict[str, Any]:
    """`metrics.json` of every cell, and its chosen weights."""
    return {
        cell.name: (
            (cell.folder / "metrics.json").read_text(),
            (cell.folder / "model.safetensors").read_bytes(),
        )
        for cell in cells
    }


def test_a_second_start_does_nothing_and_a_wider_one_only_what_is_new(build: Build) -> None:
    cells = plan_cells(build(budgets=("1/2",)))
    result, ended = sweep(cells)
    assert result.exit_code == 0
    assert [name for name, _ in ended] == ["supervised-1-2-s0", "ecs-1-2-s0"]
    assert result.done == [cell.folder for cell in cells]
    before = table(cells)
    result, ended = sweep(cells)
    assert (result.exit_code, len(result.done), ended) == (0, 2, [])
    wider = plan_cells(build(budgets=("1/2", "all"), methods=("supervised",)))
    result, ended = sweep(wider)
    assert [name for name, _ in ended] == ["supervised-all-s0"]
    assert table(cells) == before


def test_methods_at_a_seed_share_their_labels_and_budgets_are_nested(build: Build) -> None:
    cells = plan_cells(build())
    sweep(cells)
    roles = {
        cell.name: {
            row["id"]: row["role"]
            for row in json.loads((cell.folder / "split.json").read_text())["cases"]
        }
        for cell in cells
    }
    assert roles["ecs-1-4-s0"] == roles["supervised-1-4-s0"]
    labeled = {
        name: {case for case, role in cases.items() if role == "labeled"}
        for name, cases in roles.items()
    }
    assert labeled["ecs-1-4-s0"] < labeled["ecs-1-2-s0"]


def test_a_failed_cell_stays_failed_and_the_rest_goes_on(build: Build) -> None:
    cells = plan_cells(build(budgets=("1000", "1/2"), methods=("supervised",)))
    result, _ = sweep(cells)
    assert result.exit_code == 3
    assert [label for label, _ in result.failures] == ["supervised, 1000, seed 0"]
    assert "more cases than" in result.failures[0][1]
    assert result.done == [cells[1].folder]
    assert read_state(cells[0].folder).progress == "failed"
    _, ended = sweep(cells)
    assert [name for name, _ in ended] == [cells[0].name]


def test_a_folder_of_another_sweep_is_refused_before_anything_runs(build: Build) -> None:
    cells = plan_cells(build(budgets=("1/2",), methods=("supervised",)))
    sweep(cells)
    others = plan_cells(build({"batch": 4}, budgets=("1/4", "1/2"), methods=("supervised",)))
    with pytest.raises(RunFolderError, match="run with `batch=2`"):
        sweep(others)
    assert not others[0].folder.exists()


def test_a_stop_before_the_first_cell_starts_none(build: Build) -> None:
    cells = plan_cells(build())
    stop = Stop()
    stop.request()
    result, ended = sweep(cells, stop=stop)
    assert (result.exit_code, ended, len(result.not_started)) == (75, [], 4)


@pytest.mark.slow
def test_processes_give_what_this_process_gives(build: Build, tmp_path: Path) -> None:
    apart = plan_cells(build())
    result, ended = sweep(apart, ProcessExecutor("cpu", jobs=2))
    assert (result.exit_code, len(ended)) == (0, 4)
    here = plan_cells(build(out=tmp_path / "inline"))
    sweep(here)
    assert table(apart) == table(here)
    assert "iteration 0 of 4" in apart[0].log.read_text()


@pytest.mark.slow
def test_a_killed_process_fails_its_cell_alone_and_is_resumed_later(build: Build) -> None:
    cells = plan_cells(build({"iterations": 60}, budgets=("1/2",)))
    victim = cells[0]
    killed: list[int] = []

    class Killing(Stop):
        """Looked at twice a second: time to kill whoever holds the first cell's lock."""

        @property
        def asked(self) -> bool:
            if not killed and (victim.folder / "history.jsonl").exists():
                killed.extend(_children_named(victim.name))
                for pid in killed:
                    os.kill(pid, signal.SIGKILL)
            return super().asked

    result, _ = sweep(cells, ProcessExecutor("cpu", jobs=1), Killing())
    assert len(killed) == 1
    assert result.exit_code == 3
    assert result.failures == [(victim.label, _sentence(victim))]
    assert "SIGKILL" in _sentence(victim)
    assert read_state(cells[1].folder).progress == "done"
    result, ended = sweep(cells, ProcessExecutor("cpu", jobs=1))
    assert result.exit_code == 0
    assert [name for name, _ in ended] == [victim.name]


def _sentence(cell: Cell) -> str:
    return str(read_state(cell.folder).sentence)


def _children_named(name: str) -> list[int]:
    import multiprocessing

    return [p.pid for p in multiprocessing.active_children() if p.name == name and p.pid]


SCRIPT = """
import json, sys
from pathlib import Path
from ecs_med.sweep.executors.base import Stop
from ecs_med.sweep.executors.processes import ProcessExecutor
from ecs_med.sweep.plan import SweepConfig, decide_open_settings, plan_cells
from ecs_med.sweep.sweep import run_sweep

if __name__ == "__main__":
    plan = SweepConfig.parse(json.loads(Path(sys.argv[1]).read_text()))
    stop = Stop()
    done = lambda cell, outcome: print(cell.name, outcome.progress, flush=True)
    sys.exit(run_sweep(plan_cells(plan), ProcessExecutor("cpu", jobs=2), done, stop).exit_code)
"""


@pytest.fixture
def script(tmp_path: Path) -> Callable[[SweepConfig], list[str]]:
    """The command of a sweep in a process of its own."""

    def write(plan: SweepConfig) -> list[str]:
        file = tmp_path / "run_sweep.py"
        file.write_text(SCRIPT)
        (tmp_path / "plan.json").write_text(plan.model_dump_json())
        return [sys.executable, str(file), str(tmp_path / "plan.json")]

    return write


@pytest.mark.slow
def test_killing_the_sweep_at_random_changes_no_score(
    build: Build, script: Callable[[SweepConfig], list[str]], tmp_path: Path
) -> None:
    """Killed with SIGKILL until it gets through, the sweep ends with the undisturbed table."""
    plan = build({"iterations": 12, "evaluate_every": 3})
    cells = plan_cells(plan)
    command = script(plan)
    patience = random.Random(0)
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for_a_run(cells, process)
        time.sleep(patience.uniform(0.0, 3.0))
        process.kill()
        process.wait()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    undisturbed = plan_cells(plan.model_copy(update={"out": tmp_path / "undisturbed"}))
    result, _ = sweep(undisturbed)
    assert result.exit_code == 0
    assert table(cells) == table(undisturbed)


def wait_for_a_run(cells: Sequence[Cell], process: "subprocess.Popen[Any]") -> None:
    """Until a run that is not done has begun."""
    known = {cell.name for cell in cells if (cell.folder / "history.jsonl").exists()}
    while process.poll() is None:
        started = {cell.name for cell in cells if (cell.folder / "history.jsonl").exists()}
        if started > known or len(started) == len(cells):
            return
        time.sleep(0.05)


@pytest.mark.slow
def test_sigterm_is_passed_on_and_every_run_saves(
    build: Build, script: Callable[[SweepConfig], list[str]]
) -> None:
    plan = build({"iterations": 2000, "evaluate_every": 1000})
    cells = plan_cells(plan)
    process = subprocess.Popen(script(plan), stdout=subprocess.PIPE, text=True)
    wait_for_a_run(cells, process)
    process.send_signal(signal.SIGTERM)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 75, output
    begun = [cell for cell in cells if cell.folder.exists()]
    assert 0 < len(begun) <= 2
    for cell in begun:
        assert f"{cell.name} stopped" in output
        assert not (cell.folder / "failure.json").exists()
    assert any(read_state(cell.folder).progress == "resumable" for cell in begun)
    assert _processes_of(cells) == []


def _processes_of(cells: Sequence[Cell]) -> list[int]:
    """Processes that still hold a log of these cells open."""
    logs = {str(cell.log) for cell in cells}
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if str((process / "fd" / "1").readlink()) in logs:
                    found.append(int(process.name))
            except OSError:
                continue
    return found


def test_configurations_are_whole(build: Build) -> None:
    cell = plan_cells(build())[0]
    assert TrainConfig.parse(cell.config.model_dump(mode="json")) == cell.config
