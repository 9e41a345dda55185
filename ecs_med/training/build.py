"""Networks from the seed, and the method and the model around them."""

from collections.abc import Mapping

import torch
from torch import nn

from ecs_med.config import TrainConfig
from ecs_med.devices import autocast_dtype
from ecs_med.inference.model import Model
from ecs_med.inference.presence import has_background
from ecs_med.methods import Blueprint, Method, method_class
from ecs_med.networks import Initialization, build_segmenter
from ecs_med.networks.classifier import MeanTeacher, MultiLabelClassifier
from ecs_med.networks.encoders import channel_statistics, freeze_norm
from ecs_med.networks.parallel import make_parallel
from ecs_med.runs.spec import ModelSpec
from ecs_med.training.data_plan import DataPlan
from ecs_med.training.resolve import preparation_of
from ecs_med.training.start import Start, fill_networks

__all__ = ["build_model"]


def build_model(
    config: TrainConfig,
    plan: DataPlan,
    initializations: tuple[Initialization, Initialization],
    device: torch.device,
    start: Start | None = None,
) -> tuple[Method, Model]:
    """Build what is to be trained.

    Args:
        config: Resolved settings; the seed draws all weights that are not loaded.
        plan: The data.
        initializations: Of segmenter and corrector.
        device: Where the networks go.
        start: Run whose weights they get; `None` for none, and where a checkpoint has them.

    Returns:
        The method, and a model that shares its networks.
    """
    assert config.run is not None
    torch.manual_seed(config.seed)
    cls = method_class(config.method)
    shape = {"in_channels": plan.images.channels, "num_classes": plan.scheme.num_classes}
    segmenter = build_segmenter(
        initializations[0],
        **shape,
        network=config.network,
        output_stride=config.output_stride,
        aspp_rates=config.aspp_rates,
    )
    if config.frozen_norm:
        freeze_norm(segmenter.get_submodule("encoder"))
    blueprint = Blueprint(
        config, **shape, segmenter=initializations[0], corrector=initializations[1]
    )
    networks = {"segmenter": segmenter, **cls.companions(blueprint)}
    if start is not None:
        fill_networks(networks, start)
    for network in networks.values():
        make_parallel(network).to(device).to(memory_format=torch.channels_last)
    autocast = autocast_dtype(config.precision, device)
    method = cls(networks, config, num_classes=plan.scheme.num_classes, autocast=autocast)
    corrector = networks.get("corrector")
    classifier = _classifier(networks) if has_background(plan.scheme.class_names) else None
    spec = _spec(
        config,
        plan,
        initializations[0],
        with_corrector=corrector is not None,
        with_classifier=classifier is not None,
    )
    return method, Model(
        spec,
        segmenter,
        corrector,
        classifier=classifier,
        device=device,
        run=config.run,
        autocast=autocast,
    )


def _classifier(networks: Mapping[str, nn.Module]) -> nn.Module | None:
    """The classifier that has a say when predicting: the mean teacher of `s4gan+mlmt`."""
    teacher = networks.get("teacher")
    if isinstance(teacher, MeanTeacher) and isinstance(teacher.network, MultiLabelClassifier):
        return teacher.network
    return None


def _spec(
    config: TrainConfig,
    plan: DataPlan,
    initialization: Initialization,
    *,
    with_corrector: bool,
    with_classifier: bool,
) -> ModelSpec:
    assert config.crop is not None
    mean, std = channel_statistics(initialization.encoder, plan.images.channels)
    return ModelSpec(
        method=config.method,
        labels=plan.scheme,
        preparation=preparation_of(config),
        kind=plan.images.kind,
        in_channels=plan.images.channels,
        mean=tuple(mean),
        std=tuple(std),
        network=config.network,
        aspp_rates=config.aspp_rates,
        encoder=config.encoder,
        corrector_encoder=config.corrector_encoder if with_corrector else None,
        presence=config.mlmt.presence if with_classifier else None,
        output_stride=config.output_stride,
        corrector_output_stride=config.corrector_output_stride,
        crop=config.crop,
        tile=config.tile or max(1024, config.crop),
        initialization=initialization.sentence(),
    )
