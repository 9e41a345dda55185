"""Cells as tasks of a real Ray cluster on this machine."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from ecs_med.errors import MissingExtraError, SettingsError
from ecs_med.sweep.cell import CellOutcome
from ecs_med.sweep.executors.base import InlineExecutor, Stop
from ecs_med.sweep.executors.ray import RayExecutor
from ecs_med.sweep.plan import Cell, SweepConfig, plan_cells
from ecs_med.sweep.state import read_state
from ecs_med.sweep.sweep import SweepResult, run_sweep

Build = Callable[..., SweepConfig]

# Ray leaves sockets and processes to the garbage collector when it is shut down.
pytestmark = [
    pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra ray"),
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:.*RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO.*:FutureWarning"),
]


def sweep(cells: list[Cell], stop: Stop) -> tuple[SweepResult, dict[str, CellOutcome]]:
    ended: dict[str, CellOutcome] = {}

    def done(cell: Cell, outcome: CellOutcome) -> None:
        ended[cell.name] = outcome

    return run_sweep(cells, RayExecutor("cpu", jobs=2), done, stop), ended


@pytest.fixture(autouse=True)
def _no_cluster_stays() -> Iterator[None]:
    yield
    # Not above: what Ray is told about its addresses counts when it is first imported.
    import ray

    assert not ray.is_initialized()


def test_tasks_give_what_this_process_gives_and_a_failure_stands_alone(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray._private import ray_constants

    # As where somebody else has imported Ray before.
    monkeypatch.setattr(ray_constants, "ENABLE_RAY_CLUSTER", True)
    cells = plan_cells(build(budgets=("1000", "1/2")))
    addresses: set[str] = set()

    class Looking(Stop):
        """Sees where the cluster listens."""

        @property
        def asked(self) -> bool:
            import ray

            if ray.is_initialized():
                addresses.update(node["NodeManagerAddress"] for node in ray.nodes())
            return super().asked

    result, ended = sweep(cells, Looking())
    assert result.exit_code == 3
    assert addresses == {"127.0.0.1"}
    assert [ended[c.name].progress for c in cells] == ["failed", "failed", "done", "done"]
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    here = plan_cells(build(budgets=("1/2",), out=tmp_path / "inline"))
    run_sweep(here, InlineExecutor(), lambda *_: None, Stop())
    for there, cell in zip(cells[2:], here, strict=True):
        weights = [(c.folder / "model.safetensors").read_bytes() for c in (there, cell)]
        # Compared outside of the assertion: pytest would look for the difference for minutes.
        are_equal = weights[0] == weights[1]
        assert are_equal


def test_a_dead_worker_fails_its_cell_and_a_stop_saves_the_other(build: Build) -> None:
    cells = plan_cells(build({"iterations": 2000, "evaluate_every": 1000}, budgets=("1/2",)))
    killed: list[int] = []

    class KillThenStop(Stop):
        """Kills the worker of the first cell, then stops."""

        @property
        def asked(self) -> bool:
            if all((cell.folder / "history.jsonl").exists() for cell in cells) and not killed:
                killed.extend(_workers_in(cells[0].folder.parent / ".locks"))
                os.kill(killed[0], signal.SIGKILL)
            if killed and read_state(cells[0].folder).progress == "failed":
                self.requests = 1
            return super().asked

    result, ended = sweep(cells, KillThenStop())
    assert len(killed) == 1
    assert ended[cells[0].name].progress == "failed"
    assert "Ray worker died" in str(ended[cells[0].name].sentence)
    assert ended[cells[1].name].progress == "stopped"
    assert result.exit_code == 75
    assert read_state(cells[1].folder).progress == "resumable"
    assert read_state(cells[1].folder).iteration > 0


def _workers_in(locks: Path) -> list[int]:
    """Processes that hold the lock of the first cell."""
    lock = str(locks / "supervised-1-2-s0.lock")
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                held = any(str(fd.readlink()) == lock for fd in (process / "fd").iterdir())
            except OSError:
                continue
            if held:
                found.append(int(process.name))
    return found


def test_wrong_options(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="`jobs=0`"):
        RayExecutor("cpu", jobs=0)
    with pytest.raises(SettingsError, match="`gpus_per_run="):
        RayExecutor("cuda", gpus_per_run=2)
    with pytest.raises(SettingsError, match=r"`ray_address=127\.0\.0\.1:1`: no answer"):
        RayExecutor("cpu", address="127.0.0.1:1").run([], _never, Stop())
    monkeypatch.setattr("ecs_med.sweep.executors.ray.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"ecs-med\[ray\]"):
        RayExecutor("cpu")


def test_a_cluster_that_does_not_start_is_tried_again_and_then_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    started: list[subprocess.Popen[bytes]] = []

    def half_start(**_: Any) -> None:
        started.append(subprocess.Popen(["sleep", "60"]))
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr("ray.init", half_start)
    with pytest.raises(SettingsError, match="a Ray cluster on this machine: no answer"):
        RayExecutor("cpu").run([], _never, Stop())
    assert [process.wait(timeout=5) for process in started] == [-signal.SIGKILL] * 3


def _never(*_: Any) -> None:
    raise AssertionError
