"""Self-training in two stages: against the literal one, the change of stages, its warning."""

import copy

import pytest
import torch
from tiny_networks import NUM_CLASSES, weights
from torch import nn
from varied_batches import SPATIAL, as_batch, segmenter, varied_images

from ecs_med.config import OptimizerSettings
from ecs_med.methods.self_training import SelfTraining, SelfTrainingSettings, StageTeacher
from ecs_med.types import Batch
from literal_consistency import LiteralSelfTraining

SGD = OptimizerSettings(name="sgd", lr=0.05, weight_decay=0)


def build(network: nn.Module, **settings: object) -> SelfTraining:
    networks = {"segmenter": network, "teacher": StageTeacher(network, NUM_CLASSES)}
    parsed = SelfTrainingSettings.parse(settings)
    return SelfTraining(networks, parsed, {"segmenter": SGD}, num_classes=NUM_CLASSES)


@pytest.mark.parametrize("spatial", SPATIAL)
def test_steps_equal_the_literal_ones(spatial: tuple[int, ...]) -> None:
    network = segmenter(spatial)
    method = build(copy.deepcopy(network), first_stage=0.4)
    literal = LiteralSelfTraining(network, SGD.lr)
    for number in range(5):
        images = varied_images(number, spatial)
        method.train_mode()
        found = {k: v.item() for k, v in method.step(as_batch(images), number / 5).losses.items()}
        if number == 2:
            literal.begin_again()
        expected = literal.supervise(images) if number < 2 else literal.teach(images)
        assert found == pytest.approx(expected, abs=1e-10)
    pairs = ((method.segmenter, literal.segmenter), (method.teacher.network, literal.teacher))
    for ours, theirs in pairs:
        for name, value in theirs.state_dict().items():
            torch.testing.assert_close(ours.state_dict()[name], value, rtol=0, atol=1e-10)


def test_the_two_trade_their_weights_once() -> None:
    method = build(segmenter((8, 8)))
    first = copy.deepcopy(method.segmenter.state_dict())
    method.train_mode()
    method.step(as_batch(varied_images(0)), 0.0)
    trained = copy.deepcopy(method.segmenter.state_dict())
    assert not method.teacher.is_trained
    assert all(torch.equal(v, first[k]) for k, v in method.teacher.network.state_dict().items())
    for number in (1, 2):
        method.step(as_batch(varied_images(number)), 0.5)
        now = method.teacher.network.state_dict()
        assert method.teacher.is_trained
        assert all(torch.equal(v, trained[k]) for k, v in now.items())
    # Momentum is that of two steps of the second stage, and statistics are counted anew.
    tracked = method.segmenter.get_submodule("1").num_batches_tracked
    assert tracked == 4
    assert method.predictor() is method.segmenter
    assert not any(module.training for module in method.teacher.modules())


def test_each_stage_has_the_whole_schedule() -> None:
    method = build(segmenter((8, 8)), first_stage=0.4)
    factors = [method.decay(done, 10) for done in range(10)]
    expected = [(1 - n / 4) ** 0.9 for n in range(4)] + [(1 - n / 6) ** 0.9 for n in range(6)]
    assert factors == pytest.approx(expected)


def test_without_unlabeled_images_it_does_not_begin_again() -> None:
    method, images = build(segmenter((8, 8))), varied_images(0)
    batch = Batch(images.labeled, images.labels)
    before = weights(method.segmenter)
    for progress in (0.0, 0.5):
        result = method.step(batch, progress)
        assert set(result.losses) == {"segmentation"}
    assert not method.teacher.is_trained
    assert torch.equal(weights(method.teacher.network), before)
    assert method.optimizers["segmenter"].state


def test_it_warns_of_a_class_that_the_teacher_never_names() -> None:
    method = build(segmenter((8, 8)))
    images = varied_images(0)
    assert set(images.labels.unique().tolist()) == {0, 1, 255}
    head = method.segmenter.get_submodule("3")
    with torch.no_grad():
        head.weight.zero_()
        head.bias.copy_(torch.tensor([9.0, 0.0, 0.0]))
    method.train_mode()
    signals = method.step(as_batch(images), 0.5).signals
    assert method.teacher.known.tolist() == [True, True, False]
    assert method.teacher.taught.tolist() == [True, False, False]
    missed = {"untaught_classes": signals["untaught_classes"].item()}
    assert missed == {"untaught_classes": 1.0}
    assert "finds a class of the labelled images nowhere" in (method.warning(missed, 0.7) or "")
    assert "3 of the classes" in (method.warning({"untaught_classes": 3.0}, 0.7) or "")
    assert method.warning(missed, 0.55) is None
    assert method.warning({"untaught_classes": 0.9}, 0.7) is None
    assert method.warning({}, 0.7) is None
