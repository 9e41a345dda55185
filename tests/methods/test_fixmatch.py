"""FixMatch with a mean teacher: against the literal one, its threshold, its warning."""

import copy

import pytest
import torch
from tiny_networks import NUM_CLASSES, weights
from torch import nn
from torch.nn import functional as F
from varied_batches import SPATIAL, as_batch, segmenter, varied_images

from ecs_med.config import OptimizerSettings
from ecs_med.methods.fixmatch import FixMatch, FixMatchSettings
from ecs_med.networks.teacher import MeanTeacher
from ecs_med.types import Batch
from literal_consistency import LiteralFixMatch

SGD = OptimizerSettings(name="sgd", lr=0.05, weight_decay=0)


def build(network: nn.Module, **settings: object) -> FixMatch:
    parsed = FixMatchSettings.parse(settings)
    networks = {"segmenter": network, "teacher": MeanTeacher(network, parsed.ema)}
    return FixMatch(networks, parsed, {"segmenter": SGD}, num_classes=NUM_CLASSES)


@pytest.mark.parametrize("spatial", SPATIAL)
def test_steps_equal_the_literal_ones(spatial: tuple[int, ...]) -> None:
    network = segmenter(spatial)
    method = build(copy.deepcopy(network), threshold=0.4, ema=0.6)
    optimizer = torch.optim.SGD(network.parameters(), SGD.lr, momentum=0.9)
    literal = LiteralFixMatch(network, optimizer, ema=0.6, threshold=0.4)
    for number in range(4):
        images = varied_images(number, spatial)
        method.train_mode()
        result = method.step(as_batch(images))
        assert 0.05 < result.signals["sure_share"].item() < 0.95
        found = {k: v.item() for k, v in result.losses.items()}
        assert found == pytest.approx(literal.step(images), abs=1e-10)
    torch.testing.assert_close(weights(method.segmenter), weights(network), rtol=0, atol=1e-10)
    teacher = method.predictor().state_dict()
    for name, value in literal.teacher.state_dict().items():
        torch.testing.assert_close(teacher[name], value, rtol=0, atol=1e-10)


def test_where_nothing_is_sure_the_step_is_the_supervised_one() -> None:
    method, network = build(segmenter((8, 8)), threshold=1.0), segmenter((8, 8))
    images = varied_images(0)
    method.train_mode()
    losses = method.step(as_batch(images)).losses
    assert losses["unlabeled"].item() == 0
    loss = F.cross_entropy(network(images.labeled), images.labels, ignore_index=255)
    loss.backward()
    for moved, before in zip(method.segmenter.parameters(), network.parameters(), strict=True):
        assert before.grad is not None
        torch.testing.assert_close(moved, before - SGD.lr * before.grad)


def test_without_unlabeled_images_what_remains_is_supervised() -> None:
    method, images = build(segmenter((8, 8))), varied_images(0)
    result = method.step(Batch(images.labeled, images.labels))
    assert set(result.losses) == {"segmentation"}
    assert not result.signals


def test_it_warns_late_where_hardly_anything_is_sure() -> None:
    method = build(segmenter((8, 8)))
    assert "lower the `threshold`" in (method.warning({"sure_share": 0.01}, 0.6) or "")
    assert method.warning({"sure_share": 0.01}, 0.4) is None
    assert method.warning({"sure_share": 0.5}, 0.6) is None
    assert method.warning({}, 0.6) is None
