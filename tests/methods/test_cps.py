"""Cross pseudo supervision: against the literal one, its two networks, its warning."""

import copy

import pytest
import torch
from tiny_networks import NUM_CLASSES, weights
from varied_batches import SPATIAL, as_batch, segmenter, varied_images

from ecs_med.config import OptimizerSettings, TrainConfig
from ecs_med.methods import optimizer_settings
from ecs_med.methods.cps import Cps, CpsSettings
from ecs_med.types import IGNORE_INDEX, Batch
from literal_consistency import LiteralCps

SGD = OptimizerSettings(name="sgd", lr=0.05, weight_decay=0)
ADAM = {"name": "adam", "lr": 2e-3}


def build(spatial: tuple[int, ...] = (8, 8), second: int = 1, **settings: object) -> Cps:
    networks = {"segmenter": segmenter(spatial), "second": segmenter(spatial, seed=second)}
    parsed = CpsSettings.parse(settings)
    return Cps(networks, parsed, dict.fromkeys(networks, SGD), num_classes=NUM_CLASSES)


@pytest.mark.parametrize("spatial", SPATIAL)
@pytest.mark.parametrize("is_sparse", [False, True])
def test_steps_equal_the_literal_ones(spatial: tuple[int, ...], is_sparse: bool) -> None:
    method = build(spatial)
    pair = copy.deepcopy(list(method.networks.values()))
    optimizers = [torch.optim.SGD(n.parameters(), SGD.lr, momentum=0.9) for n in pair]
    literal = LiteralCps(*pair, *optimizers)
    for number in range(4):
        images = varied_images(number, spatial)
        known = images.labels != IGNORE_INDEX
        sparse = None
        if is_sparse:
            # The image that is void altogether is merely unlabelled.
            sparse = torch.zeros_like(known)
            sparse[1] = True
            known = known | sparse
        method.train_mode()
        result = method.step(as_batch(images, sparse))
        found = {k: v.item() for k, v in result.losses.items()}
        assert found == pytest.approx(literal.step(images, known), abs=1e-10)
        assert 0.05 < result.signals["disagreement_share"].item() < 0.95
    for ours, theirs in zip(method.networks.values(), pair, strict=True):
        for name, value in theirs.state_dict().items():
            torch.testing.assert_close(ours.state_dict()[name], value, rtol=0, atol=1e-10)


def test_the_first_network_predicts() -> None:
    method = build()
    assert method.predictor() is method.networks["segmenter"]


def test_equal_networks_stay_equal_and_learn_from_themselves() -> None:
    method = build(second=0)
    for number in range(2):
        method.train_mode()
        result = method.step(as_batch(varied_images(number)))
        assert result.signals["disagreement_share"].item() == 0
    first, second = method.networks.values()
    assert torch.equal(weights(first), weights(second))
    assert "same class" in (method.warning({"disagreement_share": 0.0}, 0.2) or "")
    assert method.warning({"disagreement_share": 0.0}, 0.05) is None
    assert method.warning({"disagreement_share": 0.0}, 0.9) is None
    assert method.warning({"disagreement_share": 0.01}, 0.2) is None
    assert method.warning({}, 0.2) is None


def test_without_unlabeled_images_they_teach_each_other_on_labelled_ones() -> None:
    method, images = build(), varied_images(0)
    result = method.step(Batch(images.labeled, images.labels))
    assert set(result.losses) == {"segmentation", "second", "crossed"}
    assert not result.signals


def test_the_second_network_moves_as_the_first_unless_told_otherwise() -> None:
    def chosen(**optimizers: object) -> dict[str, OptimizerSettings]:
        values = {"data": "x", "method": "cps", "iterations": 500, "optimizers": optimizers}
        return optimizer_settings(TrainConfig.parse(values))

    assert chosen()["second"] == chosen()["segmenter"] == OptimizerSettings(name="adam", lr=1e-3)
    both = chosen(segmenter=ADAM)
    assert both["second"] == both["segmenter"] == OptimizerSettings.parse(ADAM)
    apart = chosen(second=ADAM)
    assert apart["second"] == OptimizerSettings.parse(ADAM) != apart["segmenter"]
