"""The segmenter and the corrector (Mendel et al. 2020, sections 4.3 and 4.7)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import segmentation_models_pytorch as smp
from torch import nn

from ecs_med.errors import SettingsError
from ecs_med.networks.deeplabv2 import PUBLISHED_RATES, DeepLabV2
from ecs_med.networks.encoders import adapt_first_layer, library_name
from ecs_med.networks.initialization import Initialization
from ecs_med.networks.weights import load_encoder_weights

__all__ = ["build_corrector", "build_segmenter", "deeplabv3plus"]


def build_segmenter(
    initialization: Initialization,
    *,
    in_channels: int,
    num_classes: int,
    network: Literal["deeplabv3plus", "deeplabv2"] = "deeplabv3plus",
    output_stride: Literal[8, 16] = 16,
    aspp_rates: Sequence[int] = PUBLISHED_RATES,
) -> nn.Module:
    """DeepLabv3+ or DeepLabv2 from image to N classes.

    Args:
        initialization: Encoder and its weights.
        in_channels: Channels of the image.
        num_classes: N.
        network: Architecture.
        output_stride: Stride of the encoder's output, 8 or 16; DeepLabv2 was published with 8.
        aspp_rates: Dilations of DeepLabv2.

    Returns:
        A module from `(B, in_channels, H, W)` to logits `(B, N, H, W)`; H and W are multiples
        of 16.

    Raises:
        SettingsError: If the encoder is unknown, cannot be dilated, or its weights do not fit.
    """
    if network == "deeplabv2":
        built: nn.Module = _deeplabv2(initialization, num_classes, output_stride, aspp_rates)
    else:
        built = deeplabv3plus(initialization, num_classes, output_stride)
    adapt_first_layer(built.get_submodule("encoder"), in_channels)
    return built


def build_corrector(
    initialization: Initialization,
    *,
    in_channels: int,
    num_classes: int,
    output_stride: Literal[8, 16] = 16,
) -> nn.Module:
    """DeepLabv3+ from image and class map to N+1 classes.

    Its first layer is extended by `num_classes` channels, whose weights are drawn anew (He et al.
    2015); everything else in the encoder starts from the given weights.

    Args:
        initialization: Encoder and its weights.
        in_channels: Channels of the image.
        num_classes: N, without the added class.
        output_stride: Stride of the encoder's output, 8 or 16.

    Returns:
        A module from `(B, in_channels + N, H, W)` to logits `(B, N+1, H, W)`.

    Raises:
        SettingsError: As `build_segmenter`.
    """
    network: nn.Module = deeplabv3plus(initialization, num_classes + 1, output_stride)
    adapt_first_layer(network.get_submodule("encoder"), in_channels, extra=num_classes)
    return network


def deeplabv3plus(
    initialization: Initialization, num_outputs: int, output_stride: Literal[8, 16]
) -> smp.DeepLabV3Plus:
    """DeepLabv3+ for 3 input channels, its encoder filled; refusals are one sentence."""
    with _refusals_in_words(initialization.encoder, "DeepLabv3+", output_stride):
        network = smp.DeepLabV3Plus(
            encoder_name=library_name(initialization.encoder),
            encoder_weights=None,
            encoder_output_stride=output_stride,
            in_channels=3,
            classes=num_outputs,
        )
    load_encoder_weights(network.encoder, initialization)
    return network


def _deeplabv2(
    initialization: Initialization,
    num_outputs: int,
    output_stride: Literal[8, 16],
    rates: Sequence[int],
) -> DeepLabV2:
    with _refusals_in_words(initialization.encoder, "DeepLabv2", output_stride):
        encoder = smp.encoders.get_encoder(
            library_name(initialization.encoder), weights=None, output_stride=output_stride
        )
    load_encoder_weights(encoder, initialization)
    return DeepLabV2(encoder, num_outputs, rates)


@contextmanager
def _refusals_in_words(encoder: str, architecture: str, output_stride: int) -> Iterator[None]:
    """What the library cannot build becomes one sentence."""
    try:
        yield
    except SettingsError:
        raise
    except Exception as error:
        raise SettingsError(
            f"The encoder {encoder} cannot be used in {architecture} at output stride "
            f"{output_stride} ({error}); choose a convolutional encoder such as resnet50."
        ) from error
