"""Architectures of the segmenter: found, told things, and refused where they do not fit."""

from pathlib import Path
from typing import Any

import plugins
import pytest
import torch

from ecs_med.config import TrainConfig
from ecs_med.errors import SettingsError
from ecs_med.networks import NETWORKS, Initialization, build_segmenter
from ecs_med.training.resolve import Images, resolve

PLAIN = """
from torch import nn
from ecs_med.config import Settings
from ecs_med.networks import Network

class PlainSettings(Settings):
    width: int = 4

class Plain(Network):
    name, title = "plain", "Plain"
    settings_class = PlainSettings

    @classmethod
    def build(cls, weights, *, in_channels, num_classes, settings):
        return nn.Sequential(
            nn.Conv2d(in_channels, settings.width, 3, padding=1),
            nn.Conv2d(settings.width, num_classes, 1),
        )

class Deep(Plain):
    name, title, spatial_dims = "deep", "Deep", 3
"""
IMAGES = Images("picture", 3, (64, 64))


@pytest.fixture(autouse=True)
def package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    networks = {"plain": "Plain", "deep": "Deep"}
    plugins.install(monkeypatch, tmp_path, "plain_networks", PLAIN, networks=networks)


def resolved(**values: Any) -> tuple[TrainConfig, tuple[Initialization, Initialization]]:
    given = {"data": "x", "device": "cpu", "encoder_weights": "none", "network": "plain"}
    return resolve(TrainConfig.parse(given | values), IMAGES, Path("run"))


def test_a_network_of_another_package_needs_no_encoder() -> None:
    assert NETWORKS.names() == (
        *("deep", "deeplabv2", "deeplabv3plus", "dynunet", "plain", "unet3d", "vit"),
    )
    config, (segmenter, corrector) = resolved(network_settings={"width": 5})
    assert (config.encoder, config.corrector_encoder) == ("none", "resnet34")
    assert segmenter.sentence() == "plain with first weights of its own"
    assert corrector.sentence() == "resnet34 with random weights"
    built = build_segmenter(
        segmenter, in_channels=3, num_classes=2, network="plain", settings=config.network_settings
    )
    assert built(torch.zeros(1, 3, 32, 32)).shape == (1, 2, 32, 32)
    assert built[0].out_channels == 5  # type: ignore[index]
    assert NETWORKS.get("plain").statistics("plain", 2) == ([0.0, 0.0], [1.0, 1.0])


def test_without_a_corrector_no_weights_of_one_are_looked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("ecs_med.networks.initialization._source", none)
    config, _ = resolved(method="supervised", encoder_weights="auto")
    assert (config.encoder, config.encoder_weights) == ("none", "none")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"network": "plian"}, "Unknown network 'plian'; did you mean 'plain'?"),
        ({"network": "deep"}, "The network deep segments volumes, and these are pictures; leave "),
        ({"encoder": "resnet18"}, "The network plain has no encoder; leave `encoder` resnet18 out"),
        ({"frozen_norm": True}, "leave `frozen_norm` out."),
        ({"freeze_encoder": True}, "leave `freeze_encoder` out."),
        (
            {"network_settings": {"widht": 3}},
            "network_settings: unknown setting 'widht'; did you mean 'width'?",
        ),
        (
            {"network": "deeplabv3plus", "network_settings": {"aspp_rates": [6]}},
            "network_settings: unknown setting 'aspp_rates'; known are output_stride.",
        ),
        (
            {"network": "deeplabv2", "network_settings": {"output_stride": 4}},
            "network_settings.output_stride: Input should be 8 or 16 (got 4).",
        ),
    ],
)
def test_what_does_not_fit_is_refused(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        resolved(**values)
    assert sentence in str(caught.value)
