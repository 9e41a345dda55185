"""A method that reacts to its own validation: told the same in all processes, exact on resuming."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from plugins import install
from safetensors.torch import load_file

from ecs_med.config import TrainConfig
from ecs_med.metrics import ErrorDetection
from ecs_med.training.train import train

Build = Callable[..., TrainConfig]
ROOT = Path(__file__).parents[2]

TRUSTING = '''
import os
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from ecs_med.distributed import rank
from ecs_med.methods import Ecs


class Trust(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("value", torch.zeros(()))


class Trusting(Ecs):
    """ECS that sees brighter images, the more its corrector has earned trust."""

    name = "trusting"
    extra_networks = ("corrector", "trust")
    frozen_networks = ("trust",)

    @classmethod
    def build_networks(cls, plan):
        return {**super().build_networks(plan), "trust": Trust()}

    def validated(self, row):
        self.networks["trust"].value.fill_(row.corrector.detection.all_pixels.corrector.auroc)
        with Path(os.environ["TOLD"], f"{rank()}.jsonl").open("a") as file:
            file.write(row.to_line() + "\\n")

    def step(self, batch, progress=0.0):
        if os.environ.get("DIE_AT") == str(progress):
            raise KeyboardInterrupt
        trust = self.networks["trust"].value
        return super().step(replace(batch, images=batch.images * (1 + trust)), progress)
'''


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the method leaves the rows that it is told, a file for each process."""
    folder = tmp_path / "told"
    folder.mkdir()
    monkeypatch.setenv("TOLD", str(folder))
    install(monkeypatch, tmp_path / "site", "trusting", TRUSTING, methods={"trusting": "Trusting"})
    return folder


def rows_of(run: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    return [row for row in rows if row["kind"] == "validation"]


def last_tensors(run: Path) -> dict[str, bytes]:
    newest = sorted((run / "checkpoints").glob("*.safetensors"))[-1]
    return {name: value.numpy().tobytes() for name, value in load_file(newest).items()}


def test_each_validation_is_told_without_what_hidden_masks_say(settings: Build, told: Path) -> None:
    run = train(settings(method="trusting"))
    rows = [json.loads(line) for line in (told / "0.jsonl").read_text().splitlines()]
    logged = rows_of(run)
    assert [row["iteration"] for row in logged] == [2, 4]
    assert all(row["pseudo_labels"]["detection"] for row in logged), "for reports they are known"
    assert rows == [row | {"pseudo_labels": None} for row in logged]


def test_a_chosen_corrector_that_knows_nothing_is_warned_of_at_the_end(
    settings: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ErrorDetection, "weakness", lambda _: "It knows nothing.")
    manifest = json.loads((train(settings()) / "manifest.json").read_text())
    assert manifest["warnings"].count("It knows nothing.") == 1


@pytest.mark.parametrize("died_at", [0.4, 0.6])
def test_what_lies_in_buffers_survives_a_death(
    settings: Build, told: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, died_at: float
) -> None:
    """Validations follow iterations 2, 4 and 5: death comes right after one, and later."""
    undisturbed = train(settings(method="trusting", iterations=5, run=tmp_path / "undisturbed"))
    config = settings(method="trusting", iterations=5)
    with monkeypatch.context() as patch:
        patch.setenv("DIE_AT", str(died_at))
        with pytest.raises(KeyboardInterrupt):
            train(config)
    run = train(config, resume=True)
    tensors = last_tensors(run)
    assert tensors == last_tensors(undisturbed)
    assert tensors["network.trust.value"] != b"\0\0\0\0"
    assert rows_of(run) == rows_of(undisturbed)


@pytest.mark.slow
def test_all_processes_are_told_the_same(settings: Build, told: Path, tmp_path: Path) -> None:
    config = settings(method="trusting", batch=4, run=tmp_path / "pair")
    path = tmp_path / "settings.json"
    path.write_text(config.model_dump_json())
    roots = [str(ROOT / name) for name in (".", "cli", "datasets")]
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join([*roots, str(tmp_path / "site")]),
    }
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*launch, "-m", "--", "ecs_med_cli", "train", "--config", str(path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    first, second = ((told / f"{number}.jsonl").read_text() for number in (0, 1))
    assert first == second
    assert [json.loads(line)["iteration"] for line in first.splitlines()] == [2, 4]
