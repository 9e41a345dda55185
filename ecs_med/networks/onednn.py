"""Convolutions that PyTorch keeps from oneDNN on a CPU although that is faster.

In one thread PyTorch computes convolutions of one pixel (1 x 1) in batches below 16, and all of a
single volume, by matrix products of its own; in several threads, and in larger batches, by oneDNN.
Half of a small network's time went there. The layers here ask oneDNN whatever the batch, so that
results do not depend on it either.
"""

import torch
from torch import nn

__all__ = ["OneDnnConv2d", "OneDnnConv3d", "quicken_inference"]


class OneDnnConv2d(nn.Conv2d):
    """A convolution of images of one pixel, by oneDNN where no gradient is asked for.

    With gradients, on other devices, in other precisions and while a graph is exported it is the
    layer that it stands for. Names in the state dict are the same.

    Args:
        layer: The convolution to take over, with its parameters.

    Example:
        >>> layer = nn.Conv2d(8, 4, 1)
        >>> images = torch.rand(2, 8, 6, 6)
        >>> torch.allclose(OneDnnConv2d(layer)(images), layer(images), atol=1e-6)
        True
    """

    def __init__(self, layer: nn.Conv2d) -> None:
        nn.Module.__init__(self)
        self.__dict__.update(layer.__dict__)

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        """Of `(B, C, H, W)`, as `torch.nn.Conv2d`."""
        return _convolved(self, input) if _is_plain(self, input) else super().forward(input)


class OneDnnConv3d(nn.Conv3d):
    """The same of volumes, with kernels of any size."""

    def __init__(self, layer: nn.Conv3d) -> None:
        nn.Module.__init__(self)
        self.__dict__.update(layer.__dict__)

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        """Of `(B, C, D, H, W)`, as `torch.nn.Conv3d`."""
        return _convolved(self, input) if _is_plain(self, input) else super().forward(input)


def quicken_inference(network: nn.Module) -> nn.Module:
    """Put the layers of this module in place of those that they stand for.

    Args:
        network: Changed in place; names and values of its state stay.

    Returns:
        The network.
    """
    for name, child in network.named_children():
        if type(child) is nn.Conv2d and child.kernel_size == (1, 1) and _fits(child):
            setattr(network, name, OneDnnConv2d(child))
        elif type(child) is nn.Conv3d and _fits(child):
            setattr(network, name, OneDnnConv3d(child))
        else:
            quicken_inference(child)
    return network


def _fits(layer: nn.Conv2d | nn.Conv3d) -> bool:
    return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)


def _is_plain(layer: nn.Conv2d | nn.Conv3d, images: torch.Tensor) -> bool:
    """Whether float32 images are computed on a CPU, step by step and without a way back."""
    return (
        images.device.type == "cpu"
        and images.dtype == layer.weight.dtype == torch.float32
        and images.ndim == layer.weight.ndim
        and not torch.is_grad_enabled()
        and torch.backends.mkldnn.is_available()
        and not torch.is_autocast_enabled("cpu")
        and not torch.jit.is_tracing()  # type: ignore[attr-defined]
        and not torch.compiler.is_compiling()
    )


def _convolved(layer: nn.Conv2d | nn.Conv3d, images: torch.Tensor) -> torch.Tensor:
    sides = (layer.padding, layer.stride, layer.dilation)
    padding, stride, dilation = ([int(side) for side in own] for own in sides)
    return torch.mkldnn_convolution(
        images, layer.weight, layer.bias, padding, stride, dilation, layer.groups
    )
