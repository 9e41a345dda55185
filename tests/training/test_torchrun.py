"""The whole command under `torchrun`, against the same command in one process."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecs_med.config import OptimizerSettings, TrainConfig
from ecs_med.training.train import train

pytestmark = pytest.mark.slow

Build = Callable[..., TrainConfig]
ROOT = Path(__file__).parents[2]


def command(run: Path, config: TrainConfig, *more: str) -> list[str]:
    """`torchrun` on two processes; the dashes keep it from taking our options for its own."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    settings = run.parent / f"{run.name}.json"
    settings.write_text(config.model_copy(update={"run": run}).model_dump_json())
    return [*launch, "-m", "--", "ecs_med_cli", "train", "--config", str(settings), *more]


def environment() -> dict[str, str]:
    roots = os.pathsep.join(str(ROOT / name) for name in (".", "cli", "datasets"))
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": roots}


def losses(run: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    return [row["losses"] for row in rows if row["kind"] == "train"]


def test_two_processes_give_the_losses_of_one(settings: Build, tmp_path: Path) -> None:
    # Adam would magnify rounding: its first step moves a weight as far whatever its gradient.
    plain = OptimizerSettings(name="sgd", lr=1e-2)
    config = settings(batch=4, optimizers={"segmenter": plain, "corrector": plain})
    alone = losses(train(config))
    run = tmp_path / "pair"
    done = subprocess.run(
        command(run, config, "--json"), env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    printed = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(printed) == 1, "only the first process speaks"
    together = losses(run)
    assert len(together) == len(alone) == 4
    for name, value in alone[0].items():
        # The pseudo loss comes after an update, where rounding turns a few labels over.
        tolerance = 2e-3 if name == "pseudo" else 1e-5
        assert together[0][name] == pytest.approx(value, rel=tolerance), name
    for name, value in alone[-1].items():
        assert together[-1][name] == pytest.approx(value, rel=3e-2), name
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["processes"] == 2


def test_a_batch_that_cannot_be_divided_is_refused(settings: Build, tmp_path: Path) -> None:
    done = subprocess.run(
        command(tmp_path / "odd", settings(batch=3)),
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "--batch 3 cannot be divided among 2 processes" in done.stderr
    assert not (tmp_path / "odd").exists()


def test_sigterm_stops_both_after_the_same_iteration(settings: Build, tmp_path: Path) -> None:
    config = settings(batch=4, iterations=200, evaluate_every=200)
    run = tmp_path / "stopped"
    process = subprocess.Popen(
        command(run, config), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(b"iteration"):
            break
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    assert process.returncode != 0
    saved = sorted((run / "checkpoints").glob("*.safetensors"))
    assert saved
    assert saved[-1].name != "iteration-00000000.safetensors"
    assert not (run / "metrics.json").exists()
