"""One ECS step: against the literal one, and where gradients go."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from ecs_med.config import Settings
from ecs_med.errors import SettingsError
from ecs_med.methods import Ecs, EcsSettings, Supervised, method_class
from ecs_med.types import IGNORE_INDEX, Batch
from literal_ecs import LiteralEcs

NUM_CLASSES = 3


def network(dimensions: int, in_channels: int, out_channels: int) -> nn.Module:
    """Any module from image to logits will do; this one has batch normalization."""
    conv, norm = (nn.Conv2d, nn.BatchNorm2d) if dimensions == 2 else (nn.Conv3d, nn.BatchNorm3d)
    return nn.Sequential(
        conv(in_channels, 6, 3, padding=1), norm(6), nn.ReLU(), conv(6, out_channels, 1)
    )


OPTIMIZERS = Ecs.default_optimizers(15_000)


def build(dimensions: int = 2, **settings: Any) -> Ecs:
    torch.manual_seed(0)
    segmenter = network(dimensions, 1, NUM_CLASSES)
    corrector = network(dimensions, 1 + NUM_CLASSES, NUM_CLASSES + 1)
    networks = {"segmenter": segmenter, "corrector": corrector}
    return Ecs(networks, EcsSettings.parse(settings), OPTIMIZERS, num_classes=NUM_CLASSES)


def batch(dimensions: int = 2) -> Batch:
    torch.manual_seed(1)
    shape = (2, 1, *(6,) * dimensions)
    labels = torch.randint(0, NUM_CLASSES, (2, *shape[2:]))
    labels[:, 0] = IGNORE_INDEX
    return Batch(torch.randn(shape), labels, torch.randn(shape))


def weights(module: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten().clone() for p in module.parameters()])


@pytest.mark.parametrize("dimensions", [2, 3])
def test_three_steps_equal_the_literal_ones(dimensions: int) -> None:
    method = build(dimensions)
    pair = copy.deepcopy(method.networks)
    s, c = OPTIMIZERS["segmenter"], OPTIMIZERS["corrector"]
    literal = LiteralEcs(
        pair["segmenter"],
        pair["corrector"],
        NUM_CLASSES,
        torch.optim.SGD(
            pair["segmenter"].parameters(), s.lr, momentum=s.momentum, weight_decay=s.weight_decay
        ),
        torch.optim.Adam(
            pair["corrector"].parameters(), c.lr, c.betas, weight_decay=c.weight_decay
        ),
    )
    sample = batch(dimensions)
    assert sample.unlabeled_images is not None
    for _ in range(3):
        expected = literal.step(sample.images, sample.labels, sample.unlabeled_images)
        found = {k: v.item() for k, v in method.step(sample).losses.items()}
        assert found == pytest.approx(expected, abs=1e-5)
    for name, module in method.networks.items():
        torch.testing.assert_close(weights(module), weights(pair[name]), rtol=1e-4, atol=1e-6)


def test_optimisers_of_ones_own_move_the_networks_in_a_loop_of_ones_own() -> None:
    method = build(dimensions=3)
    pair = copy.deepcopy(method.networks)
    optimizers = {n: torch.optim.RMSprop(m.parameters(), 1e-3) for n, m in pair.items()}
    before = {name: weights(module) for name, module in pair.items()}
    own = Ecs(pair, EcsSettings(), optimizers, num_classes=NUM_CLASSES)
    own.train_mode()
    losses = [sum(own.step(batch(3)).losses.values()).item() for _ in range(5)]  # type: ignore[union-attr]
    assert own.optimizers == optimizers
    assert own.predictor() is pair["segmenter"]
    assert not any(torch.equal(weights(pair[name]), value) for name, value in before.items())
    assert losses[-1] < losses[0]


def test_activations_that_are_computed_again_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain = build()
    plain.segmenter.insert(3, nn.Dropout(0.5))
    sparing = copy.deepcopy(plain)
    sample = batch()
    for method, free in ((plain, 2**30), (sparing, 2**20)):
        monkeypatch.setattr("ecs_med.methods.ecs.free_memory", lambda free=free: free)
        torch.manual_seed(2)
        for _ in range(3):
            method.step(sample)
        # 2 * 8192 bytes for each of the pixels of a batch.
        assert method._has_room(sample.images) == (free == 2**30)
        monkeypatch.setattr("ecs_med.methods.ecs.free_memory", lambda: None)
        assert method._has_room(sample.images) == (free == 2**30)
    for name, network in plain.networks.items():
        found = sparing.networks[name].state_dict()
        for key, value in network.state_dict().items():
            assert torch.equal(value, found[key]), key


def test_the_unlabeled_loss_reaches_the_segmenter_and_not_the_corrector() -> None:
    method = build()
    corrector = method.networks["corrector"]
    before = {name: weights(module) for name, module in method.networks.items()}
    method._semi_supervised_step(batch())
    assert all(p.grad is None for p in corrector.parameters())
    assert torch.equal(weights(corrector), before["corrector"])
    gradients = [p.grad for p in method.segmenter.parameters()]
    assert all(g is not None and g.abs().sum() > 0 for g in gradients[:2])
    assert not torch.equal(weights(method.segmenter), before["segmenter"])


def test_the_supervised_step_runs_through_the_corrector_and_leaves_it() -> None:
    method = build(correction_weight=5.0)
    sample = batch()
    plain = copy.deepcopy(method)
    corrector = method.networks["corrector"]
    before = weights(corrector)
    for chosen in (method, plain):
        logits = chosen.forward(chosen.segmenter, sample.images)
        if chosen is plain:
            chosen.settings = EcsSettings(correction_weight=0.0)
        chosen._supervised_step(sample, logits, logits.softmax(dim=1))
    assert torch.equal(weights(corrector), before)
    assert all(p.grad is None for p in corrector.parameters())
    assert all(p.requires_grad for p in corrector.parameters())
    assert not torch.equal(weights(method.segmenter), weights(plain.segmenter))


def test_the_corrector_step_leaves_the_segmenter() -> None:
    method = build()
    sample = batch()
    before = weights(method.segmenter)
    probabilities = method.forward(method.segmenter, sample.images).softmax(dim=1)
    method._corrector_step(sample, probabilities.detach())
    assert torch.equal(weights(method.segmenter), before)
    assert all(p.grad is None for p in method.segmenter.parameters())


def test_without_its_two_terms_the_segmenter_learns_as_supervised() -> None:
    method = build(correction_weight=0.0, unlabeled_loss="none")
    baseline = Supervised(
        {"segmenter": copy.deepcopy(method.segmenter)},
        Settings(),
        OPTIMIZERS,
        num_classes=NUM_CLASSES,
    )
    for _ in range(2):
        method.step(batch())
        baseline.step(batch())
    assert torch.equal(weights(method.segmenter), weights(baseline.segmenter))


def test_padding_of_unlabeled_images_teaches_nothing() -> None:
    sample = batch()
    assert sample.unlabeled_images is not None
    invalid = torch.zeros(2, 6, 6, dtype=torch.bool)
    padded = Batch(sample.images, sample.labels, sample.unlabeled_images, invalid)
    loss, _ = build()._semi_supervised_step(padded)
    assert loss.item() == 0


def test_signals_say_how_often_the_segmenter_is_right() -> None:
    method = build()
    sample = batch()
    predicted = method.forward(method.segmenter, sample.images).argmax(dim=1)
    valid = sample.labels != IGNORE_INDEX
    expected = ((predicted == sample.labels) & valid).sum() / valid.sum()
    assert method.step(sample).signals["right_share"].item() == pytest.approx(expected.item())


def test_an_unknown_method_is_told_the_nearest() -> None:
    with pytest.raises(SettingsError, match="did you mean 'supervised'"):
        method_class("supervized")
