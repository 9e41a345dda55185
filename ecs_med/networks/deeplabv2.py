"""DeepLabv2: parallel dilated convolutions on a dilated encoder, summed to class logits."""

from collections.abc import Sequence
from typing import ClassVar

import segmentation_models_pytorch as smp
import torch
from pydantic import Field
from torch import nn
from torch.nn import functional as F

from ecs_med.config import Settings
from ecs_med.networks.deeplab import DeepLabSettings, EncoderNetwork, refusals_in_words
from ecs_med.networks.encoders import adapt_first_layer, library_name
from ecs_med.networks.initialization import Initialization
from ecs_med.networks.weights import load_encoder_weights

__all__ = ["PUBLISHED_RATES", "DeepLabV2", "DeepLabV2Network", "DeepLabV2Settings"]

PUBLISHED_RATES = (6, 12, 18, 24)
"""Dilations of the atrous spatial pyramid (Chen et al. 2018, ASPP-L)."""


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


class DeepLabV2Settings(DeepLabSettings):
    """What DeepLabv2 can be told; it was published with an output stride of 8."""

    aspp_rates: tuple[int, ...] = Field(PUBLISHED_RATES, min_length=1)
    """Dilations of the convolutions whose sum gives the class logits; the public code of Hung et
    al. 2018 returns early and so uses `(6, 12)` only."""


class DeepLabV2Network(EncoderNetwork):
    """DeepLabv2 on an encoder of segmentation-models-pytorch."""

    name: ClassVar[str] = "deeplabv2"
    title: ClassVar[str] = "DeepLabv2"
    settings_class: ClassVar[type[Settings]] = DeepLabV2Settings

    @classmethod
    def build(
        cls,
        initialization: Initialization,
        *,
        in_channels: int,
        num_classes: int,
        settings: Settings,
    ) -> nn.Module:
        """Dilated encoder and atrous pyramid."""
        assert isinstance(settings, DeepLabV2Settings)
        name, stride = initialization.encoder, settings.output_stride
        with refusals_in_words(name, cls.title, stride):
            encoder = smp.encoders.get_encoder(
                library_name(name), weights=None, output_stride=stride
            )
        load_encoder_weights(encoder, initialization)
        network = DeepLabV2(encoder, num_classes, settings.aspp_rates)
        adapt_first_layer(encoder, in_channels)
        return network
