"""Depthwise convolutions with holes or many taps against torch's own."""

import pytest
import torch
from layers import assert_same_layer
from torch import nn

from ecs_med.networks import depthwise
from ecs_med.networks.depthwise import WideDepthwiseConv2d
from ecs_med.networks.quick import quicken

LAYERS = {
    "of an encoder": {"kernel_size": 5, "padding": 4, "dilation": 2},
    "pyramid, some taps beyond the image": {"kernel_size": 3, "padding": 6, "dilation": 6},
    "pyramid, only the centre meets it": {"kernel_size": 3, "padding": 12, "dilation": 12},
    "result smaller than the images": {"kernel_size": 3, "padding": 1, "dilation": 2},
    "result larger than the images": {"kernel_size": 3, "padding": 5, "dilation": 3},
    "not square": {"kernel_size": (3, 5), "padding": (12, 4), "dilation": (12, 2)},
    "even": {"kernel_size": 4, "padding": 3, "dilation": 2},
    "many taps": {"kernel_size": 5, "padding": 2},
    "more taps, and some": {"kernel_size": (3, 7), "padding": (1, 3)},
    "with bias": {"kernel_size": 3, "padding": 2, "dilation": 2, "bias": True},
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_it_is_the_layer_that_it_stands_for(name: str, memory: torch.memory_format) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(6, 6, groups=6, **{"bias": False, **LAYERS[name]})
    images = torch.randn(2, 6, 9, 8).contiguous(memory_format=memory)
    assert_same_layer(WideDepthwiseConv2d(plain), plain, images)


@pytest.mark.parametrize("largest", [0, 32], ids=["tap by tap", "by images"])
def test_gradients_are_those_of_finite_differences(
    monkeypatch: pytest.MonkeyPatch, largest: int
) -> None:
    """In float64, where the layer itself is torch's, so the rule behind it is asked."""
    monkeypatch.setattr(depthwise, "_LARGEST_KERNEL", largest)
    torch.manual_seed(0)
    images = torch.randn(2, 3, 5, 4, dtype=torch.double, requires_grad=True)
    weight = torch.randn(3, 1, 3, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, w: depthwise._TapByTap.apply(x, w, (2, 1), (2, 1)), (images, weight)
    )


def test_only_layers_that_it_is_the_same_as_are_taken_over() -> None:
    network = nn.Sequential(
        nn.Conv2d(8, 8, 3, dilation=2, groups=8),
        nn.Conv2d(8, 8, 5, padding=2, groups=8),
        nn.Conv2d(8, 8, 3, groups=8),
        nn.Conv2d(8, 8, 3, dilation=2, groups=4),
        nn.Conv2d(8, 16, 3, dilation=2, groups=8),
        nn.Conv2d(8, 8, 3, dilation=2, stride=2, groups=8),
        nn.Conv2d(8, 8, 3, dilation=2, groups=8, padding="same"),
        nn.Conv2d(8, 8, 3, dilation=2, groups=8, padding_mode="reflect"),
        nn.Conv2d(8, 8, 3, dilation=2, groups=8, padding=5),
    )
    before = {name: value.clone() for name, value in network.state_dict().items()}
    parameters = list(network.parameters())
    quicken(network)
    taken = [isinstance(layer, WideDepthwiseConv2d) for layer in network]
    assert taken == [True, True, *[False] * 7]
    assert all(a is b for a, b in zip(parameters, network.parameters(), strict=True))
    assert before.keys() == network.state_dict().keys()
    network.load_state_dict(before)


def test_frozen_weights_get_no_gradient_and_images_do() -> None:
    layer = WideDepthwiseConv2d(nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=4))
    layer.requires_grad_(False)
    images = torch.rand(1, 4, 6, 6, requires_grad=True)
    layer(images).sum().backward()
    assert images.grad is not None
    assert layer.weight.grad is None
