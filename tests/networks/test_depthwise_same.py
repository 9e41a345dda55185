"""Depthwise convolutions with SAME padding against timm's, and against a count by hand."""

import pytest
import torch
from layers import assert_same_layer
from timm.layers import Conv2dSame
from torch import nn

from ecs_med.networks.depthwise_same import SameDepthwiseConv2d
from ecs_med.networks.quick import quicken

LAYERS = {
    "of an encoder": {"kernel_size": 3, "stride": 2},
    "larger": {"kernel_size": 5, "stride": 2},
    "stride 1": {"kernel_size": 3, "stride": 1},
    "even": {"kernel_size": 4, "stride": 2},
    "stride beyond the kernel": {"kernel_size": 2, "stride": 3},
    "not square": {"kernel_size": (3, 5), "stride": (2, 1)},
    "with bias": {"kernel_size": 3, "stride": 2, "bias": True},
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("sides", [(8, 8), (9, 7), (16, 9), (3, 1)])
def test_it_is_the_layer_that_it_stands_for(name: str, sides: tuple[int, int]) -> None:
    torch.manual_seed(0)
    plain = Conv2dSame(6, 6, groups=6, **{"bias": False, **LAYERS[name]})
    images = torch.randn(2, 6, *sides).contiguous(memory_format=torch.channels_last)
    assert_same_layer(SameDepthwiseConv2d(plain), plain, images)


def test_pixels_at_the_end_are_padded_first() -> None:
    """Four pixels 1, 2, 3, 4, a kernel that adds three, steps of two: 1 + 2 + 3 and 3 + 4 + 0."""
    layer = Conv2dSame(2, 2, (1, 3), stride=(1, 2), groups=2, bias=False)
    nn.init.ones_(layer.weight)
    row = torch.tensor([1.0, 2.0, 3.0, 4.0]).expand(1, 2, 1, 4)
    assert SameDepthwiseConv2d(layer)(row)[0, 0, 0].tolist() == [6.0, 7.0]


def test_gradients_are_those_of_finite_differences() -> None:
    from ecs_med.networks.depthwise_same import _Same

    torch.manual_seed(0)
    images = torch.randn(2, 3, 6, 5, dtype=torch.double, requires_grad=True)
    weight = torch.randn(3, 1, 3, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, w: _Same.apply(x, w, (0, 1), (1, 1), (2, 2)), (images, weight)
    )


def test_only_layers_that_it_is_the_same_as_are_taken_over() -> None:
    network = nn.Sequential(
        Conv2dSame(8, 8, 3, stride=2, groups=8),
        Conv2dSame(3, 32, 3, stride=2),
        Conv2dSame(8, 8, 3, dilation=2, groups=8),
        nn.Conv2d(8, 8, 3, stride=2, groups=8),
    )
    parameters = list(network.parameters())
    quicken(network)
    taken = [isinstance(layer, SameDepthwiseConv2d) for layer in network]
    assert taken == [True, False, False, False]
    assert all(a is b for a, b in zip(parameters, network.parameters(), strict=True))


def test_frozen_weights_get_no_gradient_and_images_do() -> None:
    layer = SameDepthwiseConv2d(Conv2dSame(4, 4, 3, stride=2, groups=4))
    layer.requires_grad_(False)
    images = torch.rand(1, 4, 6, 6, requires_grad=True)
    layer(images).sum().backward()
    assert images.grad is not None
    assert layer.weight.grad is None
