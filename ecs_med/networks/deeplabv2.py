"""DeepLabv2: parallel dilated convolutions on a dilated encoder, summed to class logits."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["PUBLISHED_RATES", "DeepLabV2"]

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
