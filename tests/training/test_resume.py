"""A run that was killed or stopped ends with the same weights as one that was not."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from ecs_med.config import TrainConfig
from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.methods import Ecs
from ecs_med.training import handlers
from ecs_med.training.train import train

Build = Callable[..., TrainConfig]


class Killed(BaseException):
    """Stands for a death that nothing in the program sees coming."""


def die_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let the method die in its `step`-th iteration from now."""
    real = Ecs.step
    count = 0

    def mortal(self: Ecs, batch: Any, progress: float) -> Any:
        nonlocal count
        count += 1
        if count == step:
            raise Killed
        return real(self, batch, progress)

    monkeypatch.setattr(Ecs, "step", mortal)


def final_state(run: Path) -> dict[str, Any]:
    """Weights of the chosen model, of the last checkpoint, and the scores."""
    last = sorted((run / "checkpoints").glob("*.safetensors"))[-1]
    return {
        "last": last.name,
        "tensors": {k: v.numpy().tobytes() for k, v in load_file(last).items()},
        "model": (run / "model.safetensors").read_bytes(),
        "metrics": (run / "metrics.json").read_text(),
    }


def history(run: Path) -> list[dict[str, Any]]:
    """Rows of the history without the speed, which is never the same."""
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "images_per_second"} for row in rows]


@pytest.fixture
def undisturbed(settings: Build, tmp_path: Path) -> Path:
    return train(settings(run=tmp_path / "undisturbed", iterations=5))


@pytest.mark.parametrize("step", [1, 2, 3, 5])
def test_death_in_any_iteration_changes_nothing(
    settings: Build, undisturbed: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    config = settings(iterations=5)
    with monkeypatch.context() as patch:
        die_at(patch, step)
        with pytest.raises(Killed):
            train(config)
    run = train(config, resume=True)
    assert final_state(run) == final_state(undisturbed)
    assert history(run) == history(undisturbed)


def test_a_torn_checkpoint_and_a_torn_history_row_are_passed_over(
    settings: Build, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(iterations=5)
    with monkeypatch.context() as patch:
        die_at(patch, 5)
        with pytest.raises(Killed):
            train(config)
    assert config.run is not None
    newest = sorted((config.run / "checkpoints").glob("*.safetensors"))[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    with (config.run / "history.jsonl").open("a") as stream:
        stream.write('{"kind": "train", "iter')
    run = train(config, resume=True)
    assert final_state(run) == final_state(undisturbed)
    assert history(run) == history(undisturbed)


def test_at_most_two_checkpoints_are_kept(settings: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    # However long saving takes: a slow one would let the next validation pass by.
    monkeypatch.setattr(handlers, "_QUICK_SECONDS", math.inf)
    run = train(settings(iterations=5))
    names = sorted(p.name for p in (run / "checkpoints").iterdir())
    assert names == ["iteration-00000004.safetensors", "iteration-00000005.safetensors"]


def test_nothing_to_resume_is_said_loudly(settings: Build, undisturbed: Path) -> None:
    with pytest.raises(RunFolderError, match="nothing to resume here"):
        train(settings(), resume=True)
    with pytest.raises(RunFolderError, match="this run is complete"):
        train(settings(run=undisturbed, iterations=5), resume=True)


def test_other_settings_are_refused(settings: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        die_at(patch, 3)
        with pytest.raises(Killed):
            train(settings())
    with pytest.raises(SettingsError, match="was started with `batch` 2, not 4"):
        train(settings(batch=4), resume=True)


def test_a_full_disk_while_saving_loses_nothing(
    settings: Build, undisturbed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = settings(iterations=5)
    real = os.fsync
    saved = 0

    def full_after_the_second_checkpoint(descriptor: int) -> None:
        nonlocal saved
        name = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if "iteration-" in name:
            saved += 1
            if saved == 3:
                raise OSError(28, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full_after_the_second_checkpoint)
        with pytest.raises(RunFolderError, match=r"No space left on device.*resume"):
            train(config)
    assert config.run is not None
    assert not list(config.run.rglob("*.tmp"))
    assert final_state(train(config, resume=True)) == final_state(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_process_resumes_to_the_last_bit(
    settings: Build, tmp_path: Path, how: signal.Signals
) -> None:
    number = 12
    undisturbed = train(settings(run=tmp_path / "undisturbed", iterations=number))
    config = settings(iterations=number)
    path = tmp_path / "config.json"
    path.write_text(config.model_dump_json())
    command = [sys.executable, "-m", "ecs_med_cli", "train", "--config", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert config.run is not None
    rows = config.run / "history.jsonl"
    while process.poll() is None and not (rows.exists() and rows.read_text().count("\n") >= 5):
        time.sleep(0.02)
    process.send_signal(how)
    output = process.communicate(timeout=120)[0].decode()
    assert process.returncode == (75 if how == signal.SIGTERM else -9), output
    assert not (config.run / "metrics.json").exists()
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert final_state(config.run) == final_state(undisturbed)
