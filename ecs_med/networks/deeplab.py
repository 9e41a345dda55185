"""DeepLabv3+, segmenter and corrector (Mendel et al. 2020, sections 4.3 and 4.7), and DeepLabv2."""

from collections.abc import Sequence
from typing import ClassVar, Literal

import segmentation_models_pytorch as smp
import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from ecs_med.config import Settings
from ecs_med.networks.base import Network
from ecs_med.networks.encoders import (
    adapt_first_layer,
    channel_statistics,
    library_name,
    refuse_vit,
)
from ecs_med.networks.initialization import Initialization
from ecs_med.networks.weights import build_encoder, load_encoder_weights, refusals_in_words

__all__ = [
    "PUBLISHED_RATES",
    "DeepLabV2",
    "DeepLabV2Network",
    "DeepLabV3PlusNetwork",
    "build_corrector",
    "corrector_input",
    "deeplabv3plus",
    "one_hot",
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
        return deeplabv3plus(
            weights,
            in_channels=in_channels,
            num_outputs=num_classes,
            output_stride=settings.output_stride,
        )

    @classmethod
    def check_encoder(cls, encoder: str) -> None:
        """Plain vision transformers have a network of their own."""
        refuse_vit(encoder, cls.title)

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
        encoder = build_encoder(weights, in_channels, cls.title, settings.output_stride)
        return DeepLabV2(encoder, num_classes, settings.aspp_rates)


class DeepLabV2(nn.Module):
    """The segmenter of Hung et al. 2018 and Mittal et al. 2019.

    Args:
        encoder: An encoder of segmentation-models-pytorch, output stride 8 in the publications;
            only its deepest features are used. At stride 8 a ResNet's last two stages are dilated
            by 2 and 4; their first blocks keep the dilation of the stage before, as torchvision's.
        num_classes: N.
        rates: Dilation of each 3 x 3 convolution of the pyramid; their outputs are summed.

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
        return self.decode(self.encode(images))

    def encode(self, images: torch.Tensor) -> Sequence[torch.Tensor]:
        """The image, of which the decoder takes the size, and the deepest features."""
        return images, self.encoder(images)[-1]

    def decode(self, features: Sequence[torch.Tensor]) -> torch.Tensor:
        """Logits of what `encode` gave."""
        images, deepest = features
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

    Args:
        initialization: Encoder and its weights.
        in_channels: Channels of the image.
        num_classes: N, without the added class.
        output_stride: Stride of the encoder's output, 8 or 16.

    Returns:
        A module from `(B, in_channels + N, H, W)`, as `corrector_input` joins them, to logits
        `(B, N+1, H, W)`.

    Raises:
        SettingsError: If the encoder is unknown, cannot be dilated, or its weights do not fit.
    """
    return deeplabv3plus(
        initialization,
        in_channels=in_channels,
        extra=num_classes,
        num_outputs=num_classes + 1,
        output_stride=output_stride,
    )


def corrector_input(images: torch.Tensor, class_map: torch.Tensor) -> torch.Tensor:
    """The image concatenated with a class map along the channels.

    Args:
        images: `(B, C, *spatial)`.
        class_map: `(B, N, *spatial)`: the segmenter's probabilities, or a one-hot reference.

    Returns:
        `(B, C + N, *spatial)`.
    """
    return torch.cat([images, class_map.to(images.dtype)], dim=1)


def one_hot(labels: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Labels as an N-channel map.

    Args:
        labels: `(B, *spatial)`, integers, `IGNORE_INDEX` where void.
        num_classes: N.

    Returns:
        `(B, N, *spatial)`, bool, with the channels last in memory; all N channels are false in
        void.

    Example:
        >>> one_hot(torch.tensor([[0, 1, 255]]), 2).int().tolist()
        [[[1, 0, 0], [0, 1, 0]]]
    """
    # Not `F.one_hot`, which makes integers of 64 bits and looks at all labels before it returns.
    classes = torch.arange(num_classes, device=labels.device)
    return (labels.unsqueeze(-1) == classes).movedim(-1, 1)


def deeplabv3plus(
    initialization: Initialization,
    *,
    in_channels: int,
    num_outputs: int,
    output_stride: Literal[8, 16] = 16,
    extra: int = 0,
) -> nn.Module:
    """DeepLabv3+ with its encoder filled, for images with `extra` channels concatenated to them.

    Channels are those of `adapt_first_layer`; errors as `build_corrector`.
    """
    with refusals_in_words(initialization.encoder, "DeepLabv3+", output_stride):
        network: nn.Module = smp.DeepLabV3Plus(
            encoder_name=library_name(initialization.encoder),
            encoder_weights=None,
            encoder_output_stride=output_stride,
            in_channels=3,
            classes=num_outputs,
        )
    encoder = network.get_submodule("encoder")
    load_encoder_weights(encoder, initialization)
    adapt_first_layer(encoder, in_channels, extra=extra)
    return network
