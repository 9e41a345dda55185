"""One AdvSemiSeg step: against the literal one, where gradients go, and what is selected."""

import copy
import math

import pytest
import torch
from tiny_networks import NUM_CLASSES, enlarge_weights, pixelwise, ragged_batch, weights
from torch import nn

from ecs_med.config import OptimizerSettings
from ecs_med.methods.advsemiseg import AdvSemiSeg, AdvSemiSegSettings, Fake
from ecs_med.methods.base import StepResult
from ecs_med.networks.modes import frozen
from ecs_med.types import IGNORE_INDEX, Batch
from literal_rivals import LiteralAdvSemiSeg

SGD = OptimizerSettings(name="sgd", lr=0.05, weight_decay=0)


def build(**settings: object) -> AdvSemiSeg:
    torch.manual_seed(0)
    networks = {"segmenter": pixelwise(1, NUM_CLASSES), "discriminator": pixelwise(NUM_CLASSES, 1)}
    enlarge_weights(networks["discriminator"])
    optimizers = dict.fromkeys(networks, SGD)
    parsed = AdvSemiSegSettings.parse(settings)
    return AdvSemiSeg(networks, parsed, optimizers, num_classes=NUM_CLASSES)


@pytest.mark.parametrize("threshold", [0.2, 0.5, 1.0])
def test_steps_equal_the_literal_ones(threshold: float) -> None:
    method = build(threshold=threshold)
    pair = copy.deepcopy(method.networks)
    optimizers = [torch.optim.SGD(n.parameters(), SGD.lr, momentum=0.9) for n in pair.values()]
    literal = LiteralAdvSemiSeg(*pair.values(), NUM_CLASSES, *optimizers, threshold=threshold)
    shares = []
    for number, progress in enumerate((0.0, 0.24, 0.25, 0.9)):
        sample = ragged_batch(number)
        assert sample.unlabeled_images is not None
        assert sample.unlabeled_valid is not None
        expected = literal.step(
            sample.images,
            sample.labels,
            sample.unlabeled_images,
            sample.unlabeled_valid,
            self_training=progress >= 0.25,
        )
        result = method.step(sample, progress)
        found = {k: v.item() for k, v in result.losses.items()}
        assert found == pytest.approx(expected, abs=1e-5)
        shares.append(result.signals["selected_share"].item())
    for name, module in method.networks.items():
        torch.testing.assert_close(weights(module), weights(pair[name]), rtol=0, atol=1e-5)
    assert all(map(math.isnan, shares[:2]))
    if threshold == 0.5:
        assert 0 < shares[2] < 1


def run_segmenter_step(
    method: AdvSemiSeg, sample: Batch, progress: float = 0.5
) -> tuple[StepResult, list[Fake]]:
    result = StepResult({})
    fakes: list[Fake] = []
    with frozen(method.networks["discriminator"]):
        method.update("segmenter", method._segmenter_terms(sample, progress, result, fakes))
    return result, fakes


@pytest.mark.parametrize("term", ["adversarial_weight", "adversarial_weight_unlabeled"])
def test_the_adversarial_losses_reach_the_segmenter_and_not_the_discriminator(term: str) -> None:
    without = {"adversarial_weight": 0, "adversarial_weight_unlabeled": 0, "semi_weight": 0}
    method, plain = build(**without | {term: 1.0}), build(**without)
    discriminator = method.networks["discriminator"]
    before = weights(discriminator)
    for each in (method, plain):
        run_segmenter_step(each, ragged_batch())
    assert not torch.equal(weights(method.segmenter), weights(plain.segmenter))
    assert all(p.grad is None for p in discriminator.parameters())
    assert all(p.requires_grad for p in discriminator.parameters())
    assert torch.equal(weights(discriminator), before)


def test_the_discriminator_step_leaves_the_segmenter() -> None:
    method, sample = build(), ragged_batch()
    result, fakes = run_segmenter_step(method, sample)
    method.optimizers["segmenter"].zero_grad()
    before = [weights(n) for n in method.networks.values()]
    method.update("discriminator", method._discriminator_terms(sample, result.signals, fakes))
    assert all(p.grad is None for p in method.segmenter.parameters())
    after = [weights(n) for n in method.networks.values()]
    assert [torch.equal(*pair) for pair in zip(before, after, strict=True)] == [True, False]


class Constant(nn.Module):
    """Gives every pixel the same probability of being real."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(probability).logit())

    def forward(self, class_map: torch.Tensor) -> torch.Tensor:
        return class_map[:, :1] * 0 + self.logit


@pytest.mark.parametrize(("probability", "expected"), [(0.19, 0.0), (0.21, 1.0)])
def test_pixels_are_selected_from_the_threshold_on(probability: float, expected: float) -> None:
    method = build()
    method.networks["discriminator"] = Constant(probability)
    result, _ = run_segmenter_step(method, ragged_batch())
    assert result.signals["selected_share"].item() == expected
    assert (result.losses["self_training"].item() > 0) == bool(expected)
    assert (method.warning({"selected_share": expected}, 0.5) is None) == bool(expected)


def test_nothing_is_selected_and_nothing_said_before_it_begins() -> None:
    method = build(semi_start=0.5)
    result, _ = run_segmenter_step(method, ragged_batch(), progress=0.49)
    assert math.isnan(result.signals["selected_share"].item())
    assert result.losses["self_training"].item() == 0
    assert method.warning({"selected_share": math.nan}, 0.5) is None
    assert method.warning({}, 0.5) is None


def test_it_works_without_unlabeled_images() -> None:
    method, sample = build(), ragged_batch()
    result = method.step(Batch(sample.images, sample.labels), 0.9)
    assert set(result.losses) == {"segmentation", "adversarial", "discrimination"}


def test_where_all_is_void_and_padding_nothing_moves() -> None:
    method, sample = build(), ragged_batch()
    before = [weights(n) for n in method.networks.values()]
    void = torch.full_like(sample.labels, IGNORE_INDEX)
    nowhere = torch.zeros_like(void, dtype=torch.bool)
    result = method.step(Batch(sample.images, void, sample.unlabeled_images, nowhere), 0.9)
    assert all(v.item() == 0 for v in result.losses.values())
    after = [weights(n) for n in method.networks.values()]
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))
