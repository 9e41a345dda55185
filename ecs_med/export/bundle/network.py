"""The network of a bundle: a class of a library with its weights, or a graph of TorchScript."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ecs_med.errors import SettingsError
from ecs_med.export.base import Request
from ecs_med.export.bundle.two_passes import two_passes
from ecs_med.export.scores import scores_of
from ecs_med.networks.encoders import library_name
from ecs_med.networks.padding import MULTIPLE
from ecs_med.networks.unet3d import DynUNetSettings, UNet3dSettings
from ecs_med.quiet import quiet
from ecs_med.runs import ModelSpec

__all__ = ["GRAPH_FILE", "WEIGHTS_FILE", "is_stock", "network_definition", "write_weights"]

WEIGHTS_FILE = "models/model.pt"
GRAPH_FILE = "models/model.ts"
_SIDES = (4 * MULTIPLE, 6 * MULTIPLE)


def is_stock(request: Request) -> bool:
    """Whether a class of a library gives the scores that `predict` takes the largest of."""
    spec = request.model.spec
    return spec.network in _CLASSES and spec.presence is None and not request.corrects


def network_definition(request: Request) -> Mapping[str, Any] | str:
    """`network_def` of the configuration.

    A corrected segmentation, one whose classes a classifier switches off, and networks that are
    ours come as TorchScript, which needs no class of ours.
    """
    spec = request.model.spec
    if is_stock(request):
        return _CLASSES[spec.network](spec)
    return f"$torch.jit.load(@bundle_root + '/{GRAPH_FILE}', map_location=@device)"


def write_weights(request: Request, folder: Path) -> str:
    """Write the weights, or the graph.

    Returns:
        The file that was written, as a path below `folder`.

    Raises:
        SettingsError: If the network cannot be traced.
    """
    name = WEIGHTS_FILE if is_stock(request) else GRAPH_FILE
    (folder / "models").mkdir()
    if name == WEIGHTS_FILE:
        torch.save(_state(request), folder / name)
    else:
        _write_graph(request, folder / name)
    return name


def _state(request: Request) -> dict[str, torch.Tensor]:
    """Weights by the names of the library's class, which may have several for one weight."""
    from monai.bundle import ConfigParser  # logs while it is loaded

    with quiet():
        parser = ConfigParser({"network": network_definition(request)})
        network = parser.get_parsed_content("network")
    own = {key: value.detach().cpu() for key, value in request.model.segmenter.state_dict().items()}
    found = network.load_state_dict(own, strict=False)
    held = {key for key in network.state_dict() if key not in found.missing_keys}
    places = {value.data_ptr() for key, value in network.state_dict().items() if key in held}
    assert not found.unexpected_keys
    assert all(network.state_dict()[key].data_ptr() in places for key in found.missing_keys)
    state: dict[str, torch.Tensor] = network.state_dict()
    return state


def _write_graph(request: Request, path: Path) -> None:
    spec = request.model.spec
    scores = scores_of(request, fixed_padding=True)
    try:
        # TorchScript is to be replaced in PyTorch, but Deploy and Label read nothing else.
        with quiet(), torch.no_grad():
            example = torch.zeros(2, spec.network_channels, *(spec.patch or _SIDES))
            if spec.patch and request.corrects:
                graph = two_passes(scores, example, spec.num_classes)
            else:
                graph = torch.jit.trace(scores, example)
            torch.jit.save(graph, path)
    except Exception as error:  # whatever tracing raises of a network of another package
        reason = " ".join(str(error).split())[:200]
        raise SettingsError(
            f"{request.model.run}: the network {spec.network} is no class of MONAI or smp, and "
            f"cannot be traced ({type(error).__name__}: {reason}); train with `network` "
            "deeplabv3plus."
        ) from error


def _deeplabv3plus(spec: ModelSpec) -> Mapping[str, Any]:
    return {
        "_target_": "segmentation_models_pytorch.DeepLabV3Plus",
        "encoder_name": library_name(str(spec.encoder)),
        "encoder_weights": None,
        "encoder_output_stride": spec.network_settings.get("output_stride", 16),
        "in_channels": spec.network_channels,
        "classes": spec.num_classes,
    }


def _unet3d(spec: ModelSpec) -> Mapping[str, Any]:
    settings = UNet3dSettings.parse(spec.network_settings)
    return {
        "_target_": "UNet",
        "spatial_dims": 3,
        "in_channels": spec.in_channels,
        "out_channels": spec.num_classes,
        "channels": list(settings.channels),
        "strides": [2] * (len(settings.channels) - 1),
        "num_res_units": settings.residual_units,
        "norm": "INSTANCE",
    }


def _dynunet(spec: ModelSpec) -> Mapping[str, Any]:
    settings = DynUNetSettings.parse(spec.network_settings)
    halvings = [2] * (len(settings.channels) - 1)
    return {
        "_target_": "DynUNet",
        "spatial_dims": 3,
        "in_channels": spec.in_channels,
        "out_channels": spec.num_classes,
        "kernel_size": [3] * len(settings.channels),
        "strides": [1, *halvings],
        "upsample_kernel_size": halvings,
        "filters": list(settings.channels),
        "deep_supervision": False,
        "res_block": settings.residual,
    }


_CLASSES = {"deeplabv3plus": _deeplabv3plus, "dynunet": _dynunet, "unet3d": _unet3d}
"""How a network is built of a class of a library, by the name of the network."""
