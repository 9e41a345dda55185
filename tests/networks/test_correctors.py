"""Kinds of corrector: the contract, and those that stand on the segmenter's features."""

import copy
from typing import Any

import pytest
import torch
from torch import nn

from ecs_med.errors import SettingsError
from ecs_med.networks import Initialization, build_segmenter, corrector_input
from ecs_med.networks.correctors import (
    CORRECTORS,
    CorrectorPlan,
    DecoderCorrector,
    FeatureCorrector,
    corrector_kind,
)
from ecs_med.networks.halves import encode

TINY = Initialization("test_resnet", "none")
FEATURES = [name for name, kind in CORRECTORS.items() if not kind.has_encoder]
NETWORKS = [
    ("deeplabv3plus", {}),
    ("deeplabv3plus", {"output_stride": 8}),
    ("deeplabv2", {"output_stride": 8}),
]


def build(kind: str, network: str = "deeplabv3plus", **settings: Any) -> tuple[nn.Module, Any]:
    torch.manual_seed(0)
    size = {"in_channels": 3, "num_classes": 4}
    segmenter = build_segmenter(TINY, **size, network=network, settings=settings)
    corrector = corrector_kind(kind).build(CorrectorPlan(segmenter, TINY, **size))
    return segmenter, corrector


def sample() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(2, 3, 64, 96), torch.randn(2, 4, 64, 96).softmax(dim=1)


def state(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items()}


@pytest.mark.parametrize("kind", CORRECTORS)
@pytest.mark.parametrize(("network", "settings"), NETWORKS)
def test_every_kind_keeps_the_contract(kind: str, network: str, settings: dict[str, Any]) -> None:
    _, corrector = build(kind, network, **settings)
    images, class_map = sample()
    logits = corrector(corrector_input(images, class_map))
    assert logits.shape == (2, 5, 64, 96)
    others = corrector(corrector_input(images, class_map.flip(1)))
    assert not torch.allclose(logits, others)
    others = corrector(corrector_input(images.flip(0), class_map))
    assert not torch.allclose(logits, others)


@pytest.mark.parametrize("kind", FEATURES)
def test_the_segmenter_is_no_part_of_it(kind: str) -> None:
    segmenter, corrector = build(kind)
    theirs = {id(p) for p in segmenter.parameters()}
    assert not any(id(p) in theirs for p in corrector.parameters())
    assert not any(module is segmenter for module in corrector.modules())
    other = build_segmenter(TINY, in_channels=3, num_classes=4)
    assert corrector.segmenter is segmenter
    assert corrector.stand_on(other).segmenter is other
    assert not any("encoder" in name for name in corrector.state_dict())


@pytest.mark.parametrize("kind", FEATURES)
def test_both_doors_say_the_same_and_the_first_leaves_the_segmenter(kind: str) -> None:
    segmenter, corrector = build(kind)
    images, class_map = sample()
    for network in (segmenter, corrector):
        network.eval()
    features = encode(segmenter, images)
    expected = corrector.judge(features, class_map)
    found = corrector(corrector_input(images, class_map))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    found.sum().backward()
    assert all(p.grad is None for p in segmenter.parameters())
    assert all(p.grad is not None for p in corrector.parameters())
    expected.sum().backward()
    assert any(p.grad is not None for p in segmenter.get_submodule("encoder").parameters())


@pytest.mark.parametrize("kind", FEATURES)
def test_judging_in_evaluation_mode_moves_no_running_statistics(kind: str) -> None:
    segmenter, corrector = build(kind)
    inputs = corrector_input(*sample())
    before = state(segmenter)
    segmenter.train()
    corrector.eval()
    first = corrector(inputs)
    assert segmenter.training
    assert all(torch.equal(before[name], value) for name, value in state(segmenter).items())
    segmenter.eval()
    assert torch.equal(corrector(inputs), first)
    segmenter.train()
    corrector.train()(inputs)
    assert any(not torch.equal(before[name], value) for name, value in state(segmenter).items())


@pytest.mark.parametrize("kind", FEATURES)
def test_a_copy_stands_on_the_same_segmenter_or_on_its_copy(kind: str) -> None:
    segmenter, corrector = build(kind)
    assert copy.deepcopy(corrector).segmenter is segmenter
    pair = copy.deepcopy({"segmenter": segmenter, "corrector": corrector})
    assert pair["segmenter"] is not segmenter
    assert pair["corrector"].segmenter is pair["segmenter"]


def test_the_class_map_comes_in_as_shares_of_places_of_four_pixels() -> None:
    """Held against a class map that was averaged by hand, at the decoder's resolution."""
    segmenter, corrector = build("decoder")
    assert isinstance(corrector, DecoderCorrector)
    corrector.eval()
    segmenter.eval()
    seen: list[torch.Tensor] = []
    corrector.classes.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    images, class_map = sample()
    corrector(corrector_input(images, class_map))
    by_hand = class_map.view(2, 4, 16, 4, 24, 4).mean(dim=(3, 5))
    torch.testing.assert_close(seen[0], by_hand)


def test_a_segmenter_that_cannot_be_divided_is_refused_in_words() -> None:
    plan = CorrectorPlan(nn.Conv2d(3, 4, 1), TINY, in_channels=3, num_classes=4)
    with pytest.raises(SettingsError, match=r"corrector looks between .* Conv2d cannot be divided"):
        corrector_kind("decoder").build(plan)


def test_an_unknown_kind_is_refused_in_words() -> None:
    with pytest.raises(SettingsError, match="no corrector of the kind 'oracle', only network"):
        corrector_kind("oracle")


def test_a_kind_of_ones_own_needs_no_more_than_its_judgement() -> None:
    class Linear(FeatureCorrector):
        def __init__(self, segmenter: nn.Module) -> None:
            super().__init__(segmenter, in_channels=3)
            self.layer = nn.Conv2d(4 + 3, 5, 1)

        def judge(self, features: Any, class_map: torch.Tensor) -> torch.Tensor:
            logits: torch.Tensor = self.layer(torch.cat([features[0], class_map], dim=1))
            return logits

    segmenter, _ = build("decoder")
    assert Linear(segmenter)(corrector_input(*sample())).shape == (2, 5, 64, 96)
