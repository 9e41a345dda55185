"""ECS+: its step against the literal one, what its corrector learns, and what it does alone."""

import copy
import math
from typing import Any

import pytest
import torch
from tiny_networks import NUM_CLASSES, Halved, weights
from varied_batches import as_batch, varied_images

from ecs_med.config import OptimizerSettings, Settings
from ecs_med.methods import Supervised
from ecs_med.methods.ecs_plus import EcsPlus, EcsPlusSettings
from ecs_med.networks.mask_corrector import MaskCorrector
from ecs_med.networks.teacher import MeanTeacher
from literal_ecs_plus import LiteralEcsPlus

SGD = OptimizerSettings(name="sgd", lr=0.05, momentum=0, weight_decay=0)


def build(**settings: Any) -> EcsPlus:
    torch.manual_seed(0)
    segmenter = Halved(1, NUM_CLASSES).double()
    teacher = MeanTeacher(segmenter, 0.9)
    corrector = MaskCorrector(teacher.network, 1, NUM_CLASSES, width=6, narrow=4).double()
    networks = {"segmenter": segmenter, "teacher": teacher, "corrector": corrector}
    parsed = EcsPlusSettings.parse({"ema": 0.9, **settings})
    optimizers = dict.fromkeys(("segmenter", "corrector"), SGD)
    return EcsPlus(networks, parsed, optimizers, num_classes=NUM_CLASSES)


@pytest.mark.parametrize(
    "numbers",
    [
        {},
        {"corrupted_share": 1.0, "balance": 0.0, "gamma": 0.0},
        {"corrupted_share": 0.0, "balance": 1.0, "unlabeled_weight": 0.3, "ramp_up": 0.0},
    ],
)
def test_steps_equal_the_literal_ones(numbers: dict[str, float]) -> None:
    method = build(**numbers)
    method.train_mode()
    pair = copy.deepcopy(method.networks)
    chosen = {**method.settings.model_dump(), "decay": 0.9}
    literal = LiteralEcsPlus(
        pair["segmenter"],
        pair["teacher"].get_submodule("network"),
        pair["corrector"],
        NUM_CLASSES,
        SGD.lr,
        chosen,
    )
    for number in range(4):
        batch = as_batch(varied_images(number))
        progress = number / 10
        length = method.settings.ramp_up
        ramp = math.exp(-5 * (1 - min(1.0, progress / length)) ** 2) if length else 1.0
        torch.manual_seed(number)
        losses = method.step(batch, progress).losses
        torch.manual_seed(number)
        expected = literal.step(batch, ramp)
        assert {k: v.item() for k, v in losses.items()} == pytest.approx(expected, abs=1e-10)
    for name, network in pair.items():
        ours = method.networks[name]
        torch.testing.assert_close(weights(ours), weights(network), rtol=0, atol=1e-10)


def test_without_unlabeled_images_the_segmenter_is_supervised_and_the_corrector_learns() -> None:
    method, batch = build(), as_batch(varied_images(0))
    alone = copy.deepcopy(method.segmenter)
    plain = type(batch)(batch.images, batch.labels)
    before = weights(copy.deepcopy(method.networks["corrector"]))
    method.train_mode()
    result = method.step(plain)
    assert sorted(result.losses) == ["correction", "segmentation"]
    assert "right_share" in result.signals
    assert not torch.equal(weights(method.networks["corrector"]), before)
    supervised = Supervised(
        {"segmenter": alone}, Settings(), {"segmenter": SGD}, num_classes=NUM_CLASSES
    )
    supervised.train_mode()
    supervised.step(plain)
    torch.testing.assert_close(weights(method.segmenter), weights(alone), rtol=0, atol=0)


def test_the_corrector_stands_on_what_predicts() -> None:
    method = build()
    corrector = method.networks["corrector"]
    assert isinstance(corrector, MaskCorrector)
    assert corrector.segmenter is method.predictor() is method.teacher.network


def test_classes_weigh_by_a_power_of_how_rare_they_are() -> None:
    labels = torch.tensor([[[0] * 6 + [1] * 2 + [255]]])
    found = build(balance=0.5)._balance(labels)
    torch.testing.assert_close(
        found, torch.tensor([(6 / 8) ** -0.5, (2 / 8) ** -0.5, (1 / 8) ** -0.5]).double()
    )
    assert build(balance=0.0)._balance(labels).tolist() == [1, 1, 1]
