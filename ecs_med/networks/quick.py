"""Layers that PyTorch computes slowly on a CPU, and those that are put in their place."""

from torch import nn

from ecs_med.networks.depthwise import DilatedDepthwiseConv2d
from ecs_med.networks.pointwise import PointwiseConv2d

__all__ = ["quicken"]


def quicken(network: nn.Module) -> nn.Module:
    """Put quick layers in place of the convolutions that they are the same as.

    Args:
        network: Changed in place; names and values of its state stay.

    Returns:
        The network.
    """
    for name, child in network.named_children():
        if isinstance(child, nn.Conv2d) and DilatedDepthwiseConv2d.fits(child):
            setattr(network, name, DilatedDepthwiseConv2d(child))
        elif isinstance(child, nn.Conv2d) and PointwiseConv2d.fits(child):
            setattr(network, name, PointwiseConv2d(child))
        else:
            quicken(child)
    return network
