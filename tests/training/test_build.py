"""Methods and networks of another package in a whole run, and a method in a loop of one's own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import plugins
import pytest
import torch
from safetensors.torch import load_file

import ecs_med
from ecs_med.config import TrainConfig
from ecs_med.errors import SettingsError
from ecs_med.training.train import train

CODE = '''
import copy

import torch
from torch import nn

from ecs_med.config import Settings
from ecs_med.losses import cross_entropy
from ecs_med.methods import Method, StepResult
from ecs_med.networks import Network


class TeacherSettings(Settings):
    decay: float = 0.9


class Teacher(Method):
    """Supervised, but what predicts is a moving average of the segmenter."""

    name, title, short_name = "teacher", "A mean teacher", "MT"
    settings_class = TeacherSettings
    extra_networks = ("teacher",)
    frozen_networks = ("teacher",)

    @classmethod
    def build_networks(cls, plan):
        return {"teacher": copy.deepcopy(plan.segmenter)}

    def predictor(self):
        return self.networks["teacher"]

    def step(self, batch, progress=0.0):
        loss = cross_entropy(self.forward(self.segmenter, batch.images), batch.labels)
        loss = self.update("segmenter", [loss])
        with torch.no_grad():
            pairs = zip(self.predictor().parameters(), self.segmenter.parameters())
            for mean, value in pairs:
                mean.lerp_(value, 1 - self.settings.decay)
        return StepResult({"segmentation": loss})


class Plain(Network):
    name, title = "plain", "Plain"

    @classmethod
    def build(cls, weights, *, in_channels, num_classes, settings):
        return nn.Conv2d(in_channels, num_classes, 3, padding=1)
'''

Build = Callable[..., TrainConfig]


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """Settings of a run with both."""
    plugins.install(
        monkeypatch,
        tmp_path / "site",
        "outside_package",
        CODE,
        methods={"teacher": "Teacher"},
        networks={"plain": "Plain"},
    )
    return {"method": "teacher", "network": "plain", "encoder": "auto"}


def networks(run: Path, iteration: int) -> dict[str, dict[str, torch.Tensor]]:
    found = load_file(run / "checkpoints" / f"iteration-{iteration:08d}.safetensors")
    parts = [key.split(".") for key in found if key.startswith("network.")]
    return {
        name: {k: found[f"network.{name}.{k}"] for _, n, k in parts if n == name}
        for name in {name for _, name, _ in parts}
    }


def test_a_teacher_of_another_package_predicts(settings: Build, outside: dict[str, Any]) -> None:
    run = train(settings(**outside, iterations=2, keep="last"))
    first, last = networks(run, 0), networks(run, 2)
    model = ecs_med.load_model(run)
    assert (model.spec.network, model.spec.encoder) == ("plain", None)
    assert model.spec.initialization == "plain with first weights of its own"
    for name, value in model.segmenter.state_dict().items():
        assert torch.equal(first["teacher"][name], first["segmenter"][name])
        assert torch.equal(value, last["teacher"][name])
        assert not torch.equal(value, last["segmenter"][name])
    slices = torch.rand(1, 3, 32, 32)
    assert model.logits(slices).shape == (1, 3, 32, 32)
    config = TrainConfig.from_file(run / "config.json")
    assert config.method_settings == {"teacher": {"decay": 0.9}}
    assert config.optimizers.keys() == {"segmenter"}


def test_a_teacher_begins_with_what_the_segmenter_begins_with(
    settings: Build, outside: dict[str, Any], tmp_path: Path
) -> None:
    """Its copy is taken after the weights of another run have come."""
    base = train(settings(**outside, iterations=2, run=tmp_path / "base"))
    fine = train(settings(method="teacher", encoder="auto", start_from=base, iterations=2))
    weights = ecs_med.load_model(base).segmenter.state_dict()
    for found in networks(fine, 0).values():
        assert all(torch.equal(found[name], value) for name, value in weights.items())


def test_a_corrector_judges_a_network_without_an_encoder(
    settings: Build, outside: dict[str, Any]
) -> None:
    more = {"method": "ecs", "corrector_encoder": "test_resnet"}
    run = train(settings(**{**outside, **more}, iterations=1))
    model = ecs_med.load_model(run)
    assert (model.spec.encoder, model.spec.corrector_encoder) == (None, "test_resnet")
    assert model.has_corrector


def test_a_classifier_needs_an_encoder(settings: Build, outside: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="segmenter's encoder, and this one has none"):
        train(settings(**{**outside, "method": "s4gan+mlmt"}))
