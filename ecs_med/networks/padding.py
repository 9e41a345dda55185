"""SAME padding of TensorFlow's encoders as the constant that it is for images of certain sides."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from timm.layers import Conv2dSame
from torch import nn

from ecs_med.errors import SettingsError

__all__ = ["MULTIPLE", "fix_padding", "same_padding"]

MULTIPLE = 16
"""Of which sides are to be multiples where SAME padding is fixed."""
_SIDES = (4 * MULTIPLE, 7 * MULTIPLE)


def fix_padding(network: nn.Module, channels: int) -> None:
    """Replace SAME padding, whose size is calculated from that of the image.

    Args:
        network: Of slices; changed in place.
        channels: That it takes.

    Raises:
        SettingsError: If the padding of a layer is not the same for all sides that are multiples of
            `MULTIPLE`.
    """
    paddings: dict[str, set[tuple[int, int, int, int]]] = {}
    for side in _SIDES:
        with _watched(network, paddings), torch.no_grad():
            network(torch.zeros(1, channels, side, side))
    for name, found in paddings.items():
        if len(found) > 1:
            raise SettingsError(
                f"The layer {name} pads images by their size, which a graph for images of any size "
                "cannot hold; train with another `encoder`, such as resnet50."
            )
        old = network.get_submodule(name)
        assert isinstance(old, Conv2dSame)
        network.set_submodule(name, nn.Sequential(nn.ZeroPad2d(found.pop()), _plain(old)))


@contextmanager
def _watched(
    network: nn.Module, paddings: dict[str, set[tuple[int, int, int, int]]]
) -> Iterator[None]:
    """Add what every layer with SAME padding pads: left, right, top, bottom."""
    handles = []
    for name, layer in network.named_modules():
        if isinstance(layer, Conv2dSame):

            def watch(module: nn.Module, inputs: tuple[torch.Tensor], name: str = name) -> None:
                assert isinstance(module, Conv2dSame)
                paddings.setdefault(name, set()).add(same_padding(module, inputs[0]))

            handles.append(layer.register_forward_pre_hook(watch))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def same_padding(layer: Conv2dSame, inputs: torch.Tensor) -> tuple[int, int, int, int]:
    """What a layer pads left, right, above and below.

    As TensorFlow's SAME: outputs are ceil(side / stride); what is odd comes at the end.
    """
    sides = []
    for axis in (1, 0):
        side, stride = inputs.shape[axis - 2], layer.stride[axis]
        reach = (layer.kernel_size[axis] - 1) * layer.dilation[axis] + 1
        lacking = max(0, (-(-side // stride) - 1) * stride + reach - side)
        sides += [lacking // 2, lacking - lacking // 2]
    return (sides[0], sides[1], sides[2], sides[3])


def _plain(layer: Conv2dSame) -> nn.Conv2d:
    plain = nn.Conv2d(
        layer.in_channels,
        layer.out_channels,
        (layer.kernel_size[0], layer.kernel_size[1]),
        stride=(layer.stride[0], layer.stride[1]),
        dilation=(layer.dilation[0], layer.dilation[1]),
        groups=layer.groups,
        bias=layer.bias is not None,
    )
    plain.load_state_dict(layer.state_dict())
    return plain.requires_grad_(False).eval()
