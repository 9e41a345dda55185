"""Runs on volumes, in three dimensions and with neighbouring slices."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from interrupted_runs import killed_and_resumed, tensors
from volume_folders import write_volumes

import ecs_med
from ecs_med.config import TrainConfig
from ecs_med.inference.evaluate import evaluate_cases
from ecs_med.runs import RunFolder
from ecs_med.training.train import train

DEEP = {"network": "unet3d", "network_settings": {"channels": [4, 8, 8]}}
FLAT = {"context": 1, "encoder": "test_resnet", "min_size": 0}


@pytest.fixture(scope="module")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_volumes(tmp_path_factory.mktemp("volumes"))


@pytest.fixture
def volume_settings(volumes: Path, tmp_path: Path) -> Any:
    def build(**values: Any) -> TrainConfig:
        small = {
            "data": volumes,
            "labeled": "50%",
            "run": tmp_path / "run",
            "iterations": 4,
            "evaluate_every": 2,
            "batch": 2,
            "crop": 32,
            "encoder_weights": "none",
            "device": "cpu",
            "cache": tmp_path / "cache",
        }
        return TrainConfig.parse(small | values)

    return build


METHODS = (
    *("ecs", "fixmatch", "mean-teacher", "cps", "bcp", "self-training", "unimatch"),
    *("unimatch-v2", "s4gan", "supervised"),
)


@pytest.mark.parametrize(
    "method", ["ecs-plus", *(pytest.param(name, marks=pytest.mark.slow) for name in METHODS)]
)
def test_methods_train_on_volumes(volume_settings: Any, method: str) -> None:
    strong = {"augmentation": {"strong": {"cutmix": 1.0}}}
    run = train(volume_settings(method=method, **DEEP, **strong))
    model = ecs_med.load_model(run)
    assert model.spec.spatial_dims == 3
    assert model.spec.patch == (32, 32, 32)
    metrics = RunFolder(run).read_metrics()
    assert metrics.test.miou is not None
    assert (run / "report.html").is_file()


@pytest.mark.parametrize("own", [DEEP, FLAT], ids=["3-D", "2.5-D"])
def test_scores_are_those_of_the_labels_that_are_written(
    volume_settings: Any, volumes: Path, tmp_path: Path, own: dict[str, Any]
) -> None:
    run = train(volume_settings(method="ecs-plus", **own))
    model = ecs_med.load_model(run)
    image = volumes / "imagesTr/v0.nii.gz"
    case = ecs_med.types.Case("v0", (image,), mask=volumes / "labelsTr/v0.nii.gz")
    [scored] = evaluate_cases(model, [case]).per_case
    found = ecs_med.segment(model, image, certainty=True)
    reference = np.asarray(nibabel.load(case.mask).dataobj)
    for row in range(3):
        for column in range(3):
            count = ((reference == row) & (found.labels == column)).sum()
            assert scored.confusion[row][column] == count
    assert found.certainty is not None
    assert found.certainty.shape == reference.shape


@pytest.mark.parametrize("own", [DEEP, FLAT], ids=["3-D", "2.5-D"])
def test_a_resumed_run_ends_with_the_same_weights(
    volume_settings: Any, tmp_path: Path, own: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = volume_settings(method="ecs", dims="3" if own is DEEP else "2.5", **own)
    whole = train(config.model_copy(update={"run": tmp_path / "whole"}))
    resumed = killed_and_resumed(config, monkeypatch, step=4)
    assert tensors(resumed) == tensors(whole)
    assert (resumed / "model.json").read_bytes() == (whole / "model.json").read_bytes()


def test_a_run_begins_with_the_networks_of_another_one(
    volume_settings: Any, tmp_path: Path
) -> None:
    first = train(volume_settings(method="ecs", run=tmp_path / "first", **DEEP))
    second = train(volume_settings(method="ecs", start_from=first))
    spec = ecs_med.load_model(second).spec
    assert (spec.network, spec.spatial_dims) == ("unet3d", 3)
    assert spec.network_settings == ecs_med.load_model(first).spec.network_settings


def test_a_sweep_decides_on_dimensions_once(volumes: Path, tmp_path: Path) -> None:
    from ecs_med.sweep.plan import SweepConfig, decide_open_settings

    settings = {"dims": "3", "iterations": 2, "device": "cpu", "encoder_weights": "none"}
    sweep = SweepConfig(
        data=volumes,
        out=tmp_path / "sweep",
        methods=("supervised", "ecs"),
        budgets=("1",),
        seeds=(0,),
        settings=settings,
    )
    decided = decide_open_settings(sweep, here=True).settings
    assert (decided["dims"], decided["batch"], decided["min_size"]) == ("3", 2, 0)
