"""Whole runs of UniMatch, UniMatch V2 and BCP: pictures and volumes, resumed, predicted with."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import plugins
import pytest
from safetensors.torch import load_file

import ecs_med
from ecs_med.config import TrainConfig
from ecs_med.data.readers import read_scan
from ecs_med.errors import SettingsError
from ecs_med.inference.predictor import segment
from ecs_med.methods import method_class
from ecs_med.training.train import train

Build = Callable[..., TrainConfig]
METHODS = ("unimatch", "unimatch-v2", "bcp")
SURE = {name: {"threshold": 0.3} for name in ("unimatch", "unimatch-v2")}


class Killed(BaseException):
    """Stands for a death that nothing in the program sees coming."""


def tensors(run: Path) -> dict[str, bytes]:
    last = sorted((run / "checkpoints").glob("*.safetensors"))[-1]
    return {k: v.numpy().tobytes() for k, v in load_file(last).items()}


def history(run: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "images_per_second"} for row in rows]


@pytest.mark.parametrize("method", METHODS)
def test_a_run_trains_resumes_to_the_last_bit_and_predicts(
    settings: Build, tmp_path: Path, phantom: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    more = {"method": method, "iterations": 5, "method_settings": SURE}
    undisturbed = train(settings(run=tmp_path / "undisturbed", **more))
    cls, config = method_class(method), settings(**more)
    real, steps = cls.step, iter(range(3))

    def mortal(self: Any, batch: Any, progress: float = 0.0) -> Any:
        if next(steps, None) is None:
            raise Killed
        return real(self, batch, progress)

    with monkeypatch.context() as patch:
        patch.setattr(cls, "step", mortal)
        with pytest.raises(Killed):
            train(config)
    run = train(config, resume=True)
    assert tensors(run) == tensors(undisturbed)
    assert history(run) == history(undisturbed)
    assert (run / "model.safetensors").read_bytes() == (
        undisturbed / "model.safetensors"
    ).read_bytes()
    names = {key.split(".")[1] for key in tensors(run) if key.startswith("network.")}
    assert names == {"segmenter", *cls.extra_networks}
    image = next((phantom / "test" / "images").iterdir())
    found = segment(ecs_med.load_model(run), read_scan((image,)))
    assert found.labels.shape == (32, 32)
    assert (run / "report.html").is_file()


def test_the_second_stage_of_bcp_begins_where_its_share_says(settings: Build) -> None:
    own = {"bcp": {"first_stage": 0.5}}
    run = train(settings(method="bcp", iterations=4, evaluate_every=1, method_settings=own))
    rows = [row for row in history(run) if row["kind"] == "train"]
    unlabeled = [row["losses"]["unlabeled"] for row in rows]
    assert [loss > 0 for loss in unlabeled] == [False, False, True, True]


@pytest.mark.parametrize("method", METHODS)
def test_volumes_train_and_predict(settings: Build, tmp_path: Path, method: str) -> None:
    rng = np.random.default_rng(0)
    for index in range(6):
        for kind, values in (
            ("imagesTr", rng.normal(size=(12, 10, 4)).astype(np.float32)),
            ("labelsTr", rng.integers(0, 3, (12, 10, 4)).astype(np.uint8)),
        ):
            (tmp_path / "v" / kind).mkdir(parents=True, exist_ok=True)
            image = nibabel.Nifti1Image(values, np.diag([1, 1, 3, 1]))
            nibabel.save(image, tmp_path / "v" / kind / f"case_{index}.nii.gz")
    more = {"data": tmp_path / "v", "method": method, "iterations": 2, "method_settings": SURE}
    run = train(settings(**more))
    row = next(row for row in history(run) if row["kind"] == "train")
    assert all(np.isfinite(loss) for loss in row["losses"].values())
    found = segment(ecs_med.load_model(run), read_scan((tmp_path / "v/imagesTr/case_0.nii.gz",)))
    assert found.labels.shape == (12, 10, 4)


@pytest.mark.parametrize("method", METHODS)
def test_all_images_labeled_is_training_without_others(settings: Build, method: str) -> None:
    run = train(settings(method=method, labeled="all", iterations=2))
    rows = [row for row in history(run) if row["kind"] == "train"]
    assert all(set(row["losses"]) == {"segmentation"} for row in rows)


def test_deeplabv2_has_halves_as_well(settings: Build) -> None:
    network = {"network": "deeplabv2", "network_settings": {"output_stride": 8}}
    run = train(settings(method="unimatch", iterations=2, **network))
    assert (run / "model.safetensors").is_file()


UNDIVIDED = """
from ecs_med.networks import Network
from torch import nn

class Undivided(Network):
    name, title = "undivided", "Undivided"

    @classmethod
    def build(cls, weights, *, in_channels, num_classes, settings):
        return nn.Conv2d(in_channels, num_classes, 1)
"""


def test_a_network_without_halves_is_refused_before_training(
    settings: Build, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plugins.install(
        monkeypatch, tmp_path, "undivided", UNDIVIDED, networks={"undivided": "Undivided"}
    )
    with pytest.raises(SettingsError, match="The method unimatch looks between encoder"):
        train(settings(method="unimatch", network="undivided", encoder="none"))
