"""A tiny data set, and sweeps whose runs take about a second."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecs_med.metrics import Scores
from ecs_med.runs import Metrics, RunFolder
from ecs_med.sweep.plan import SweepConfig
from ecs_med_datasets.phantom import write_phantom


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 frames of 32 pixels: background, polyp, instrument."""
    folder = tmp_path_factory.mktemp("phantom")
    write_phantom(folder, num_images=24, seed=0, size=32)
    return folder


@pytest.fixture
def build(phantom: Path, tmp_path: Path) -> Callable[..., SweepConfig]:
    """Builds a `SweepConfig`; keyword arguments override fields, `settings` single settings."""

    def make(settings: dict[str, Any] | None = None, **values: Any) -> SweepConfig:
        tiny = {
            "iterations": 4,
            "batch": 2,
            "crop": 32,
            "evaluate_every": 2,
            "encoder": "test_resnet",
            "encoder_weights": "none",
            "device": "cpu",
            "cache": str(tmp_path / "cache"),
        }
        small = {
            "data": phantom,
            "out": tmp_path / "sweep",
            "budgets": ("1/4", "1/2"),
            "methods": ("supervised", "ecs"),
            "seeds": (0,),
            "settings": tiny | (settings or {}),
        }
        return SweepConfig.parse(small | values)

    return make


@pytest.fixture
def put_scores() -> Callable[[Path], None]:
    """Writes the file that ends a run; its mIoU is 0.5."""

    def put(folder: Path) -> None:
        scores = Scores(
            miou=0.5,
            dice=0.6,
            iou_per_class=(0.5,),
            dice_per_class=(0.6,),
            foreground_iou=None,
            foreground_dice=None,
            pixel_accuracy=0.9,
            class_names=("background",),
        )
        metrics = Metrics(
            best_iteration=4, validation=None, test=scores, class_names=scores.class_names
        )
        folder.mkdir(parents=True, exist_ok=True)
        metrics.write(RunFolder(folder).metrics_file)

    return put
