"""A tiny data set, and settings under which a run takes about a second."""

from pathlib import Path
from typing import Any

import pytest

from ecs_med.config import TrainConfig
from ecs_med_datasets.phantom import write_phantom


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 frames of 32 pixels: background, polyp, instrument."""
    folder = tmp_path_factory.mktemp("phantom")
    write_phantom(folder, num_images=24, seed=0, size=32)
    return folder


@pytest.fixture
def settings(phantom: Path, tmp_path: Path) -> Any:
    """Builds a `TrainConfig`; keyword arguments override the small defaults."""

    def build(**values: Any) -> TrainConfig:
        small = {
            "data": phantom,
            "method": "ecs",
            "labeled": "50%",
            "run": tmp_path / "run",
            "iterations": 4,
            "batch": 2,
            "crop": 32,
            "min_size": 0,
            "evaluate_every": 2,
            "encoder": "test_resnet",
            "encoder_weights": "none",
            "device": "cpu",
            "cache": tmp_path / "cache",
        }
        return TrainConfig.parse(small | values)

    return build
