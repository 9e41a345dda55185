"""Convolutions of volumes, which PyTorch keeps from oneDNN on a CPU although that is faster.

A single volume in one thread it computes by matrix products of its own, which take several times
as long. The layer here asks oneDNN, and results do not depend on the batch.
"""

import torch
from torch import nn

from ecs_med.networks.modes import is_plain
from ecs_med.networks.stand_in import StandIn

__all__ = ["OneDnnConv3d"]


class OneDnnConv3d(StandIn, nn.Conv3d):
    """A convolution of volumes by oneDNN, where no gradient is asked for.

    With gradients, on other devices, in other precisions and while a graph is exported it is the
    layer that it stands for. Names in the state dict are the same.

    Args:
        layer: The convolution to take over, with its parameters.

    Example:
        >>> layer = nn.Conv3d(8, 4, 3)
        >>> volumes = torch.rand(1, 8, 6, 6, 6)
        >>> torch.allclose(OneDnnConv3d(layer)(volumes), layer(volumes), atol=1e-6)
        True
    """

    @staticmethod
    def fits(layer: nn.Module) -> bool:
        """Whether a layer is one that this is the same as."""
        return (
            type(layer) is nn.Conv3d
            and layer.padding_mode == "zeros"
            and not isinstance(layer.padding, str)
        )

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        """Of `(B, C, D, H, W)`, as `torch.nn.Conv3d`."""
        quick = input.ndim == 5 and not torch.is_grad_enabled() and is_plain(input)
        if not (quick and torch.backends.mkldnn.is_available()):
            return super().forward(input)
        sides = (self.padding, self.stride, self.dilation)
        padding, stride, dilation = ([int(side) for side in own] for own in sides)
        return torch.mkldnn_convolution(
            input, self.weight, self.bias, padding, stride, dilation, self.groups
        )
