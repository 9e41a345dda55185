"""Layers that PyTorch computes slowly on a CPU, and those that are put in their place."""

from torch import nn

from ecs_med.networks.depthwise import WideDepthwiseConv2d
from ecs_med.networks.depthwise_same import SameDepthwiseConv2d
from ecs_med.networks.keeping_layout import KeptPooling, KeptUpsample
from ecs_med.networks.onednn import OneDnnConv3d
from ecs_med.networks.pointwise import PointwiseConv2d
from ecs_med.networks.relu6 import InPlaceReLU6
from ecs_med.networks.stand_in import StandIn

__all__ = ["quicken", "quicken_inference"]

_TRAINED: tuple[type[StandIn], ...] = (
    WideDepthwiseConv2d,
    SameDepthwiseConv2d,
    PointwiseConv2d,
    InPlaceReLU6,
    KeptUpsample,
    KeptPooling,
)


def quicken(network: nn.Module) -> nn.Module:
    """Put quick layers in place of those that they are the same as.

    Args:
        network: Changed in place; names and values of its state stay.

    Returns:
        The network.
    """
    return _replaced(network, _TRAINED)


def quicken_inference(network: nn.Module) -> nn.Module:
    """The same with layers that are quick where no gradient is asked for."""
    return _replaced(network, (OneDnnConv3d,))


def _replaced(network: nn.Module, kinds: tuple[type[StandIn], ...]) -> nn.Module:
    for name, child in network.named_children():
        kind = next((kind for kind in kinds if kind.fits(child)), None)
        if kind is not None:
            child = kind(child)
            setattr(network, name, child)
        _replaced(child, kinds)
    return network
