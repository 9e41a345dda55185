"""Networks from the seed, and the method and the model around them."""

import torch
from torch import nn

from ecs_med.config import TrainConfig
from ecs_med.devices import autocast_dtype
from ecs_med.inference.model import Model
from ecs_med.inference.storing import load_model
from ecs_med.methods import Method, NetworkPlan, method_class, method_settings, optimizer_settings
from ecs_med.networks import NETWORKS, Initialization, build_segmenter
from ecs_med.networks.classifier import has_background
from ecs_med.networks.correctors import corrector_kind
from ecs_med.networks.encoders import freeze_norm
from ecs_med.networks.modes import in_layout
from ecs_med.networks.parallel import make_parallel
from ecs_med.networks.quick import quicken
from ecs_med.runs import ModelSpec, Origin
from ecs_med.training.data_plan import DataPlan
from ecs_med.training.resolve import preparation_of

__all__ = ["build_model"]


def build_model(
    config: TrainConfig,
    plan: DataPlan,
    initializations: tuple[Initialization, Initialization],
    device: torch.device,
    origin: Origin | None = None,
) -> tuple[Method, Model]:
    """Build what is to be trained.

    Args:
        config: Resolved settings; the seed draws all weights that are not loaded.
        plan: The data.
        initializations: Of segmenter and corrector.
        device: Where the networks go.
        origin: Run whose weights they get; `None` for none, and where a checkpoint has them.

    Returns:
        The method, and a model that shares its networks.

    Raises:
        SettingsError: If the networks cannot be built as asked.
        RunFolderError: If the weights of `origin` are missing or damaged.
    """
    cls, settings = method_class(config.method), method_settings(config)
    networks = _networks(config, plan, initializations, origin)
    for network in networks.values():
        in_layout(make_parallel(quicken(network)).to(device))
    autocast = autocast_dtype(config.precision, device)
    optimizers = optimizer_settings(config)
    count = plan.scheme.num_classes
    method = cls(networks, settings, optimizers, num_classes=count, autocast=autocast)
    return method, _model(config, plan, initializations[0], method, device)


def _networks(
    config: TrainConfig,
    plan: DataPlan,
    initializations: tuple[Initialization, Initialization],
    origin: Origin | None,
) -> dict[str, nn.Module]:
    """The segmenter and those of the method, with their first weights."""
    first = load_model(origin.run, "cpu") if origin else None
    torch.manual_seed(config.seed)
    segmenter = _segmenter(config, plan, initializations[0])
    cls, first_corrector = method_class(config.method), None
    if first:
        segmenter.load_state_dict(first.segmenter.state_dict())
        first_corrector = first.corrector if first.spec.corrector == cls.corrector_kind else None

    def another_segmenter() -> nn.Module:
        another = _segmenter(config, plan, initializations[0])
        if first and hasattr(another, "encoder"):
            encoder = segmenter.get_submodule("encoder")
            another.get_submodule("encoder").load_state_dict(encoder.state_dict())
        return another

    mean, std = NETWORKS.get(config.network).statistics(
        initializations[0].encoder, plan.images.channels
    )
    num_slices = 2 * config.context + 1
    network_plan = NetworkPlan(
        method_settings(config),
        segmenter,
        *initializations,
        config.corrector_output_stride,
        plan.scheme.num_classes,
        mean * num_slices,
        std * num_slices,
        another_segmenter=another_segmenter,
        first_corrector=first_corrector,
        network=config.network,
        network_settings=config.network_settings,
    )
    networks = {"segmenter": segmenter, **cls.build_networks(network_plan)}
    if first_corrector is not None and "corrector" in networks:
        # Where the method has built it without the plan.
        networks["corrector"].load_state_dict(first_corrector.state_dict())
    return networks


def _segmenter(config: TrainConfig, plan: DataPlan, initialization: Initialization) -> nn.Module:
    """A segmenter with its first weights, but for those that a run gives it."""
    segmenter = build_segmenter(
        initialization,
        in_channels=plan.images.channels * (2 * config.context + 1),
        num_classes=plan.scheme.num_classes,
        network=config.network,
        settings=config.network_settings,
    )
    if config.frozen_norm:
        freeze_norm(segmenter.get_submodule("encoder"))
    return segmenter


def _model(
    config: TrainConfig,
    plan: DataPlan,
    initialization: Initialization,
    method: Method,
    device: torch.device,
) -> Model:
    """What the method has so far, as it is to be applied."""
    assert config.run is not None
    assert config.crop is not None
    corrector = method.corrector()
    kind = method.corrector_kind if corrector is not None else None
    dims = NETWORKS.get(config.network).spatial_dims
    own_encoder = kind is not None and corrector_kind(kind).has_encoder and dims == 2
    presence = method.presence() if has_background(plan.scheme.class_names) else None
    channels = plan.images.channels
    mean, std = NETWORKS.get(config.network).statistics(initialization.encoder, channels)
    spec = ModelSpec(
        method=config.method,
        labels=plan.scheme,
        preparation=preparation_of(config),
        kind=plan.images.kind,
        in_channels=channels,
        mean=tuple(mean),
        std=tuple(std),
        spatial_dims=3 if dims == 3 else 2,
        context=config.context,
        network=config.network,
        network_settings=config.network_settings,
        encoder=None if config.encoder == "none" else config.encoder,
        corrector=kind,
        corrector_encoder=config.corrector_encoder if own_encoder else None,
        corrects=method.corrects,
        presence=presence[1] if presence else None,
        corrector_output_stride=config.corrector_output_stride,
        crop=config.crop,
        patch=config.patch,
        tile=config.tile or max(1024, config.crop),
        initialization=initialization.sentence(),
    )
    return Model(
        spec,
        method.predictor(),
        corrector,
        classifier=presence[0] if presence else None,
        device=device,
        run=config.run,
        autocast=method.autocast,
    )
