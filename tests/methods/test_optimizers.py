"""Which parameters an optimiser moves, and how fast."""

import pytest
import torch
from torch import nn

from ecs_med.config import OptimizerSettings
from ecs_med.methods.optimizers import build_optimizer, set_learning_rate
from ecs_med.networks import Initialization, build_segmenter
from ecs_med.networks.encoders import freeze_norm


def segmenter() -> nn.Module:
    return build_segmenter(Initialization("test_resnet", "none"), in_channels=3, num_classes=2)


@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_the_head_learns_faster(name: str) -> None:
    network = segmenter()
    settings = OptimizerSettings.parse({"name": name, "lr": 0.01, "head_factor": 10})
    optimizer = build_optimizer(network, settings)
    encoder, head = optimizer.param_groups
    assert (encoder["lr"], head["lr"]) == (0.01, 0.1)
    expected = {id(p) for p in network.get_submodule("encoder").parameters()}
    assert {id(p) for p in encoder["params"]} == expected
    assert len(encoder["params"]) + len(head["params"]) == len(list(network.parameters()))
    set_learning_rate(optimizer, 0.001)
    assert (encoder["lr"], head["lr"]) == (0.001, 0.01)


def test_without_a_factor_there_is_one_group() -> None:
    optimizer = build_optimizer(segmenter(), OptimizerSettings(name="sgd", lr=0.01))
    assert len(optimizer.param_groups) == 1
    set_learning_rate(optimizer, 0.5)
    assert optimizer.param_groups[0]["lr"] == 0.5


def test_a_network_without_an_encoder_is_all_head() -> None:
    settings = OptimizerSettings(name="sgd", lr=0.01, head_factor=10)
    optimizer = build_optimizer(nn.Linear(2, 2), settings)
    assert [group["lr"] for group in optimizer.param_groups] == [0.1]


def test_frozen_parameters_stay_out() -> None:
    network = segmenter()
    encoder = network.get_submodule("encoder")
    freeze_norm(encoder)
    norms = [m for m in encoder.modules() if isinstance(m, nn.BatchNorm2d)]
    optimizer = build_optimizer(network, OptimizerSettings(name="sgd", lr=0.01))
    moved = {id(p) for p in optimizer.param_groups[0]["params"]}
    assert norms
    assert not any(id(p) in moved for norm in norms for p in norm.parameters())
    assert len(moved) == len(list(network.parameters())) - 2 * len(norms)
    before = norms[0].running_mean
    assert before is not None
    before = before.clone()
    network.train()(torch.randn(2, 3, 32, 32))
    assert not torch.equal(norms[0].running_mean, before)  # type: ignore[arg-type]
