"""Depthwise convolutions with TensorFlow's SAME padding, without a padded copy of their input.

With a stride of 2 SAME pads one pixel more at the end than at the beginning, which no library's
convolution does: timm writes a padded copy of the largest maps of an encoder, and on the way back
cuts their gradients out of another one. A kernel with a zero row and a zero column in front, padded
alike on all sides, gives the same.
"""

from typing import Any

import torch
from timm.layers import Conv2dSame
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from ecs_med.networks.modes import is_plain
from ecs_med.networks.padding import same_padding
from ecs_med.networks.stand_in import StandIn

__all__ = ["SameDepthwiseConv2d"]

Pair = tuple[int, int]


class SameDepthwiseConv2d(StandIn, Conv2dSame):  # type: ignore[misc]  # without types
    """A depthwise convolution with SAME padding, quick on a CPU.

    On other devices, in other precisions and while a graph is exported it is the layer that it
    stands for. Names in the state dict are the same.

    Args:
        layer: The convolution to take over, with its parameters.

    Example:
        >>> layer = Conv2dSame(8, 8, 3, stride=2, groups=8)
        >>> images = torch.rand(2, 8, 6, 6)
        >>> torch.allclose(SameDepthwiseConv2d(layer)(images), layer(images), atol=1e-6)
        True
    """

    # timm's layer is without types.
    weight: torch.Tensor
    bias: torch.Tensor | None
    stride: Pair
    groups: int

    @staticmethod
    def fits(layer: nn.Module) -> bool:
        """Whether a layer is one that this is the same as."""
        return (
            isinstance(layer, nn.Conv2d)
            and type(layer) is Conv2dSame
            and layer.groups == layer.in_channels == layer.out_channels > 1
            and layer.dilation == (1, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of `(B, C, H, W)`, as `timm.layers.Conv2dSame`."""
        if not is_plain(x):
            usual: torch.Tensor = super().forward(x)
            return usual
        left, right, top, bottom = same_padding(self, x)
        before, after = (top, left), (bottom, right)
        if not (torch.is_grad_enabled() and (x.requires_grad or self.weight.requires_grad)):
            widened = _widened(self.weight, before, after)
            return F.conv2d(x, widened, self.bias, self.stride, after, 1, self.groups)
        result: torch.Tensor = _Same.apply(x, self.weight, before, after, self.stride)
        return result if self.bias is None else result + self.bias[:, None, None]


class _Same(torch.autograd.Function):
    """A depthwise convolution without bias, padded by `before` and `after`, one more at most."""

    @staticmethod
    def forward(
        ctx: Any,
        images: torch.Tensor,
        weight: torch.Tensor,
        before: Pair,
        after: Pair,
        stride: Pair,
    ) -> torch.Tensor:
        ctx.save_for_backward(images, weight)
        ctx.before, ctx.after, ctx.stride = before, after, stride
        widened = _widened(weight, before, after)
        return F.conv2d(images, widened, None, stride, after, 1, len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        images, weight = ctx.saved_tensors
        [gradient] = gradients
        of_images, of_weight = None, None
        if ctx.needs_input_grad[0]:
            widened = _widened(weight, ctx.before, ctx.after)
            of_images = _back(gradient, images, widened, ctx.stride, ctx.after, (True, False))[0]
        if ctx.needs_input_grad[1]:
            # Of widened kernels oneDNN calculates this by its reference loops.
            (top, left), (bottom, right) = ctx.before, ctx.after
            padded = F.pad(images, (left, right, top, bottom))
            of_weight = _back(gradient, padded, weight, ctx.stride, (0, 0), (False, True))[1]
        return of_images, of_weight, None, None, None


def _widened(weight: torch.Tensor, before: Pair, after: Pair) -> torch.Tensor:
    """Kernels with zeros in front, as many as there is more padding after than before."""
    rows, columns = (last - first for first, last in zip(before, after, strict=True))
    return F.pad(weight, (columns, 0, rows, 0)) if rows or columns else weight


def _back(
    gradient: torch.Tensor,
    images: torch.Tensor,
    weight: torch.Tensor,
    stride: Pair,
    padding: Pair,
    wanted: tuple[bool, bool],
) -> tuple[torch.Tensor, torch.Tensor]:
    found: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    found = torch.ops.aten.convolution_backward(
        *(gradient, images, weight, None, stride, padding, (1, 1), False, (0, 0)),
        *(len(weight), [*wanted, False]),
    )
    return found[:2]
