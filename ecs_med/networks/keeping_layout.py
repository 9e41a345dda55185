"""Layers of a decoder after which maps, and gradients, lie channels last like all others.

On a CPU PyTorch mixes maps that lie differently at the cost of passes over memory: a pooled map of
one pixel forgets how it lay, and what it is concatenated with is turned round; the gradient of one
part of a concatenation is a view into the whole, for which the way back of an upsampling takes
seven times as long.
"""

import torch
from segmentation_models_pytorch.decoders.deeplabv3.decoder import ASPPPooling
from torch import nn

from ecs_med.networks.modes import is_plain
from ecs_med.networks.stand_in import StandIn

__all__ = ["KeptPooling", "KeptUpsample"]


class KeptUpsample(StandIn, nn.Upsample):
    """`torch.nn.Upsample` whose way back gets a dense gradient.

    Args:
        layer: The layer to take over.
    """

    @staticmethod
    def fits(layer: nn.Module) -> bool:
        """Whether a layer is one that this is the same as."""
        return type(layer) is nn.Upsample

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        """Of `(B, C, H, W)`."""
        result = super().forward(input)
        if result.requires_grad and result.ndim == 4 and is_plain(input):
            result.register_hook(_channels_last)
        return result


class KeptPooling(StandIn, ASPPPooling):  # type: ignore[misc]  # without types
    """The pooled branch of an atrous pyramid, channels last.

    Args:
        layer: The layer to take over, with its parameters.
    """

    @staticmethod
    def fits(layer: nn.Module) -> bool:
        """Whether a layer is one that this is the same as."""
        return type(layer) is ASPPPooling

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of `(B, C, H, W)`."""
        result = super().forward(x)
        return _channels_last(result) if is_plain(x) else result


def _channels_last(maps: torch.Tensor) -> torch.Tensor:
    return maps.contiguous(memory_format=torch.channels_last)
