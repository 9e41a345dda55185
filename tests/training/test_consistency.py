"""Whole runs of the methods that learn from strong views: trained, resumed, predicted with."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from interrupted_runs import killed_and_resumed, tensors
from safetensors.torch import load_file

import ecs_med
from ecs_med.config import TrainConfig
from ecs_med.data.readers import read_scan
from ecs_med.inference.predictor import segment
from ecs_med.methods import method_class
from ecs_med.training.train import train

Build = Callable[..., TrainConfig]
METHODS = ("fixmatch", "mean-teacher", "cps", "self-training")


def rows(run: Path) -> list[dict[str, Any]]:
    lines = (run / "history.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["kind"] == "train"]


def networks(run: Path, iteration: int) -> dict[str, dict[str, torch.Tensor]]:
    """By name, without optimisers."""
    found = load_file(run / "checkpoints" / f"iteration-{iteration:08d}.safetensors")
    parts: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in found.items():
        kind, name, rest = key.split(".", 2)
        if kind == "network":
            parts.setdefault(name, {})[rest] = value
    return parts


@pytest.mark.parametrize("method", METHODS)
def test_a_run_trains_resumes_to_the_last_bit_and_predicts(
    settings: Build, tmp_path: Path, phantom: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    more = {"method": method, "iterations": 6}
    undisturbed = train(settings(run=tmp_path / "undisturbed", **more))
    # After the checkpoint of iteration 4: in the second stage, where there are two.
    run = killed_and_resumed(settings(**more), monkeypatch, step=6)
    assert tensors(run) == tensors(undisturbed)
    for name in ("model.safetensors", "metrics.json"):
        assert (run / name).read_bytes() == (undisturbed / name).read_bytes()
    assert networks(run, 6).keys() == {"segmenter", *method_class(method).extra_networks}
    image = next((phantom / "test" / "images").iterdir())
    found = segment(ecs_med.load_model(run), read_scan((image,)))
    assert found.labels.shape == (32, 32)
    expected = {"fixmatch": "sure_share", "self-training": "untaught_classes"}
    assert rows(run)[-1]["signals"][expected.get(method, "disagreement_share")] is not None


def test_self_training_resumes_from_the_end_of_its_first_stage(
    settings: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = {"method": "self-training", "iterations": 4}
    undisturbed = train(settings(run=tmp_path / "undisturbed", **more))
    run = killed_and_resumed(settings(**more), monkeypatch, step=3)
    assert tensors(run) == tensors(undisturbed)
    # The trained network of the first stage is the teacher of the second one.
    teacher = networks(run, 4)["teacher"]
    assert teacher["is_trained"]
    assert teacher["network.encoder.model.bn1.num_batches_tracked"] == 2


def test_self_training_has_two_schedules(settings: Build) -> None:
    run = train(settings(method="self-training", iterations=20, evaluate_every=20))
    rates = {row["iteration"]: row["lr"]["segmenter"] for row in rows(run)}
    assert rates[1] == rates[11] == 1e-3
    assert [rates[10], rates[20]] == pytest.approx([1e-3 * 0.1**0.9] * 2)


@pytest.mark.parametrize("method", METHODS)
def test_volumes(settings: Build, tmp_path: Path, method: str) -> None:
    nibabel = pytest.importorskip("nibabel")
    generator = np.random.default_rng(0)
    for index in range(6):
        labels = np.zeros((20, 24, 4), np.uint8)
        labels[6:14, 6 + index : 16 + index] = 1
        values = generator.normal(size=labels.shape) + 3 * labels
        for kind, stored in (("images", values.astype(np.float32)), ("labels", labels)):
            (tmp_path / "v" / kind).mkdir(parents=True, exist_ok=True)
            image = nibabel.Nifti1Image(stored, np.diag([1, 1, 3, 1]))
            nibabel.save(image, tmp_path / "v" / kind / f"case_{index}.nii.gz")
    run = train(settings(data=tmp_path / "v", method=method, iterations=2))
    losses = rows(run)[-1]["losses"]
    assert {"consistency", "unlabeled"} & losses.keys()
    scores = json.loads((run / "metrics.json").read_text())["test"]
    assert len(scores["iou_per_class"]) == 2


def test_the_second_segmenter_begins_apart(settings: Build) -> None:
    """Without weights from elsewhere, encoder and head are drawn anew."""
    first, second = networks(train(settings(method="cps", iterations=1)), 0).values()
    assert first.keys() == second.keys()
    for part in ("encoder", "segmentation_head"):
        name = next(k for k, v in first.items() if k.startswith(part) and v.ndim == 4)
        assert not torch.equal(first[name], second[name])


def test_the_second_segmenter_shares_the_encoder_that_a_run_gives(
    settings: Build, tmp_path: Path
) -> None:
    """Were their heads alike too, the networks would be one."""
    base = train(settings(method="supervised", iterations=1, run=tmp_path / "base"))
    values = settings(method="cps", iterations=1, start_from=base).model_dump(exclude_unset=True)
    del values["encoder"], values["min_size"]
    found = networks(train(TrainConfig.parse(values)), 0)
    given = ecs_med.load_model(base).segmenter.state_dict()
    for name, value in given.items():
        assert torch.equal(found["segmenter"][name], value)
        is_equal = torch.equal(found["second"][name], value)
        if name.startswith("encoder."):
            assert is_equal, name
        elif value.ndim == 4:  # A convolution; scales and shifts begin as 1 and 0 in each.
            assert not is_equal, name
