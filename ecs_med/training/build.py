"""Networks from the seed, and the method and the model around them."""

import torch

from ecs_med.config import TrainConfig
from ecs_med.devices import autocast_dtype
from ecs_med.inference.model import Model
from ecs_med.inference.spec import ModelSpec
from ecs_med.methods import Method, method_class
from ecs_med.networks import Initialisation, build_corrector, build_segmenter
from ecs_med.networks.encoders import channel_statistics
from ecs_med.networks.parallel import make_parallel
from ecs_med.training.data_plan import DataPlan
from ecs_med.training.resolve import preparation_of

__all__ = ["build_model"]


def build_model(
    config: TrainConfig,
    plan: DataPlan,
    initialisations: tuple[Initialisation, Initialisation],
    device: torch.device,
) -> tuple[Method, Model]:
    """Build what is to be trained.

    Args:
        config: Resolved settings; the seed draws all weights that are not loaded.
        plan: The data.
        initialisations: Of segmenter and corrector.
        device: Where the networks go.

    Returns:
        The method, and a model that shares its networks.
    """
    assert config.run is not None
    torch.manual_seed(config.seed)
    shape = {"in_channels": plan.images.channels, "num_classes": plan.scheme.num_classes}
    stride = config.output_stride
    segmenter = build_segmenter(initialisations[0], **shape, output_stride=stride)
    corrector = None
    cls = method_class(config.method)
    if cls.needs_corrector:
        corrector = build_corrector(initialisations[1], **shape, output_stride=stride)
    for network in (segmenter, corrector):
        if network is not None:
            make_parallel(network).to(device).to(memory_format=torch.channels_last)
    autocast = autocast_dtype(config.precision, device)
    method = cls(
        segmenter, corrector, config, num_classes=plan.scheme.num_classes, autocast=autocast
    )
    spec = _spec(config, plan, initialisations[0])
    return method, Model(
        spec, segmenter, corrector, device=device, run=config.run, autocast=autocast
    )


def _spec(config: TrainConfig, plan: DataPlan, initialisation: Initialisation) -> ModelSpec:
    assert config.crop is not None
    mean, std = channel_statistics(initialisation.encoder, plan.images.channels)
    with_corrector = method_class(config.method).needs_corrector
    return ModelSpec(
        method=config.method,
        labels=plan.scheme,
        preparation=preparation_of(config),
        kind=plan.images.kind,
        in_channels=plan.images.channels,
        mean=tuple(mean),
        std=tuple(std),
        encoder=config.encoder,
        corrector_encoder=config.corrector_encoder if with_corrector else None,
        output_stride=config.output_stride,
        crop=config.crop,
        window=max(1024, config.crop),
        initialisation=initialisation.sentence(),
    )
