"""Networks of the rivals that tell a reference from a segmentation."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["ConvolutionalDiscriminator", "ImageDiscriminator"]

_WIDTHS = (64, 128, 256, 512)
_SLOPE = 0.2


class ConvolutionalDiscriminator(nn.Module):
    """The fully convolutional discriminator of AdvSemiSeg: one score a pixel.

    Five 4 x 4 convolutions of stride 2, LeakyReLU after the first four, no batch normalization,
    bilinear upsampling to the size of the input.

    Args:
        num_classes: N, channels of the class map; the image is not seen.

    Source:
        Hung et al. 2018, "Adversarial Learning for Semi-Supervised Semantic Segmentation",
        section 3.2.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        blocks = [
            nn.Sequential(_halving(before, after), nn.LeakyReLU(_SLOPE))
            for before, after in zip((num_classes, *_WIDTHS), _WIDTHS, strict=False)
        ]
        self.layers = nn.Sequential(*blocks, _halving(_WIDTHS[-1], 1))

    def forward(self, class_map: torch.Tensor) -> torch.Tensor:
        """Logits of "real", `(B, 1, H, W)`, of `(B, N, H, W)`; H and W are at least 32."""
        scores = self.layers(class_map)
        return F.interpolate(scores, class_map.shape[-2:], mode="bilinear", align_corners=False)


class ImageDiscriminator(nn.Module):
    """The discriminator of s4GAN: one score a picture, and the features behind it.

    Four 4 x 4 convolutions of stride 2 with LeakyReLU, dropout on the first three, global average
    pool, one linear layer. It sees the image, brought back to intensities in 0..1, concatenated
    with the class map.

    Args:
        num_classes: N, channels of the class map.
        mean: Of each image channel, as subtracted before; one value a channel.
        std: Of each image channel, as divided by before.
        spatial_dims: Of the images.
        dropout: Probability of the dropout.

    Source:
        Mittal et al. 2019, "Semi-Supervised Semantic Segmentation with High- and Low-level
        Consistency", section 3.1 and appendix.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(
        self,
        num_classes: int,
        mean: Sequence[float],
        std: Sequence[float],
        spatial_dims: int = 2,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        # Constants of the run, not state: kept out of checkpoints.
        by_channel = (-1, *[1] * spatial_dims)
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values).view(by_channel), persistent=False)
        widths = (len(mean) + num_classes, *_WIDTHS)
        self.layers = nn.Sequential(
            *(
                nn.Sequential(
                    _halving(before, after, spatial_dims),
                    nn.LeakyReLU(_SLOPE),
                    nn.Dropout(dropout) if after != _WIDTHS[-1] else nn.Identity(),
                )
                for before, after in zip(widths, _WIDTHS, strict=False)
            )
        )
        self.score = nn.Linear(_WIDTHS[-1], 1)

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Judge pictures.

        Args:
            inputs: `(B, C + N, *spatial)`, normalised image and class map as `corrector_input`
                joins them; sides are at least 16.

        Returns:
            Logits of "real" `(B,)`, and features `(B, 512)`.
        """
        channels = len(self.mean)
        images = inputs[:, :channels] * self.std + self.mean
        maps = self.layers(torch.cat([images, inputs[:, channels:]], dim=1))
        features = maps.mean(dim=tuple(range(2, maps.ndim)))
        return self.score(features)[:, 0], features


def _halving(in_channels: int, out_channels: int, spatial_dims: int = 2) -> nn.Module:
    convolution = nn.Conv2d if spatial_dims == 2 else nn.Conv3d
    return convolution(in_channels, out_channels, 4, stride=2, padding=1)
