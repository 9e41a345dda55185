"""UniMatch and UniMatch V2: against the literal ones, their draws, what remains without images."""

import copy
from typing import Any

import pytest
import torch
from tiny_networks import NUM_CLASSES, Halved, pixelwise, ragged_batch, weights
from torch import nn

from ecs_med.config import OptimizerSettings
from ecs_med.errors import SettingsError
from ecs_med.losses import cross_entropy
from ecs_med.methods import NetworkPlan, method_class
from ecs_med.methods.unimatch import PseudoLabels
from ecs_med.networks import Initialization
from ecs_med.networks.teacher import MeanTeacher
from ecs_med.types import Batch, StrongView
from literal_unimatch import LiteralUniMatch, LiteralUniMatchV2, Varied, Weak

SGD = OptimizerSettings(name="sgd", lr=0.05, weight_decay=0)
LITERAL = {"unimatch": LiteralUniMatch, "unimatch-v2": LiteralUniMatchV2}
NAMES = list(LITERAL)


def build(name: str, **settings: object) -> Any:
    torch.manual_seed(0)
    networks: dict[str, nn.Module] = {"segmenter": Halved(1, NUM_CLASSES).double()}
    cls = method_class(name)
    parsed = cls.settings_class.parse(settings)
    if name == "unimatch-v2":
        networks["teacher"] = MeanTeacher(networks["segmenter"], parsed.ema)  # type: ignore[attr-defined]
    return cls(networks, parsed, dict.fromkeys(networks, SGD), num_classes=NUM_CLASSES)


def images(seed: int) -> tuple[Weak, list[Varied]]:
    """Void, a void image, an absent class, padding, two views with boxes over its border."""
    sample = ragged_batch(seed)
    assert sample.unlabeled_images is not None
    assert sample.unlabeled_valid is not None
    weak = Weak(
        3 * sample.images.double(),
        sample.labels,
        3 * sample.unlabeled_images.double(),
        sample.unlabeled_valid,
    )
    views = []
    for number, order in enumerate(([1, 2, 0], [2, 0, 1])):
        inside = torch.zeros_like(weak.valid)
        inside[0, 3:7, 2 + number : 6] = True
        inside[1 + number, :4, :3] = True
        varied = weak.unlabeled * (0.7 + 0.2 * number)
        pasted = varied.clone()
        for own, other in enumerate(order):
            pasted[own][:, inside[own]] = varied[other][:, inside[own]]
        views.append(Varied(pasted, inside, order))
    return weak, views


def as_batch(weak: Weak, views: list[Varied]) -> Batch:
    strong = tuple(
        StrongView(v.images, lambda m, v=v: torch.where(v.inside, m[v.order], m))  # type: ignore[misc]
        for v in views
    )
    return Batch(weak.labeled, weak.labels, weak.unlabeled, weak.valid, unlabeled_strong=strong)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("threshold", [0.0, 0.6])
def test_steps_equal_the_literal_ones(name: str, threshold: float) -> None:
    method = build(name, threshold=threshold)
    segmenter = copy.deepcopy(method.segmenter)
    optimizer = torch.optim.SGD(segmenter.parameters(), SGD.lr, momentum=0.9)
    literal: Any = LITERAL[name](segmenter, optimizer, threshold=threshold)
    for number in range(3):
        weak, views = images(number)
        torch.manual_seed(number)
        expected = literal.step(weak, *views)
        torch.manual_seed(number)
        method.train_mode()
        result = method.step(as_batch(weak, views))
        found = {k: v.item() for k, v in result.losses.items()}
        assert found == pytest.approx(expected, abs=1e-12)
        assert threshold == 0 or 0 < result.signals["sure_share"] < 1
    torch.testing.assert_close(weights(method.segmenter), weights(segmenter), rtol=0, atol=1e-12)
    for ours, theirs in zip(method.segmenter.buffers(), segmenter.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    if name == "unimatch-v2":
        state = literal.teacher.state_dict()
        for key, value in method.teacher.network.state_dict().items():
            torch.testing.assert_close(value, state[key], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_what_remains_without_unlabeled_images_is_supervised(name: str) -> None:
    method, (weak, _) = build(name), images(0)
    before = copy.deepcopy(method.segmenter)
    expected = cross_entropy(before(weak.labeled), weak.labels)
    expected.backward()
    result = method.step(Batch(weak.labeled, weak.labels))
    assert set(result.losses) == {"segmentation"}
    assert result.losses["segmentation"].item() == expected.item()
    for ours, theirs in zip(method.segmenter.parameters(), before.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("name", NAMES)
def test_losses_are_in_float32_where_passes_are_not(name: str) -> None:
    weak, views = images(0)
    exact = build(name, threshold=0)
    torch.manual_seed(0)
    expected = exact.step(as_batch(weak, views)).losses
    method = build(name, threshold=0)
    method.segmenter.float()
    method.autocast = torch.bfloat16
    if name == "unimatch-v2":
        method.teacher.float()
    weak.labeled, weak.unlabeled = weak.labeled.float(), weak.unlabeled.float()
    for view in views:
        view.images = view.images.float()
    torch.manual_seed(0)
    for key, loss in method.step(as_batch(weak, views)).losses.items():
        assert loss.dtype == torch.float32
        assert loss.item() == pytest.approx(expected[key].item(), abs=0.1)


def test_a_sure_pixel_among_four_weighs_a_quarter() -> None:
    probabilities = torch.tensor([[[0.9, 0.6, 0.5, 0.2, 0.9], [0.1, 0.4, 0.5, 0.8, 0.1]]])
    valid = torch.tensor([[True, True, True, True, False]])
    targets = PseudoLabels.of(probabilities, valid, threshold=0.85)
    logits = torch.zeros(1, 2, 5)
    assert targets.loss(logits).item() == pytest.approx(torch.tensor(2.0).log().item() / 4)
    none_sure = PseudoLabels.of(probabilities, valid, threshold=0.95)
    assert none_sure.loss(logits).item() == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_user_is_warned_where_hardly_anything_is_learned_from(name: str) -> None:
    method = build(name)
    assert "lower the `threshold`" in str(method.warning({"sure_share": 0.04}, 0.6))
    assert method.warning({"sure_share": 0.06}, 0.6) is None
    assert method.warning({"sure_share": 0.04}, 0.4) is None
    assert method.warning({}, 0.6) is None


@pytest.mark.parametrize("name", NAMES)
def test_a_segmenter_without_halves_is_refused_before_training(name: str) -> None:
    cls, plain = method_class(name), Initialization("test_resnet", "none")
    more = (plain, plain, 16, NUM_CLASSES, [0.0], [1.0], lambda: Halved(1, NUM_CLASSES))
    settings = cls.settings_class()
    with pytest.raises(SettingsError, match=f"The method {name} looks between encoder"):
        cls.build_networks(NetworkPlan(settings, pixelwise(1, NUM_CLASSES), *more))  # type: ignore[arg-type]
    built = cls.build_networks(NetworkPlan(settings, Halved(1, NUM_CLASSES), *more))  # type: ignore[arg-type]
    assert set(built) == set(cls.extra_networks)
