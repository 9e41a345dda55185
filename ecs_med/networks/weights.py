"""Building an encoder, and loading ImageNet or other weights into it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
import segmentation_models_pytorch as smp
import timm
import torch
from torch import nn

from ecs_med.errors import SettingsError
from ecs_med.files import regular_file
from ecs_med.networks.encoders import adapt_first_layer, library_name, refuse_vit, timm_name
from ecs_med.networks.initialization import Initialization
from ecs_med.networks.packaged import packaged_weights_file

__all__ = ["build_encoder", "load_encoder_weights", "refusals_in_words"]

Convert = Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]

_PREFIXES = (
    "",
    "encoder.",
    "encoder.model.",
    "segmenter.encoder.",
    "module.",
    "backbone.",
    "model.",
)


def build_encoder(
    initialization: Initialization, in_channels: int, used_in: str, output_stride: int = 32
) -> nn.Module:
    """An encoder of segmentation-models-pytorch with its weights.

    Args:
        initialization: Its name and where the weights come from.
        in_channels: Channels of the image.
        used_in: Architecture that it is a part of, for messages.
        output_stride: Stride of the deepest features.

    Raises:
        SettingsError: If it is unknown, cannot be dilated so, or its weights do not fit.
    """
    name = library_name(initialization.encoder)
    with refusals_in_words(initialization.encoder, used_in, output_stride):
        encoder: nn.Module = smp.encoders.get_encoder(
            name, weights=None, output_stride=output_stride
        )
    load_encoder_weights(encoder, initialization)
    adapt_first_layer(encoder, in_channels)
    return encoder


@contextmanager
def refusals_in_words(encoder: str, architecture: str, output_stride: int) -> Iterator[None]:
    """What the library cannot build becomes one sentence."""
    refuse_vit(encoder, architecture)
    try:
        yield
    except SettingsError:
        raise
    except Exception as error:
        raise SettingsError(
            f"The encoder {encoder} cannot be used in {architecture} at output stride "
            f"{output_stride} ({error}); choose a convolutional encoder such as resnet50."
        ) from error


def load_encoder_weights(
    encoder: nn.Module, initialization: Initialization, convert: Convert | None = None
) -> None:
    """Fill an encoder that was built for 3 input channels, in place.

    Args:
        encoder: Of segmentation-models-pytorch, or anything that holds a model of timm as `model`.
        initialization: Where the weights come from.
        convert: Gives a file's tensors the encoder's names and shapes, where those are others.

    Raises:
        SettingsError: If the weights cannot be had, read, or do not fit the encoder.
    """
    name = initialization.encoder
    match initialization.source:
        case "none" | "run" | "network":
            return
        case "packaged":
            _fill(encoder, _packaged(name), "the packaged weights", name)
        case "file":
            assert initialization.file is not None
            state = _read(initialization.file)
            if convert is not None and not _fits(encoder, _matching(encoder, state)):
                state = convert(state)
            _fill(encoder, state, str(initialization.file), name)
        case "hub":
            _fill(encoder, _hub(name), "the hub's weights", name)


def _packaged(name: str) -> dict[str, torch.Tensor]:
    """The package's tensors under timm's names; they correspond one to one, in order."""
    theirs = torch.load(packaged_weights_file(name), map_location="cpu", weights_only=True)
    with torch.device("meta"):
        ours = timm.create_model(name).state_dict()
    if len(ours) != len(theirs):
        raise SettingsError("The packaged weights do not match this version of timm; update both.")
    state = {}
    for (key, expected), tensor in zip(ours.items(), theirs.values(), strict=True):
        if expected.shape != tensor.shape:
            raise SettingsError(f"The packaged weights do not fit timm's {key}; update both.")
        state[key] = tensor
    return state


def _hub(name: str) -> dict[str, torch.Tensor]:
    timm_tag = timm_name(name)
    if timm_tag is None:
        raise SettingsError(
            f"No downloadable ImageNet weights are known for {name}; "
            "set `encoder_weights` to a file or none, or use an encoder of timm."
        )
    try:
        model: nn.Module = timm.create_model(timm_tag, pretrained=True)
    except Exception as error:
        raise SettingsError(
            f"The weights of {name} could not be fetched ({type(error).__name__}); "
            "check the network, or set `encoder_weights` to a file or none."
        ) from error
    return model.state_dict()


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        regular_file(path)
        if path.suffix == ".safetensors":
            content: Any = safetensors.torch.load_file(path)
        else:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise SettingsError(
            f"{path}: not readable as weights ({type(error).__name__}); expected .safetensors, or "
            "a .pth file that holds tensors only."
        ) from error
    for key in ("state_dict", "model", "network_weights"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise SettingsError(f"{path}: holds no state dict; save model.state_dict() instead.")
    return {key: value for key, value in content.items() if isinstance(value, torch.Tensor)}


def _matching(encoder: nn.Module, state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors of `state` under the names of `encoder`, by the prefixes that fit most of them."""
    best: dict[str, torch.Tensor] = {}
    for theirs in _PREFIXES:
        for ours in ("", "model."):
            found = {
                key: state[theirs + key.removeprefix(ours)]
                for key in encoder.state_dict()
                if key.startswith(ours) and theirs + key.removeprefix(ours) in state
            }
            best = max(best, found, key=len)
    return best


def _fits(encoder: nn.Module, found: Mapping[str, torch.Tensor]) -> bool:
    wanted = encoder.state_dict()
    return all(key in found and found[key].shape == value.shape for key, value in wanted.items())


def _fill(encoder: nn.Module, state: dict[str, torch.Tensor], origin: str, name: str) -> None:
    wanted, found = encoder.state_dict(), _matching(encoder, state)
    if not _fits(encoder, found):
        missing = len(wanted) - len(found)
        wrong = sum(value.shape != wanted[key].shape for key, value in found.items())
        raise SettingsError(
            f"{origin} do not fit the encoder {name}: {missing} of {len(wanted)} tensors are "
            f"missing and {wrong} have another shape; choose the encoder they were made for."
        )
    encoder.load_state_dict(found)
