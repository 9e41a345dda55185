"""The corrector alone: it learns as in ECS, and the segmenter does not move at all."""

import copy
from typing import Any

import pytest
import torch
from references import correction_map, corrector_weights, cross_entropy
from torch import nn

from ecs_med.methods import Ecs, EcsSettings
from ecs_med.methods.correcting import CorrectorOnly, CorrectorSettings
from ecs_med.metrics import scores_from_confusion
from ecs_med.runs import CorrectorScores, ValidationRow
from ecs_med.types import IGNORE_INDEX, Batch

NUM_CLASSES = 3


def network(in_channels: int, out_channels: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(in_channels, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.Dropout(0.5),
        nn.ReLU(),
        nn.Conv2d(6, out_channels, 1),
    )


OPTIMIZERS = Ecs.default_optimizers(15_000)


def build(**settings: Any) -> CorrectorOnly:
    torch.manual_seed(0)
    networks = {
        "segmenter": network(1, NUM_CLASSES),
        "corrector": network(1 + NUM_CLASSES, NUM_CLASSES + 1),
    }
    method = CorrectorOnly(
        networks, CorrectorSettings.parse(settings), OPTIMIZERS, num_classes=NUM_CLASSES
    )
    method.train_mode()
    return method


def batch() -> Batch:
    torch.manual_seed(1)
    labels = torch.randint(0, NUM_CLASSES, (2, 6, 6))
    labels[:, 0] = IGNORE_INDEX
    return Batch(torch.randn(2, 1, 6, 6), labels)


def test_the_segmenter_stays_to_the_last_bit() -> None:
    method = build()
    before = copy.deepcopy(method.segmenter.state_dict())
    corrector = copy.deepcopy(method.networks["corrector"].state_dict())
    for _ in range(3):
        method.train_mode()
        method.step(batch())
    after = method.segmenter.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(p.grad is None and not p.requires_grad for p in method.segmenter.parameters())
    assert set(method.optimizers) == {"corrector"}
    moved = method.networks["corrector"].state_dict()
    assert not torch.equal(corrector["0.weight"], moved["0.weight"])
    assert moved["1.num_batches_tracked"] == 6, "two forward passes a step"


def test_the_segmenter_judges_without_dropout() -> None:
    method = build()
    assert not method.segmenter.training
    assert method.networks["corrector"].training
    first, second = (method.forward(method.segmenter, batch().images) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("loss", ["cross_entropy", "focal"])
@pytest.mark.parametrize("class_weight", [1.0, 2.0])
def test_the_loss_is_eq_2(loss: str, class_weight: float) -> None:
    """Against loops in NumPy; without dropout, which the loops cannot draw."""
    method = build(corrector_loss=loss, class_weight=class_weight)
    sample = batch()
    corrector = copy.deepcopy(method.networks["corrector"])
    for networks in (corrector, method.networks["corrector"]):
        networks[2].p = 0.0  # type: ignore[index, union-attr, operator]
    labels = sample.labels.numpy()
    probabilities = method.segmenter(sample.images).softmax(dim=1).detach()
    one_hot = torch.stack([(sample.labels == k).float() for k in range(NUM_CLASSES)], dim=1)
    right = labels.copy()
    right[labels != IGNORE_INDEX] = NUM_CLASSES
    weights = corrector_weights(NUM_CLASSES, class_weight)
    targets = (
        (probabilities, correction_map(probabilities.argmax(1).numpy(), labels, NUM_CLASSES)),
        (one_hot, right),
    )
    expected = 0.0
    for given, target in targets:
        logits = corrector(torch.cat([sample.images, given], dim=1)).detach().double().numpy()
        expected += cross_entropy(logits, target, weights, 2 if loss == "focal" else 0)
    assert method.step(sample).losses["correction"].item() == pytest.approx(expected, abs=1e-5)


def test_it_is_the_corrector_step_of_ecs() -> None:
    alone = build()
    networks = {n: m.requires_grad_(True) for n, m in copy.deepcopy(alone.networks).items()}
    whole = Ecs(networks, EcsSettings(), OPTIMIZERS, num_classes=NUM_CLASSES)
    sample = batch()
    probabilities = alone.segmenter(sample.images).softmax(dim=1).detach()
    torch.manual_seed(2)
    expected, signals = whole._corrector_step(sample, probabilities)
    torch.manual_seed(2)
    found = alone.step(sample)
    assert torch.equal(found.losses["correction"], expected)
    assert found.signals.keys() == signals.keys()
    for mine, theirs in zip(
        alone.networks["corrector"].parameters(),
        whole.networks["corrector"].parameters(),
        strict=True,
    ):
        assert torch.equal(mine, theirs)


def test_the_best_model_is_chosen_by_the_corrector() -> None:
    scores = scores_from_confusion(torch.tensor([[3, 1], [0, 4]]), ("background", "polyp"))
    corrector = CorrectorScores(miou=0.4, iou_per_class=(0.4, None, None), num_cases=1)
    row = ValidationRow(iteration=1, validation=scores, corrector=corrector)
    assert CorrectorOnly.selection_score(row) == 0.4
    assert Ecs.selection_score(row) == scores.miou == pytest.approx((3 / 4 + 4 / 5) / 2)
