"""One s4GAN step: against the literal one, where gradients go, and what is selected."""

import copy
import math

import pytest
import torch
from tiny_networks import NUM_CLASSES, Judge, enlarge_weights, pixelwise, ragged_batch, weights
from torch import nn

from ecs_med.config import OptimizerSettings
from ecs_med.methods.base import StepResult
from ecs_med.methods.s4gan import S4Gan, S4GanSettings
from ecs_med.networks.modes import frozen
from ecs_med.types import IGNORE_INDEX, Batch
from literal_rivals import LiteralS4Gan

SGD = OptimizerSettings(name="sgd", lr=0.05, weight_decay=0)


def build(**settings: object) -> S4Gan:
    torch.manual_seed(0)
    networks = {"segmenter": pixelwise(1, NUM_CLASSES), "discriminator": Judge(1 + NUM_CLASSES)}
    enlarge_weights(networks["discriminator"])
    optimizers = dict.fromkeys(networks, SGD)
    parsed = S4GanSettings.parse(settings)
    return S4Gan(networks, parsed, optimizers, num_classes=NUM_CLASSES)


def run_segmenter_step(method: S4Gan, sample: Batch) -> tuple[StepResult, torch.Tensor]:
    result = StepResult({})
    fakes: list[torch.Tensor] = []
    with frozen(method.networks["discriminator"]):
        method.update("segmenter", method._segmenter_terms(sample, result, fakes))
    return result, fakes[0]


def middling_threshold() -> float:
    """Between the scores of the first batch's pictures."""
    method, sample = build(), ragged_batch(0)
    assert sample.unlabeled_images is not None
    assert sample.unlabeled_valid is not None
    with torch.no_grad():
        found = method.segmenter(sample.unlabeled_images).softmax(dim=1)
        found = found * sample.unlabeled_valid[:, None]
        score, _ = method._judge(sample.unlabeled_images, found)
    lowest, *_, highest = score.sigmoid().sort().values.tolist()
    return float(lowest + highest) / 2


@pytest.mark.parametrize("threshold", [0.0, None, 1.0])
def test_steps_equal_the_literal_ones(threshold: float | None) -> None:
    chosen = middling_threshold() if threshold is None else threshold
    method = build(threshold=chosen)
    pair = copy.deepcopy(method.networks)
    optimizers = [torch.optim.SGD(n.parameters(), SGD.lr, momentum=0.9) for n in pair.values()]
    literal = LiteralS4Gan(*pair.values(), NUM_CLASSES, *optimizers, threshold=chosen)
    shares = []
    for number in range(4):
        sample = ragged_batch(number)
        assert sample.unlabeled_images is not None
        assert sample.unlabeled_valid is not None
        expected = literal.step(
            sample.images, sample.labels, sample.unlabeled_images, sample.unlabeled_valid
        )
        result = method.step(sample)
        found = {k: v.item() for k, v in result.losses.items()}
        assert found == pytest.approx(expected, abs=1e-5)
        shares.append(result.signals["selected_share"].item())
    for name, module in method.networks.items():
        torch.testing.assert_close(weights(module), weights(pair[name]), rtol=0, atol=1e-5)
    assert 0 < shares[0] < 1 if threshold is None else shares[0] == 1 - threshold


@pytest.mark.parametrize("term", ["matching_weight", "self_training_weight"])
def test_its_losses_reach_the_segmenter_and_not_the_discriminator(term: str) -> None:
    without = {"matching_weight": 0, "self_training_weight": 0, "threshold": 0}
    method, plain = build(**without | {term: 1.0}), build(**without)
    discriminator = method.networks["discriminator"]
    before = weights(discriminator)
    for each in (method, plain):
        run_segmenter_step(each, ragged_batch())
    assert not torch.equal(weights(method.segmenter), weights(plain.segmenter))
    assert all(p.grad is None and p.requires_grad for p in discriminator.parameters())
    assert torch.equal(weights(discriminator), before)


def test_the_discriminator_step_leaves_the_segmenter() -> None:
    method, sample = build(), ragged_batch()
    _, fake = run_segmenter_step(method, sample)
    method.optimizers["segmenter"].zero_grad()
    before = [weights(n) for n in method.networks.values()]
    method.update("discriminator", method._discriminator_terms(sample, fake, {}))
    assert all(p.grad is None for p in method.segmenter.parameters())
    after = [weights(n) for n in method.networks.values()]
    assert [torch.equal(*pair) for pair in zip(before, after, strict=True)] == [True, False]


class Constant(nn.Module):
    """Gives every picture the same probability of being real."""

    def __init__(self, probability: float) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor(probability).logit())

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = inputs.mean(dim=(2, 3))
        return features[:, 0] * 0 + self.logit, features


@pytest.mark.parametrize(("probability", "expected"), [(0.59, 0.0), (0.61, 1.0)])
def test_pictures_are_selected_above_the_threshold(probability: float, expected: float) -> None:
    method = build()
    method.networks["discriminator"] = Constant(probability)
    result, _ = run_segmenter_step(method, ragged_batch())
    assert result.signals["selected_share"].item() == expected
    assert (result.losses["self_training"].item() > 0) == bool(expected)


def test_selecting_nothing_is_warned_of_once_the_discriminator_has_settled() -> None:
    method = build(threshold=1.0)
    assert method.warning({"selected_share": 0.0}, 0.2) is None
    assert "lower `threshold`" in (method.warning({"selected_share": 0.0}, 0.3) or "")
    for signals in ({"selected_share": 0.01}, {"selected_share": math.nan}, {}):
        assert method.warning(signals, 0.3) is None


def test_without_unlabeled_images_cross_entropy_remains() -> None:
    method, sample = build(), ragged_batch()
    before = weights(method.networks["discriminator"])
    assert set(method.step(Batch(sample.images, sample.labels)).losses) == {"segmentation"}
    assert torch.equal(weights(method.networks["discriminator"]), before)


def test_pictures_that_are_void_altogether_are_no_references() -> None:
    method, sample = build(threshold=1.0), ragged_batch()
    void = torch.full_like(sample.labels, IGNORE_INDEX)
    before = weights(method.segmenter)
    result = method.step(Batch(sample.images, void, sample.unlabeled_images))
    assert result.losses["matching"].item() == 0
    assert math.isnan(result.signals["recognized_share"].item())
    assert torch.equal(weights(method.segmenter), before)
