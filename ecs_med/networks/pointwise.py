"""1 x 1 convolutions, which PyTorch computes slowly in small batches on one thread.

There (below 16 images, one thread) it unfolds every image for a matrix product of its own. Such
layers are most of a training step of a small encoder. A 1 x 1 convolution does not know which pixel
belongs to which image, so that channels-last pixels can be taken together without a copy: as 16
images or more, for which PyTorch asks oneDNN, or as one matrix product, for which it asks MKL. On
Intel's processors the product is faster where gradients follow, and oneDNN by 3 % in inference, as
it adds the bias on the way; on others MKL reaches half of what oneDNN does.
"""

import platform
from functools import cache
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from ecs_med.networks.modes import is_plain
from ecs_med.networks.stand_in import StandIn

__all__ = ["PointwiseConv2d"]

_CPUINFO = Path("/proc/cpuinfo")
_ENOUGH_IMAGES = 16
_MOST_IMAGES = 64
_FEWEST_CHANNELS = 16
"""With less, as of the last layer of a segmenter, PyTorch's choice is faster than oneDNN."""


class PointwiseConv2d(StandIn, nn.Conv2d):
    """A 1 x 1 convolution of stride 1, quick in small batches on one thread of a CPU.

    Elsewhere it is the layer that it stands for. Results are the same but for rounding, names in
    the state dict are the same.

    Args:
        layer: The convolution to take over, with its parameters.

    Example:
        >>> layer = nn.Conv2d(16, 32, 1)
        >>> images = torch.rand(2, 16, 6, 6)
        >>> torch.allclose(PointwiseConv2d(layer)(images), layer(images), atol=1e-6)
        True
    """

    @staticmethod
    def fits(layer: nn.Module) -> bool:
        """Whether a layer is one that this is the same as."""
        return (
            type(layer) is nn.Conv2d
            and layer.kernel_size == layer.stride == (1, 1)
            and layer.padding in ((0, 0), 0, "valid", "same")
            and layer.groups == 1
            and layer.in_channels >= _FEWEST_CHANNELS
        )

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        """Of `(B, C, H, W)`, as `torch.nn.Conv2d`."""
        if not (is_plain(input) and _is_slow(input)):
            return super().forward(input)
        number = _as_images(input)
        # Not where gradients are merely off, as in parts of a step: all of it is to round alike.
        if _mkl_is_quick() and (number is None or not torch.is_inference_mode_enabled()):
            product = F.linear(input.permute(0, 2, 3, 1), self.weight.flatten(1))
            if self.bias is not None:
                product += self.bias  # Within the product PyTorch writes it everywhere first.
            return product.permute(0, 3, 1, 2)
        few = self.out_channels < _FEWEST_CHANNELS and not _mkl_is_quick()
        if number is None or few:
            return super().forward(input)
        batch, _, height, width = input.shape
        pixels = input.permute(0, 2, 3, 1).reshape(number, 1, -1, self.in_channels)
        result = F.conv2d(pixels.permute(0, 3, 1, 2), self.weight, self.bias)
        result = result.permute(0, 2, 3, 1).reshape(batch, height, width, self.out_channels)
        return result.permute(0, 3, 1, 2)


def _is_slow(images: torch.Tensor) -> bool:
    """Whether PyTorch's choice is the slow one, and the pixels lie so that another can be made."""
    return (
        images.ndim == 4
        and images.numel() > 0
        and images.shape[0] < _ENOUGH_IMAGES
        and torch.get_num_threads() == 1
        and images.is_contiguous(memory_format=torch.channels_last)
    )


@cache
def _mkl_is_quick() -> bool:
    """Whether PyTorch has MKL, and this is a processor of MKL's maker."""
    if not torch.backends.mkl.is_available():
        return False
    there = _CPUINFO.is_file()
    described = _CPUINFO.read_text(errors="replace") if there else platform.processor()
    return "GenuineIntel" in described


def _as_images(images: torch.Tensor) -> int | None:
    """As how many images the pixels of a batch are shown; `None`: as they are."""
    num_pixels = images.numel() // images.shape[1]
    fitting = range(_ENOUGH_IMAGES, _MOST_IMAGES + 1)
    return next((n for n in fitting if num_pixels % n == 0), None)
