"""Cells as submitit jobs; submitit's local cluster stands for SLURM."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecs_med.errors import MissingExtraError, SettingsError
from ecs_med.sweep.cell import CellOutcome
from ecs_med.sweep.executors.base import Stop
from ecs_med.sweep.executors.slurm import SlurmExecutor
from ecs_med.sweep.plan import Cell, SweepConfig, plan_cells
from ecs_med.sweep.state import read_state
from ecs_med.sweep.sweep import SweepResult, run_sweep

pytest.importorskip("submitit")

Build = Callable[..., SweepConfig]


def sweep(cells: list[Cell], stop: Stop) -> tuple[SweepResult, dict[str, CellOutcome]]:
    ended: dict[str, CellOutcome] = {}

    def done(cell: Cell, outcome: CellOutcome) -> None:
        ended[cell.name] = outcome

    return run_sweep(cells, local(cells[0].folder.parent.parent), done, stop), ended


def local(out: Path, **parameters: str) -> SlurmExecutor:
    return SlurmExecutor("cpu", out / "slurm", 2, {"cluster": "local", **parameters})


@pytest.mark.slow
def test_a_preempted_job_saves_and_is_queued_again(build: Build) -> None:
    plan = build({"iterations": 30, "evaluate_every": 15}, methods=("supervised",))
    cells = plan_cells(plan.model_copy(update={"budgets": ("1/2", "1000")}))
    preempted: list[Any] = []
    executor = local(plan.out)
    submit = executor._submitter.submit

    def keep(job: Any) -> Any:
        preempted.append(submit(job))
        return preempted[-1]

    executor._submitter.submit = keep
    told = False

    class Preempting(Stop):
        """Preempts the first job once it trains."""

        @property
        def asked(self) -> bool:
            nonlocal told
            if not told and (cells[0].folder / "history.jsonl").exists():
                told = True
                _preempt(preempted[0])
            return False

    ended: dict[str, CellOutcome] = {}
    result = run_sweep(
        cells, executor, lambda c, outcome: ended.update({c.name: outcome}), Preempting()
    )
    assert told
    assert ended[cells[0].name].progress == "done"
    log = cells[0].log.read_text()
    assert "Stopped by SIGTERM after iteration" in log
    assert log.count(" of 30") == 2
    assert ended[cells[1].name].progress == "failed"
    assert "more cases than" in str(ended[cells[1].name].sentence)
    assert result.exit_code == 3


def _preempt(job: Any) -> None:
    """Warn the processes of a local job, as SLURM warns its tasks."""
    from submitit.local.local import LocalJobEnvironment

    for process in Path("/proc").iterdir():
        try:
            parent = (process / "stat").read_text().rsplit(")", 1)[1].split()[1]
        except (OSError, IndexError):
            continue
        if parent == job.job_id:
            os.kill(int(process.name), LocalJobEnvironment._usr_sig())


@pytest.mark.slow
def test_a_stop_ends_the_jobs_with_everything_saved(build: Build) -> None:
    cells = plan_cells(
        build({"iterations": 2000, "evaluate_every": 1000}, budgets=("1/2",), methods=("ecs",))
    )

    class Stopping(Stop):
        @property
        def asked(self) -> bool:
            return (cells[0].folder / "history.jsonl").exists()

    result, ended = sweep(cells, Stopping())
    assert ended[cells[0].name].progress == "stopped"
    assert result.exit_code == 75
    assert read_state(cells[0].folder).progress == "resumable"


def test_wrong_parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="slurm_partitoin"):
        local(tmp_path, partitoin="gpu")
    with pytest.raises(SettingsError, match="nowhere"):
        SlurmExecutor("cpu", tmp_path, None, {"cluster": "nowhere"})
    with pytest.raises(SettingsError, match="srun"):
        SlurmExecutor("cpu", tmp_path)
    assert local(tmp_path, partition="gpu", mem_gb="8").places == 2
    monkeypatch.setattr("ecs_med.sweep.executors.slurm.find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match=r"ecs-med\[slurm\]"):
        local(tmp_path)
