"""ECMT: against the literal step, what moves, what the targets are, whole runs."""

import copy
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from tiny_networks import weights
from torch import nn

from ecs_med.config import OptimizerSettings
from ecs_med.methods.ecmt import Ecmt, EcmtSettings
from ecs_med.methods.network_plan import NetworkPlan
from ecs_med.networks import Initialization, build_segmenter
from ecs_med.networks.correctors import DecoderCorrector, FeatureCorrector
from ecs_med.networks.teacher import MeanTeacher
from ecs_med.types import IGNORE_INDEX, Batch, StrongView
from literal_ecmt import LiteralEcmt

NUM_CLASSES = 3
SGD = OptimizerSettings(name="sgd", lr=0.05, weight_decay=0)


class Segmenter(nn.Module):
    """Two features of each pixel's neighbourhood, and a decoder, in 2-D or 3-D."""

    def __init__(self, dimensions: int) -> None:
        super().__init__()
        conv, norm = (nn.Conv2d, nn.BatchNorm2d) if dimensions == 2 else (nn.Conv3d, nn.BatchNorm3d)
        self.first = nn.Sequential(conv(1, 6, 3, padding=1), norm(6))
        self.second = conv(6, 4, 3, padding=1)
        self.head = nn.Sequential(norm(10), conv(10, NUM_CLASSES, 1))

    def encode(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        shallow = self.first(images).relu()
        return shallow, self.second(shallow).tanh()

    def decode(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        logits: torch.Tensor = self.head(torch.cat([*features], dim=1))
        return logits

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.decode(self.encode(images))


class Corrector(FeatureCorrector):
    """One layer on features and class map."""

    def __init__(self, segmenter: nn.Module, dimensions: int) -> None:
        super().__init__(segmenter, in_channels=1)
        conv, norm = (nn.Conv2d, nn.BatchNorm2d) if dimensions == 2 else (nn.Conv3d, nn.BatchNorm3d)
        width = 10 + NUM_CLASSES
        self.layers = nn.Sequential(norm(width), conv(width, NUM_CLASSES + 1, 3, padding=1))

    def judge(self, features: Sequence[torch.Tensor], class_map: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.layers(torch.cat([*features, class_map], dim=1))
        return logits


class Whole(nn.Module):
    """Both as one network, for the literal step."""

    def __init__(self, segmenter: nn.Module, corrector: nn.Module) -> None:
        super().__init__()
        self.segmenter, self.corrector = segmenter, corrector
        self.encode, self.decode = segmenter.encode, segmenter.decode
        self.judge = corrector.judge

    def __deepcopy__(self, memo: dict[int, Any]) -> "Whole":
        return Whole(copy.deepcopy(self.segmenter, memo), copy.deepcopy(self.corrector, memo))


def build(dimensions: int = 2, **settings: Any) -> Ecmt:
    torch.manual_seed(0)
    parsed = EcmtSettings.parse(settings)
    segmenter = Segmenter(dimensions)
    corrector = Corrector(segmenter, dimensions)
    networks: dict[str, nn.Module] = {
        "segmenter": segmenter,
        "corrector": corrector,
        "teacher": MeanTeacher(segmenter, parsed.ema),
        "corrector_teacher": MeanTeacher(corrector, parsed.ema),
    }
    average = networks["corrector_teacher"].network
    average.stand_on(networks["teacher"].network)  # type: ignore[operator]
    return Ecmt(networks, parsed, dict.fromkeys(networks, SGD), num_classes=NUM_CLASSES)


def ragged(seed: int, dimensions: int = 2) -> Batch:
    """Void pixels, a picture that is void altogether, an absent class, padding, a strong view."""
    generator = torch.Generator().manual_seed(seed)
    spatial = (8,) * dimensions
    labels = torch.randint(0, NUM_CLASSES - 1, (3, *spatial), generator=generator)
    labels[0, :2] = IGNORE_INDEX
    labels[1] = IGNORE_INDEX
    valid = torch.ones(3, *spatial, dtype=torch.bool)
    valid[0, 5:] = False
    images = torch.randn(2, 3, 1, *spatial, generator=generator)
    unlabeled = images[1] * valid[:, None]
    view = StrongView((unlabeled.roll(1, 0) * 1.5).flip(-1), lambda v: v.roll(1, 0).flip(-1))
    return Batch(images[0], labels, unlabeled, valid, unlabeled_strong=(view,))


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"ema": 0.3, "gamma": 0.0, "class_weight": 5.0},
        {"correction_weight": 0.2, "unlabeled_weight": 3.0},
    ],
)
def test_steps_equal_the_literal_ones(dimensions: int, settings: dict[str, float]) -> None:
    method = build(dimensions, **settings)
    pair = copy.deepcopy([method.segmenter, method.networks["corrector"]])
    whole = Whole(*pair)
    optimizer = torch.optim.SGD(whole.parameters(), SGD.lr, momentum=SGD.momentum)
    values = dict(settings)
    decay = values.pop("ema", 0.99)
    literal = LiteralEcmt(whole, NUM_CLASSES, optimizer, decay=decay, **values)
    for number in range(4):
        sample = ragged(number, dimensions)
        assert sample.unlabeled_images is not None
        assert sample.unlabeled_valid is not None
        (view,) = sample.unlabeled_strong
        expected = literal.step(
            sample.images,
            sample.labels,
            sample.unlabeled_images,
            sample.unlabeled_valid,
            view.images,
            view.bring,
        )
        method.train_mode()
        found = {k: v.item() for k, v in method.step(sample).losses.items()}
        assert found == pytest.approx(expected, abs=1e-6)
    averages = literal.average
    theirs = {
        "segmenter": whole.segmenter,
        "corrector": whole.corrector,
        "teacher": averages.segmenter,
        "corrector_teacher": averages.corrector,
    }
    for name, network in method.networks.items():
        ours = network.network if isinstance(network, MeanTeacher) else network
        for key, value in theirs[name].state_dict().items():
            torch.testing.assert_close(ours.state_dict()[key], value, rtol=0, atol=1e-5)


