"""The mean teacher: against the literal one, its ramp-up, its warning."""

import copy
import math

import pytest
import torch
from tiny_networks import NUM_CLASSES, weights
from torch import nn
from varied_batches import SPATIAL, as_batch, segmenter, varied_images

from ecs_med.config import OptimizerSettings
from ecs_med.losses import squared_distance
from ecs_med.methods.mean_teacher import MeanTeacherMethod, MeanTeacherSettings, ramp_up
from ecs_med.networks.teacher import MeanTeacher
from ecs_med.types import Batch
from literal_consistency import LiteralMeanTeacher

SGD = OptimizerSettings(name="sgd", lr=0.05, weight_decay=0)


def build(network: nn.Module, **settings: object) -> MeanTeacherMethod:
    parsed = MeanTeacherSettings.parse(settings)
    networks = {"segmenter": network, "teacher": MeanTeacher(network, parsed.ema)}
    return MeanTeacherMethod(networks, parsed, {"segmenter": SGD}, num_classes=NUM_CLASSES)


@pytest.mark.parametrize("spatial", SPATIAL)
def test_steps_equal_the_literal_ones(spatial: tuple[int, ...]) -> None:
    network = segmenter(spatial)
    method = build(copy.deepcopy(network), ema=0.6, weight=3.0, ramp_up=0.5)
    optimizer = torch.optim.SGD(network.parameters(), SGD.lr, momentum=0.9)
    literal = LiteralMeanTeacher(network, optimizer, ema=0.6, weight=3.0, ramp_up=0.5)
    for number in range(4):
        images, progress = varied_images(number, spatial), number / 4
        method.train_mode()
        result = method.step(as_batch(images), progress)
        found = {k: v.item() for k, v in result.losses.items()}
        assert found == pytest.approx(literal.step(images, progress), abs=1e-10)
        assert found["consistency"] > 1e-4
    torch.testing.assert_close(weights(method.segmenter), weights(network), rtol=0, atol=1e-10)
    teacher = method.predictor().state_dict()
    for name, value in literal.teacher.state_dict().items():
        torch.testing.assert_close(teacher[name], value, rtol=0, atol=1e-10)


def test_the_weight_rises_over_its_share_of_the_run() -> None:
    rising = [ramp_up(progress, 0.4) for progress in (0.0, 0.2, 0.4, 0.9)]
    assert rising == pytest.approx([math.exp(-5), math.exp(-1.25), 1.0, 1.0])
    assert ramp_up(0.0, 0.0) == 1.0


def test_the_distance_by_hand() -> None:
    found = torch.tensor([[[0.5, 0.9], [0.5, 0.1]]])
    target = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    both, one, none = (torch.tensor([v]) for v in ([True, True], [True, False], [False, False]))
    # 0.25 + 0.25, and 0.81 + 0.81.
    assert squared_distance(found, target, one).item() == pytest.approx(0.5)
    assert squared_distance(found, target, both).item() == pytest.approx((0.5 + 1.62) / 2)
    assert squared_distance(found, target, none).item() == 0


def test_the_share_on_which_they_differ() -> None:
    method, images = build(segmenter((8, 8))), varied_images(0)
    with torch.no_grad():
        student = segmenter((8, 8)).train()(images.strong).argmax(dim=1)
        teacher = images.mixed(segmenter((8, 8)).eval()(images.weak).argmax(dim=1))
    differs = (student != teacher)[images.mixed(images.valid)].double().mean().item()
    assert 0 < differs < 1
    method.train_mode()
    found = method.step(as_batch(images)).signals["disagreement_share"].item()
    assert found == pytest.approx(differs)


def test_without_unlabeled_images_what_remains_is_supervised() -> None:
    method, images = build(segmenter((8, 8))), varied_images(0)
    result = method.step(Batch(images.labeled, images.labels))
    assert set(result.losses) == {"segmentation"}
    assert not result.signals


def test_it_warns_early_where_they_agree_on_everything() -> None:
    method = build(segmenter((8, 8)))
    agreed = {"disagreement_share": 0.0005}
    assert "same class" in (method.warning(agreed, 0.2) or "")
    # In the beginning both name one class everywhere; in the end they are to agree.
    assert method.warning(agreed, 0.05) is None
    assert method.warning(agreed, 0.9) is None
    assert method.warning({"disagreement_share": 0.02}, 0.2) is None
    assert method.warning({}, 0.2) is None
