"""ReLU6 in place, without the copy of its input that PyTorch keeps for the way back.

In place PyTorch computes min(max(x, 0), 6) on a copy of x, which it keeps, since the gradient is
written in terms of x. What came out tells as much: the gradient passes where 0 < y < 6. So nothing
is copied, and nothing is kept but what the next layer keeps anyway.
"""

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable

from ecs_med.networks.modes import is_plain
from ecs_med.networks.stand_in import StandIn

__all__ = ["InPlaceReLU6"]

_RANGE = (0.0, 6.0)


class InPlaceReLU6(StandIn, nn.ReLU6):
    """`torch.nn.ReLU6(inplace=True)` with the same values and gradients to the last bit.

    On other devices, in other precisions, while a graph is exported and without gradients it is
    the layer that it stands for.

    Args:
        layer: The layer to take over.

    Example:
        >>> images = torch.tensor([-1.0, 2.0, 7.0], requires_grad=True)
        >>> (InPlaceReLU6(nn.ReLU6(inplace=True))(images * 1) * 3).sum().backward()
        >>> images.grad
        tensor([0., 3., 0.])
    """

    @staticmethod
    def fits(layer: nn.Module) -> bool:
        """Whether a layer is one that this is the same as."""
        return type(layer) is nn.ReLU6 and layer.inplace

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        """Of any shape."""
        if input.requires_grad and is_plain(input) and torch.is_grad_enabled():
            clamped: torch.Tensor = _Clamped.apply(input)
            return clamped
        return super().forward(input)


class _Clamped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        ctx.mark_dirty(values)
        result = values.clamp_(*_RANGE)
        ctx.save_for_backward(result)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        [result] = ctx.saved_tensors
        [gradient] = gradients
        passed: torch.Tensor = torch.ops.aten.hardtanh_backward(gradient, result, *_RANGE)
        return passed
