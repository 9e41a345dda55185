"""Whole runs of the rivals on a tiny phantom: trained, resumed, predicted with."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from interrupted_runs import killed_and_resumed, tensors
from safetensors.torch import load_file
from torch import nn

import ecs_med
from ecs_med.config import TrainConfig
from ecs_med.data.readers import read_scan
from ecs_med.inference.predictor import segment
from ecs_med.methods import method_class
from ecs_med.training.train import train

Build = Callable[..., TrainConfig]
RIVALS = ("advsemiseg", "s4gan", "s4gan+mlmt")


@pytest.mark.parametrize("method", RIVALS)
def test_a_run_trains_resumes_to_the_last_bit_and_predicts(
    settings: Build, tmp_path: Path, phantom: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    thresholds = {name: {"threshold": 0.0} for name in ("s4gan", "s4gan+mlmt")}
    more = {"method": method, "iterations": 5, "method_settings": thresholds}
    undisturbed = train(settings(run=tmp_path / "undisturbed", **more))
    run = killed_and_resumed(settings(**more), monkeypatch, step=4)
    assert tensors(run) == tensors(undisturbed)
    for name in ("model.safetensors", "metrics.json"):
        assert (run / name).read_bytes() == (undisturbed / name).read_bytes()
    names = {key.split(".")[1] for key in tensors(run) if key.startswith("network.")}
    assert names == {"segmenter", *method_class(method).extra_networks}
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert all(row.get("pseudo_labels") is None for row in rows)
    assert rows[-2]["signals"]["selected_share"] is not None
    image = next((phantom / "test" / "images").iterdir())
    found = segment(ecs_med.load_model(run), read_scan((image,)))
    assert found.labels.shape == (32, 32)
    report = (run / "report.html").read_text(encoding="utf-8")
    assert "What does the discriminator let through?" in report
    assert "makes no pseudo-labels" not in report


def test_the_other_discriminator_trains(settings: Build) -> None:
    own = {"advsemiseg": {"discriminator": "deeplabv3plus", "semi_start": 0}}
    run = train(settings(method="advsemiseg", iterations=2, method_settings=own))
    assert any(key.startswith("network.discriminator.encoder") for key in tensors(run))


@pytest.mark.parametrize("head_factor", [1.0, 10.0])
def test_a_faster_head_and_a_frozen_norm_resume_to_the_last_bit(
    settings: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head_factor: float
) -> None:
    optimizer = {"name": "sgd", "lr": 0.01, "head_factor": head_factor}
    more = {
        "method": "advsemiseg",
        "network": "deeplabv2",
        "network_settings": {"output_stride": 8},
        "frozen_norm": True,
        "optimizers": {"segmenter": optimizer},
        "iterations": 5,
    }
    undisturbed = train(settings(run=tmp_path / "undisturbed", **more))
    run = killed_and_resumed(settings(**more), monkeypatch, step=4)
    assert tensors(run) == tensors(undisturbed)
    segmenter = ecs_med.load_model(run).segmenter
    for module in segmenter.get_submodule("encoder").modules():
        if isinstance(module, nn.BatchNorm2d):
            # As drawn: no weight decay and no gradient has moved them.
            assert set(module.weight.unique().tolist()) <= {0.0, 1.0}
            assert not module.bias.any()
            assert module.running_mean is not None
            assert module.running_mean.any()


def test_the_teacher_switches_classes_off_where_there_is_a_background(settings: Build) -> None:
    run = train(settings(method="s4gan+mlmt", iterations=2))
    model = ecs_med.load_model(run)
    assert model.spec.presence == 0.2
    assert model.classifier is not None
    slices = torch.rand(2, 3, 40, 56)
    head = model.classifier.get_submodule("head")
    assert isinstance(head, nn.Linear)
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([-9.0, 9.0, -9.0]))
    open_logits = type(model)(
        model.spec, model.segmenter, None, device=model.device, run=run
    ).logits(slices)
    logits = model.logits(slices)
    # The background stays, whatever the teacher says of it.
    torch.testing.assert_close(logits[:, :2], open_logits[:, :2])
    assert (logits[:, 2] < -1000).all()


def test_without_a_background_every_class_stays_on(settings: Build) -> None:
    names = {"class_names": ["sky", "polyp", "instrument"]}
    run = train(settings(method="s4gan+mlmt", iterations=2, reading=names))
    model = ecs_med.load_model(run)
    assert model.classifier is None
    assert not any(k.startswith("classifier") for k in load_file(run / "model.safetensors"))
