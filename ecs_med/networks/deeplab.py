"""DeepLabv3+: the segmenter and the corrector (Mendel et al. 2020, sections 4.3 and 4.7)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar, Literal

import segmentation_models_pytorch as smp
from torch import nn

from ecs_med.config import Settings
from ecs_med.errors import SettingsError
from ecs_med.networks.base import Network
from ecs_med.networks.encoders import adapt_first_layer, channel_statistics, library_name
from ecs_med.networks.initialization import Initialization
from ecs_med.networks.weights import load_encoder_weights

__all__ = [
    "DeepLabSettings",
    "DeepLabV3PlusNetwork",
    "EncoderNetwork",
    "build_corrector",
    "deeplabv3plus",
    "refusals_in_words",
]


class DeepLabSettings(Settings):
    """What a DeepLab can be told."""

    output_stride: Literal[8, 16] = 16
    """Stride of the encoder."""


class EncoderNetwork(Network):
    """An architecture on a named encoder, whose first layer is adapted to the image."""

    has_encoder: ClassVar[bool] = True

    @classmethod
    def statistics(cls, initialization: Initialization, channels: int) -> tuple[list[float], ...]:
        """Those that the encoder's ImageNet weights expect."""
        return channel_statistics(initialization.encoder, channels)


class DeepLabV3PlusNetwork(EncoderNetwork):
    """DeepLabv3+ of segmentation-models-pytorch."""

    name: ClassVar[str] = "deeplabv3plus"
    title: ClassVar[str] = "DeepLabv3+"
    settings_class: ClassVar[type[Settings]] = DeepLabSettings

    @classmethod
    def build(
        cls,
        initialization: Initialization,
        *,
        in_channels: int,
        num_classes: int,
        settings: Settings,
    ) -> nn.Module:
        """Encoder, atrous pyramid and decoder at a quarter of the resolution."""
        assert isinstance(settings, DeepLabSettings)
        network: nn.Module = deeplabv3plus(initialization, num_classes, settings.output_stride)
        adapt_first_layer(network.get_submodule("encoder"), in_channels)
        return network


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
        SettingsError: If the encoder is unknown, cannot be dilated, or its weights do not fit.
    """
    network: nn.Module = deeplabv3plus(initialization, num_classes + 1, output_stride)
    adapt_first_layer(network.get_submodule("encoder"), in_channels, extra=num_classes)
    return network


def deeplabv3plus(
    initialization: Initialization, num_outputs: int, output_stride: Literal[8, 16]
) -> smp.DeepLabV3Plus:
    """DeepLabv3+ for 3 input channels, its encoder filled; refusals are one sentence."""
    with refusals_in_words(initialization.encoder, "DeepLabv3+", output_stride):
        network = smp.DeepLabV3Plus(
            encoder_name=library_name(initialization.encoder),
            encoder_weights=None,
            encoder_output_stride=output_stride,
            in_channels=3,
            classes=num_outputs,
        )
    load_encoder_weights(network.encoder, initialization)
    return network


@contextmanager
def refusals_in_words(encoder: str, architecture: str, output_stride: int) -> Iterator[None]:
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
