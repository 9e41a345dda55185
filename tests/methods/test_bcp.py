"""Bidirectional copy-paste: against the literal one, what is mixed with what, its objects."""

import copy
import math
from typing import Any

import pytest
import torch
from tiny_networks import NUM_CLASSES, pixelwise, ragged_batch, weights
from torch import nn

from ecs_med.config import OptimizerSettings
from ecs_med.methods.bcp import Bcp, BcpSettings
from ecs_med.methods.components import largest_components
from ecs_med.networks.teacher import MeanTeacher
from ecs_med.types import IGNORE_INDEX, Batch
from literal_bcp import LiteralBcp, keep_largest

SGD = OptimizerSettings(name="sgd", lr=0.05, weight_decay=0)


def build(segmenter: nn.Module | None = None, **settings: object) -> Bcp:
    torch.manual_seed(0)
    parsed = BcpSettings.parse(settings)
    segmenter = segmenter or pixelwise(1, NUM_CLASSES).double()
    networks = {"segmenter": segmenter, "teacher": MeanTeacher(segmenter, parsed.ema)}
    return Bcp(networks, parsed, dict.fromkeys(networks, SGD), num_classes=NUM_CLASSES)


def batch(seed: int) -> Batch:
    """Void, a void image, an absent class, padding of both kinds of images; in float64."""
    sample = ragged_batch(seed)
    assert sample.unlabeled_images is not None
    unlabeled = 3 * sample.unlabeled_images.double()
    return Batch(3 * sample.images.double(), sample.labels, unlabeled, sample.unlabeled_valid)


@pytest.mark.parametrize("largest", [True, False])
@pytest.mark.parametrize("stage", ["first", "second", "both"])
def test_steps_equal_the_literal_ones(stage: str, largest: bool) -> None:
    method = build(largest_component=largest)
    segmenter = copy.deepcopy(method.segmenter)
    optimizer = torch.optim.SGD(segmenter.parameters(), SGD.lr, momentum=0.9)
    literal = LiteralBcp(segmenter, optimizer, largest)
    dropped = []
    for number in range(3):
        sample = batch(number)
        assert sample.unlabeled_images is not None
        assert sample.unlabeled_valid is not None
        is_first = stage == "first" or (stage == "both" and number == 0)
        torch.manual_seed(number)
        if is_first:
            expected = literal.first_stage(sample.images, sample.labels)
        else:
            more = (sample.unlabeled_images, sample.unlabeled_valid)
            expected = literal.second_stage(sample.images, sample.labels, *more)
        torch.manual_seed(number)
        method.train_mode()
        result = method.step(sample, progress=0.2 if is_first else 0.25)
        found = {k: v.item() for k, v in result.losses.items()}
        assert found == pytest.approx(expected, abs=1e-12)
        dropped.append(result.signals["dropped_share"].item())
    torch.testing.assert_close(weights(method.segmenter), weights(segmenter), rtol=0, atol=1e-12)
    state = literal.teacher.state_dict()
    for key, value in method.teacher.network.state_dict().items():
        torch.testing.assert_close(value, state[key], rtol=0, atol=1e-12)
    if stage == "second":
        assert all(share > 0 for share in dropped) if largest else dropped == [0, 0, 0]
    if stage == "first":
        assert all(math.isnan(share) for share in dropped)


class Looking(nn.Module):
    """Keeps what it sees, and is certain of class 1 where images are positive, else of class 0."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.seen: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen.append(images)
        return torch.cat([-images, images, images - 100], dim=1) * 200 * self.scale


@pytest.mark.parametrize("spatial", [(9,), (9, 12), (6, 9, 12)])
def test_every_other_image_is_pasted_into_and_the_rest_is_pasted(spatial: tuple[int, ...]) -> None:
    labeled = torch.full((4, 1, *spatial), 5.0)
    unlabeled = torch.full((4, 1, *spatial), -7.0)
    sample = Batch(labeled, torch.ones(4, *spatial, dtype=torch.long), unlabeled)
    looking = Looking()
    method = build(looking, first_stage=0)
    counts = []
    for seed in range(8):
        torch.manual_seed(seed)
        result = method.step(sample, progress=0.5)
        is_labeled = looking.seen.pop()[:, 0] > 0
        share = math.prod(round(2 / 3 * size) for size in spatial) / math.prod(spatial)
        shares = is_labeled.flatten(1).double().mean(dim=1).tolist()
        pattern = [share, 1 - share] * 2
        counts.append(shares == pytest.approx(pattern))
        assert counts[-1] or shares == pytest.approx(pattern[::-1])
        # Labels follow the pixels: what the network says of each is what is to be learned.
        assert result.losses["segmentation"].item() == 0
        assert result.losses["unlabeled"].item() == 0
    assert 0 < sum(counts) < 8


def test_padding_that_is_copied_counts_nowhere() -> None:
    images = torch.full((2, 1, 6, 6), 5.0, dtype=torch.float64)
    sample = Batch(
        images,
        torch.ones(2, 6, 6, dtype=torch.long).index_fill_(1, torch.arange(3), IGNORE_INDEX),
        images.clone(),
        torch.zeros(2, 6, 6, dtype=torch.bool),
    )
    looking = Looking().double()
    result = build(looking, first_stage=0).step(sample, progress=0.5)
    assert result.losses["unlabeled"].item() == 0
    assert math.isnan(result.signals["dropped_share"])
    assert result.losses["segmentation"].item() == 0


def test_in_the_first_stage_each_image_is_background_once_and_box_once() -> None:
    images = torch.arange(1.0, 4.0).view(3, 1, 1, 1).expand(3, 1, 9, 9).clone()
    looking = Looking()
    sample = Batch(images, torch.zeros(3, 9, 9, dtype=torch.long))
    result = build(looking).step(sample, progress=0.9)
    assert set(result.losses) == {"segmentation"}
    (seen,) = looking.seen
    for number, (own, other) in enumerate(((1, 2), (2, 3), (3, 1))):
        assert (seen[number] == own).sum() == 45
        assert (seen[number] == other).sum() == 36


@pytest.mark.parametrize("spatial", [(40,), (12, 11), (6, 5, 4)])
def test_the_largest_objects_are_those_grown_from_seeds(spatial: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 4, (6, *spatial), generator=generator)
    labels[torch.rand(labels.shape, generator=generator) < 0.5] = 0
    labels[torch.rand(labels.shape, generator=generator) < 0.1] = IGNORE_INDEX
    labels[0] = 0
    labels[1] = IGNORE_INDEX
    before = labels.clone()
    found = largest_components(labels)
    assert torch.equal(labels, before)
    assert found.dtype == labels.dtype
    assert torch.equal(found, torch.stack([keep_largest(one) for one in labels]))
    assert (found != labels).any()


def test_a_user_is_warned_where_a_class_has_several_objects() -> None:
    method = build()
    assert "set `largest_component`" in str(method.warning({"dropped_share": 0.3}, 0.6))
    for signals, progress in (
        ({"dropped_share": 0.1}, 0.6),
        ({"dropped_share": 0.3}, 0.4),
        ({"dropped_share": math.nan}, 0.6),
        ({}, 0.6),
    ):
        assert method.warning(signals, progress) is None


def test_the_teacher_predicts() -> None:
    method: Any = build()
    assert method.predictor() is method.networks["teacher"].network
