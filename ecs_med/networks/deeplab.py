"""DeepLabv3+, segmenter and corrector (Mendel et al. 2020, sections 4.3 and 4.7), and DeepLabv2."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, Literal

import segmentation_models_pytorch as smp
import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from ecs_med.config import Settings
from ecs_med.errors import SettingsError
from ecs_med.networks.base import Network
from ecs_med.networks.encoders import adapt_first_layer, channel_statistics, library_name
from ecs_med.networks.initialization import Initialization
from ecs_med.networks.weights import load_encoder_weights

__all__ = [
    "PUBLISHED_RATES",
    "DeepLabV2",
    "DeepLabV2Network",
    "DeepLabV3PlusNetwork",
    "build_corrector",
    "deeplabv3plus",
]

PUBLISHED_RATES = (6, 12, 18, 24)
"""Dilations of the atrous spatial pyramid (Chen et al. 2018, ASPP-L)."""


class DeepLabSettings(Settings):
    """What a DeepLab can be told."""

    output_stride: Literal[8, 16] = 16
    """Stride of the encoder."""


class DeepLabV3PlusNetwork(Network):
    """DeepLabv3+ of segmentation-models-pytorch."""

    name: ClassVar[str] = "deeplabv3plus"
    title: ClassVar[str] = "DeepLabv3+"
    has_encoder: ClassVar[bool] = True
    settings_class: ClassVar[type[Settings]] = DeepLabSettings

    @classmethod
    def build(
        cls, weights: Initialization, *, in_channels: int, num_classes: int, settings: Settings
    ) -> nn.Module:
        """Encoder, atrous pyramid and decoder at a quarter of the resolution."""
        assert isinstance(settings, DeepLabSettings)
        network: nn.Module = deeplabv3plus(weights, num_classes, settings.output_stride)
        adapt_first_layer(network.get_submodule("encoder"), in_channels)
        return network

    @classmethod
    def statistics(cls, encoder: str, channels: int) -> tuple[list[float], list[float]]:
        """Those that the encoder's ImageNet weights expect."""
        return channel_statistics(encoder, channels)


class DeepLabV2Settings(DeepLabSettings):
    """What DeepLabv2 can be told; it was published with an output stride of 8."""

    aspp_rates: tuple[int, ...] = Field(PUBLISHED_RATES, min_length=1)
    """Dilations of the convolutions whose sum gives the class logits; the public code of Hung et
    al. 2018 returns early and so uses `(6, 12)` only."""


class DeepLabV2Network(DeepLabV3PlusNetwork):
    """DeepLabv2 on an encoder of segmentation-models-pytorch."""

    name: ClassVar[str] = "deeplabv2"
    title: ClassVar[str] = "DeepLabv2"
    settings_class: ClassVar[type[Settings]] = DeepLabV2Settings

    @classmethod
    def build(
        cls, weights: Initialization, *, in_channels: int, num_classes: int, settings: Settings
    ) -> nn.Module:
        """Dilated encoder and atrous pyramid."""
        assert isinstance(settings, DeepLabV2Settings)
        name, stride = library_name(weights.encoder), settings.output_stride
        with _refusals_in_words(weights.encoder, cls.title, stride):
            encoder = smp.encoders.get_encoder(name, weights=None, output_stride=stride)
        load_encoder_weights(encoder, weights)
        network = DeepLabV2(encoder, num_classes, settings.aspp_rates)
        adapt_first_layer(encoder, in_channels)
        return network


class DeepLabV2(nn.Module):
    """The segmenter of Hung et al. 2018 and Mittal et al. 2019.

    Args:
        encoder: An encoder of segmentation-models-pytorch, output stride 8 in the publications;
            only its deepest features are used. At stride 8 a ResNet's last two stages are dilated
            by 2 and 4; their first blocks keep the dilation of the stage before, as torchvision's.
        num_classes: N.
        rates: Dilation of each 3 x 3 convolution of the pyramid; their outputs are summed. The
            public code of Hung et al. returns after two of them, that is `(6, 12)`.

    Source:
        Chen et al. 2018, "DeepLab: Semantic Image Segmentation with Deep Convolutional Nets,
        Atrous Convolution, and Fully Connected CRFs", without the CRF.
    """

    def __init__(
        self, encoder: nn.Module, num_classes: int, rates: Sequence[int] = PUBLISHED_RATES
    ) -> None:
        super().__init__()
        self.encoder = encoder
        channels: int = encoder.out_channels[-1]  # type: ignore[index, assignment]
        self.pyramid = nn.ModuleList(
            nn.Conv2d(channels, num_classes, 3, padding=rate, dilation=rate) for rate in rates
        )
        for convolution in self.pyramid:
            assert isinstance(convolution, nn.Conv2d)
            nn.init.normal_(convolution.weight, std=0.01)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(B, N, H, W)` of `(B, C, H, W)`, bilinear from the encoder's resolution."""
        deepest = self.encoder(images)[-1]
        logits = torch.stack([convolution(deepest) for convolution in self.pyramid]).sum(dim=0)
        return F.interpolate(logits, images.shape[-2:], mode="bilinear", align_corners=False)


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
