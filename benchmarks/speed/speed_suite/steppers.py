"""Every method as training builds it, and its literal twin, on one batch of noise."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from ecs_med.config import OptimizerSettings, TrainConfig
from ecs_med.methods import (
    Method,
    NetworkPlan,
    method_class,
    method_settings,
    optimizer_settings,
)
from ecs_med.networks import NETWORKS, build_segmenter, choose_initialization
from ecs_med.networks.modes import in_layout
from ecs_med.networks.quick import quicken
from ecs_med.types import Batch, StrongView
from literal_consistency import Images
from speed_suite.literals import LITERALS, Literal

__all__ = [
    "NUM_CLASSES",
    "PROGRESS",
    "Pair",
    "as_batch",
    "build_method",
    "first_networks",
    "noise",
    "pair",
    "plain_optimizer",
]

NUM_CLASSES = 2
PROGRESS = 0.5
"""Share of the run that is done: methods in stages are in their last one."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A method and what it is held against, ready to take a step.

    Attributes:
        method: The method.
        ours: A step of it; its losses.
        literal: A step of its literal twin, or `None` where that was not written for speed.
    """

    method: Method
    ours: Callable[[], Mapping[str, float]]
    literal: Callable[[], Mapping[str, float]] | None


def noise(
    batch: int,
    size: int,
    num_classes: int = NUM_CLASSES,
    device: torch.device = torch.device("cpu"),  # noqa: B008 - a constant
) -> Images:
    """Labelled and unlabelled images with boxes of one another in their strong view."""
    generator = torch.Generator().manual_seed(1)
    shape = (batch, 3, size, size)
    labeled, weak = (torch.randn(shape, generator=generator) for _ in range(2))
    labels = torch.randint(0, num_classes, (batch, size, size), generator=generator)
    inside = torch.zeros(labels.shape, dtype=torch.bool)
    inside[::2, size // 4 : size // 2, size // 4 : size // 2] = True
    order = [*range(1, batch), 0]
    strong = torch.where(inside[:, None], 0.7 * weak[order], 0.7 * weak)
    valid = torch.ones(labels.shape, dtype=torch.bool)
    tensors = (labeled, labels, weak, valid, strong, inside)
    return Images(*(tensor.to(device) for tensor in tensors), order)


def as_batch(images: Images, num_views: int = 2, *, is_plain: bool = False) -> Batch:
    """The same as training hands it to a method: channels last, unless `is_plain`."""

    def bring(values: torch.Tensor) -> torch.Tensor:
        return torch.where(images.inside, values[images.order], values)

    def last(values: torch.Tensor) -> torch.Tensor:
        return values if is_plain else values.contiguous(memory_format=torch.channels_last)

    view = StrongView(last(images.strong), bring)
    views = (view,) * num_views
    return Batch(
        last(images.labeled), images.labels, last(images.weak), images.valid, unlabeled_strong=views
    )


def pair(
    name: str,
    images: Images,
    *,
    dropout: bool = True,
    alike: bool = False,
    dtype: torch.dtype = torch.float32,
) -> Pair:
    """A method and its literal twin with the same weights.

    Args:
        name: Of the method.
        images: What every step sees.
        dropout: Whether networks draw it.
        alike: Whether both have networks with the same layers, channels last, and images in the
            usual format: for comparing losses. Adam's first step moves a weight by the learning
            rate whatever its gradient, so that rounding, which depends on layers and format, would
            show in the losses after it; and noise is drawn in the order of memory.
        dtype: Of networks and images: in float64 rounding does not show at all.
    """
    config = TrainConfig(data=Path("unused"), method=name, network="deeplabv3plus")
    networks = {name: network.to(dtype) for name, network in first_networks(config).items()}
    images = replace(
        images,
        labeled=images.labeled.to(dtype),
        weak=images.weak.to(dtype),
        strong=images.strong.to(dtype),
    )
    for module in (m for network in networks.values() for m in network.modules()):
        if isinstance(module, nn.Dropout) and not dropout:
            module.p = 0.0
    twins = copy.deepcopy(networks)
    method = build_method(config, networks)
    batch = as_batch(images, method.strong_views, is_plain=alike)

    def ours() -> Mapping[str, float]:
        method.train_mode()
        losses = method.step(batch, PROGRESS).losses
        return {name: loss.item() for name, loss in losses.items()}

    if name not in LITERALS:
        return Pair(method, ours, None)
    for name_, network in twins.items():
        network.train(name_ not in method.frozen_networks)
        if alike:
            in_layout(quicken(network))
    asked = optimizer_settings(config)
    moved = {n: plain_optimizer(twins[n], asked[n]) for n in asked if n in twins}
    twin = LITERALS[name](Literal(twins, moved, method.settings, images, batch, NUM_CLASSES))
    return Pair(method, ours, twin)


def build_method(
    config: TrainConfig,
    networks: dict[str, nn.Module],
    *,
    num_classes: int = NUM_CLASSES,
    autocast: torch.dtype | None = None,
) -> Method:
    """As `training.build` does."""
    for network in networks.values():
        in_layout(quicken(network))
    return method_class(config.method)(
        networks,
        method_settings(config),
        optimizer_settings(config),
        num_classes=num_classes,
        autocast=autocast,
    )


def first_networks(config: TrainConfig, *, num_classes: int = NUM_CLASSES) -> dict[str, nn.Module]:
    """Networks of a method with their first weights, for pictures."""
    first, second = choose_initialization(config)
    torch.manual_seed(0)

    def segmenter() -> nn.Module:
        return build_segmenter(first, in_channels=3, num_classes=num_classes)

    built = segmenter()
    mean, std = NETWORKS.get(config.network).statistics(first.encoder, 3)
    plan = NetworkPlan(
        method_settings(config),
        built,
        first,
        second,
        config.corrector_output_stride,
        num_classes,
        mean,
        std,
        another_segmenter=segmenter,
    )
    return {"segmenter": built, **method_class(config.method).build_networks(plan)}


def plain_optimizer(network: nn.Module, asked: OptimizerSettings) -> torch.optim.Optimizer:
    """PyTorch's optimiser with the same settings, as it chooses to run."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    if asked.name == "sgd":
        return torch.optim.SGD(
            parameters, asked.lr, momentum=asked.momentum, weight_decay=asked.weight_decay
        )
    return torch.optim.Adam(parameters, asked.lr, asked.betas, weight_decay=asked.weight_decay)
