"""Decoders whose maps and gradients stay channels last."""

import copy

import torch
from segmentation_models_pytorch.decoders.deeplabv3.decoder import ASPPPooling
from torch import nn

from ecs_med.networks.keeping_layout import KeptPooling, KeptUpsample
from ecs_med.networks.quick import quicken


def channels_last(*shape: int) -> torch.Tensor:
    return torch.randn(shape).contiguous(memory_format=torch.channels_last)


def test_an_upsampling_in_a_concatenation_gets_a_dense_gradient() -> None:
    torch.manual_seed(0)
    plain = nn.Upsample(scale_factor=4, mode="bilinear", align_corners=True)
    deep, fine = channels_last(2, 6, 4, 4), channels_last(2, 3, 16, 16)
    gradient = channels_last(2, 9, 16, 16)
    found = []
    strides: list[tuple[int, ...]] = []
    for layer in (plain, KeptUpsample(plain)):
        given = deep.clone(memory_format=torch.preserve_format).requires_grad_()
        larger = layer(given)
        larger.register_hook(lambda g: strides.append(g.stride()))
        torch.cat([larger, fine], dim=1).backward(gradient)
        assert given.grad is not None
        found.append(given.grad)
    torch.testing.assert_close(found[1], found[0])
    dense = channels_last(2, 6, 16, 16).stride()
    assert strides[0] != dense
    assert strides[-1] == dense


def test_a_pooled_branch_lies_like_the_others() -> None:
    torch.manual_seed(0)
    plain = ASPPPooling(8, 4).eval()
    maps = channels_last(2, 8, 5, 7)
    kept = KeptPooling(copy.deepcopy(plain))
    assert torch.equal(kept(maps), plain(maps))
    assert kept(maps).is_contiguous(memory_format=torch.channels_last)
    assert kept.state_dict().keys() == plain.state_dict().keys()


def test_layers_inside_of_a_replaced_one_are_replaced_too() -> None:
    network = quicken(nn.Sequential(ASPPPooling(32, 16), nn.Upsample(scale_factor=2)))
    assert [type(layer) for layer in network] == [KeptPooling, KeptUpsample]
    assert type(network[0][1]).__name__ == "PointwiseConv2d"