def test_the_correction_reaches_the_encoder_and_not_the_segmentation_decoder() -> None:
    method = build()
    sample = ragged(0)
    _, judged = method._segment_and_judge(sample.images)
    judged.square().sum().backward()
    segmenter = method.segmenter
    assert isinstance(segmenter, Segmenter)
    assert all(p.grad is not None for p in segmenter.first.parameters())
    # The class map that is judged has no gradient, or segmenting would learn to please.
    assert all(p.grad is None for p in segmenter.head.parameters())


def test_targets_are_the_students_corrected_by_the_average() -> None:
    method = build()
    images = ragged(0).unlabeled_images
    assert images is not None
    student = method.segmenter.eval()
    labels, judged = method._correct(images)
    with torch.no_grad():
        own = student(images).argmax(dim=1)
    named = judged.argmax(dim=1)
    is_right = named == NUM_CLASSES
    assert is_right.any()
    assert not is_right.all()
    assert torch.equal(labels, torch.where(is_right, own, named))
    with torch.no_grad():
        for parameter in method.predictor().parameters():
            parameter += torch.randn_like(parameter)
    _, others = method._correct(images)
    assert not torch.allclose(others, judged)
    with torch.no_grad():
        for parameter in method.networks["corrector"].parameters():
            parameter.zero_()
    assert torch.equal(method._correct(images)[1], others)


def test_correcting_unlabeled_images_moves_no_running_statistics_and_no_mode() -> None:
    method = build()
    method.train_mode()
    before = {
        name: {k: v.clone() for k, v in network.state_dict().items()}
        for name, network in method.networks.items()
    }
    images = ragged(0).unlabeled_images
    assert images is not None
    method._correct(images)
    for name, network in method.networks.items():
        assert network.training == (name in ("segmenter", "corrector"))
        for key, value in network.state_dict().items():
            assert torch.equal(value, before[name][key])


def test_averages_have_no_optimiser_and_judge_in_the_end() -> None:
    method = build()
    method.train_mode()
    method.step(ragged(0))
    assert set(method.optimizers) == {"segmenter", "corrector"}
    for name in ("teacher", "corrector_teacher"):
        network = method.networks[name]
        assert not any(module.training for module in network.modules())
        assert all(p.grad is None and not p.requires_grad for p in network.parameters())
    corrector = method.corrector()
    assert isinstance(corrector, Corrector)
    assert corrector.segmenter is method.predictor()
    assert method.predictor() is method.teacher.network
    # The first update makes the averages what is averaged.
    assert torch.equal(weights(corrector), weights(method.networks["corrector"]))


def test_padding_teaches_nothing_and_everything_void_neither() -> None:
    sample = ragged(0)
    assert sample.unlabeled_valid is not None
    nothing = torch.zeros_like(sample.unlabeled_valid)
    void = torch.full_like(sample.labels, IGNORE_INDEX)
    method = build()
    losses = method.step(Batch(sample.images, void, sample.unlabeled_images, nothing)).losses
    assert {name: value.item() for name, value in losses.items()} == dict.fromkeys(losses, 0.0)


def test_without_unlabeled_images_it_segments_and_corrects() -> None:
    sample = ragged(0)
    result = build().step(Batch(sample.images, sample.labels))
    assert set(result.losses) == {"segmentation", "correction"}


def test_its_networks_are_built_on_one_encoder() -> None:
    tiny = Initialization("test_resnet", "none")
    segmenter = build_segmenter(tiny, in_channels=1, num_classes=2)
    plan = NetworkPlan(
        EcmtSettings(), segmenter, tiny, tiny, 16, 2, (0.5,), (0.2,), lambda: segmenter
    )
    networks = Ecmt.build_networks(plan)
    assert set(networks) == set(Ecmt.extra_networks)
    corrector, average = networks["corrector"], networks["corrector_teacher"].network
    assert isinstance(corrector, DecoderCorrector)
    assert isinstance(average, DecoderCorrector)
    assert corrector.segmenter is segmenter
    assert average.segmenter is networks["teacher"].network
    optimizers = Ecmt.default_optimizers(20_000)
    assert optimizers["corrector"] == optimizers["segmenter"]
    assert optimizers["segmenter"].name == "sgd"
