"""Depthwise convolutions with holes or large kernels, whose way back is slow in CPU libraries.

oneDNN calculates gradients of a depthwise convolution with holes by its reference loops, and those
of the weights of one with 5 x 5 taps and more slowly: a third of a training step of a small encoder
went there. Here weights get theirs by a convolution as well, of each image by the gradient of its
result: where holes and steps change places, it has as many results as there are taps, and works in
the cache. Where its kernel would be too large, or most taps meet padding alone, as those of an
atrous pyramid on small images, the gradients are calculated tap by tap, each a product of two
shifted maps. Taps that only ever meet padding are left out. Results are those of `torch.nn.Conv2d`
but for rounding.
"""

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from ecs_med.networks.modes import is_plain
from ecs_med.networks.stand_in import StandIn

__all__ = ["WideDepthwiseConv2d"]

Pair = tuple[int, int]

_MANY_TAPS = 5
"""From this side on: gradients of 3 x 3 taps without holes are fast as they are."""
_LARGEST_KERNEL = 32
"""Side of a gradient that a convolution takes as its kernel."""


class WideDepthwiseConv2d(StandIn, nn.Conv2d):
    """A depthwise convolution with holes or many taps and stride 1, quick in training on a CPU.

    On other devices, in other precisions and while a graph is exported it is the layer that it
    stands for. Names in the state dict are the same.

    Args:
        layer: The convolution to take over, with its parameters.

    Example:
        >>> layer = nn.Conv2d(8, 8, 3, padding=4, dilation=4, groups=8)
        >>> images = torch.rand(2, 8, 6, 6)
        >>> torch.allclose(WideDepthwiseConv2d(layer)(images), layer(images), atol=1e-6)
        True
    """

    @staticmethod
    def fits(layer: nn.Module) -> bool:
        """Whether a layer is one that this is the same as."""
        return (
            type(layer) is nn.Conv2d
            and layer.groups == layer.in_channels == layer.out_channels > 1
            and layer.stride == (1, 1)
            and (max(layer.dilation) > 1 or max(layer.kernel_size) >= _MANY_TAPS)
            and layer.padding_mode == "zeros"
            and not isinstance(layer.padding, str)
            and all(
                p <= d * (k - 1)  # where more is padded, the way back would have to cut
                for p, d, k in zip(layer.padding, layer.dilation, layer.kernel_size, strict=True)
            )
        )

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        """Of `(B, C, H, W)`, as `torch.nn.Conv2d`."""
        if not is_plain(input):
            return super().forward(input)
        (height, rows), (width, columns) = (self._reached(input, axis) for axis in (0, 1))
        weight = self.weight[:, :, height, width]
        padding = (rows, columns)
        if not (torch.is_grad_enabled() and (weight.requires_grad or input.requires_grad)):
            return F.conv2d(input, weight, self.bias, 1, padding, self.dilation, self.groups)
        result: torch.Tensor = _TapByTap.apply(input, weight, padding, self.dilation)
        return result if self.bias is None else result + self.bias[:, None, None]

    def _reached(self, images: torch.Tensor, axis: int) -> tuple[slice, int]:
        """Taps that meet an image somewhere, as many left out on both sides, and their padding."""
        size, padding = images.shape[2 + axis], int(self.padding[axis])
        dilation, taps = self.dilation[axis], self.kernel_size[axis]
        length = size + 2 * padding - dilation * (taps - 1)
        first = [i * dilation - padding for i in range(taps)]
        meets = [-length < offset < size for offset in first]
        spare = min(meets.index(True), meets[::-1].index(True)) if any(meets) else 0
        spare = min(spare, padding // dilation)
        return slice(spare, taps - spare), padding - spare * dilation


class _TapByTap(torch.autograd.Function):
    """A depthwise convolution of stride 1 without bias."""

    @staticmethod
    def forward(
        ctx: Any, images: torch.Tensor, weight: torch.Tensor, padding: Pair, dilation: Pair
    ) -> torch.Tensor:
        ctx.save_for_backward(images, weight)
        ctx.padding, ctx.dilation = padding, dilation
        return F.conv2d(images, weight, None, 1, padding, dilation, len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        [gradient] = gradients
        of_images, of_weight = None, None
        spans = [d * (k - 1) for d, k in zip(ctx.dilation, weight.shape[2:], strict=True)]
        if ctx.needs_input_grad[0]:
            padding = tuple(span - p for span, p in zip(spans, ctx.padding, strict=True))
            flipped = weight.flip(2, 3)
            of_images = F.conv2d(gradient, flipped, None, 1, padding, ctx.dilation, len(weight))
        if ctx.needs_input_grad[1]:
            is_near = all(span <= side for span, side in zip(spans, images.shape[2:], strict=True))
            fits = is_near and max(gradient.shape[2:]) <= _LARGEST_KERNEL
            way = _gradient_by_images if fits else _gradient_of_taps
            of_weight = way(images, gradient, weight, ctx.padding, ctx.dilation)
        return of_images, of_weight, None, None


def _gradient_by_images(
    images: torch.Tensor,
    gradient: torch.Tensor,
    weight: torch.Tensor,
    padding: Pair,
    dilation: Pair,
) -> torch.Tensor:
    """The sum over the images, each convolved by the gradient of its result.

    Taps are `dilation` apart: that is the stride of the convolution, and its stride, 1, the
    distance of the taps.
    """
    total = torch.zeros_like(weight)
    for image, kernel in zip(images.split(1), gradient.split(1), strict=True):
        found = F.conv2d(image, kernel.movedim(0, 1), None, dilation, padding, 1, len(weight))
        total += found.movedim(1, 0)
    return total


def _gradient_of_taps(
    images: torch.Tensor,
    gradient: torch.Tensor,
    weight: torch.Tensor,
    padding: Pair,
    dilation: Pair,
) -> torch.Tensor:
    """Of each tap the sum of the images, moved by its place, times the gradient of the result."""
    # Channels last, as they lie in memory.
    images, gradient = images.permute(0, 2, 3, 1), gradient.permute(0, 2, 3, 1)
    taps = weight.new_zeros((*weight.shape[2:], len(weight)))
    for row, column in torch.cartesian_prod(*(torch.arange(k) for k in weight.shape[2:])).tolist():
        moved, met = images, gradient
        for axis, tap in ((0, row), (1, column)):
            offset = tap * dilation[axis] - padding[axis]
            start = max(0, -offset)
            length = min(gradient.shape[1 + axis], images.shape[1 + axis] - offset) - start
            if length <= 0:
                break
            moved = moved.narrow(1 + axis, start + offset, length)
            met = met.narrow(1 + axis, start, length)
        else:
            torch.sum(moved * met, dim=(0, 1, 2), out=taps[row, column])
    return taps.permute(2, 0, 1)[:, None]
