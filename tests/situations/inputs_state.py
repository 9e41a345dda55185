"""Runs, pictures and volumes for situations around predictions and interrupted runs."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import torch
from PIL import Image

from ecs_med.config import Preparation, TrainConfig
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.inference.model import Model
from ecs_med.inference.storing import save_model
from ecs_med.networks import Initialization, build_segmenter
from ecs_med.runs import RunFolder
from ecs_med.runs.spec import ModelSpec

__all__ = [
    "TINY",
    "add_picture",
    "add_volume",
    "command",
    "ended",
    "pretend_training",
    "write_model",
]

TINY: dict[str, Any] = {
    "iterations": 2,
    "batch": 2,
    "crop": 32,
    "max_size": 32,
    "device": "cpu",
    "encoder": "test_resnet",
    "encoder_weights": "none",
    "method": "supervised",
}


def write_model(run: Path, *, kind: str = "picture", channels: int = 3) -> Path:
    """A model of two classes with random weights, without the files of its training."""
    run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    spec = ModelSpec(
        method="supervised",
        labels=LabelScheme(class_names=("background", "object")),
        preparation=Preparation(),
        kind=kind,
        in_channels=channels,
        mean=(0.5,) * channels,
        std=(0.5,) * channels,
        encoder="test_resnet",
        corrector_encoder=None,
        crop=32,
        initialization="none",
    )
    segmenter = build_segmenter(
        Initialization("test_resnet", "none"), in_channels=channels, num_classes=2
    )
    save_model(Model(spec, segmenter, None, device=torch.device("cpu"), run=run))
    return run


def pretend_training(run: Path, *, done: int, of: int) -> None:
    """Settings and a checkpoint's name, as an interrupted run leaves them."""
    folder = RunFolder(run)
    folder.create()
    folder.write_config(TrainConfig.parse({"data": "data", "iterations": of}))
    (folder.checkpoints / f"iteration-{done:08d}.safetensors").touch()


def add_picture(path: Path, value: int = 100, size: int = 32) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((size, size), value, np.uint8)
    pixels[: size // 2, : size // 2] = 255 - value
    Image.fromarray(pixels).save(path, format="PNG")
    return path


def add_volume(path: Path, shape: tuple[int, ...] = (8, 8, 4)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(0).random(shape).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1.0, 1.0, 3.0, 1.0])), path)
    return path


def command(*words: object) -> list[str]:
    """What starts `ecs-med` with these words."""
    return [sys.executable, "-m", "ecs_med_cli", *map(str, words)]


def ended(*words: object, cwd: Path | None = None, **environment: str) -> tuple[int, bytes, bytes]:
    """Run `ecs-med` as a process of its own: exit code, standard output and error."""
    done = subprocess.run(
        command(*words),
        capture_output=True,
        timeout=120,
        cwd=cwd,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stdout, done.stderr
