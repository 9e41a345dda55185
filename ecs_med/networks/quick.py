"""Layers that PyTorch computes slowly on a CPU, and those that are put in their place."""

from torch import nn

from ecs_med.networks.depthwise import DilatedDepthwiseConv2d
from ecs_med.networks.onednn import OneDnnConv3d
from ecs_med.networks.pointwise import PointwiseConv2d

__all__ = ["quicken", "quicken_inference"]

Kind = type[DilatedDepthwiseConv2d] | type[PointwiseConv2d] | type[OneDnnConv3d]


def quicken(network: nn.Module) -> nn.Module:
    """Put quick layers in place of the convolutions that they are the same as.

    Args:
        network: Changed in place; names and values of its state stay.

    Returns:
        The network.
    """
    return _replaced(network, (DilatedDepthwiseConv2d, PointwiseConv2d))


def quicken_inference(network: nn.Module) -> nn.Module:
    """The same with layers that are quick where no gradient is asked for."""
    return _replaced(network, (OneDnnConv3d,))


def _replaced(network: nn.Module, kinds: tuple[Kind, ...]) -> nn.Module:
    for name, child in network.named_children():
        kind = next((kind for kind in kinds if kind.fits(child)), None)
        if kind is None:
            _replaced(child, kinds)
        else:
            setattr(network, name, kind(child))  # type: ignore[arg-type]  # it fits
    return network
