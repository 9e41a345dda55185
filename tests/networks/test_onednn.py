"""Convolutions of volumes by oneDNN against torch's own, in float64."""

import copy

import pytest
import torch
from torch import nn

from ecs_med.networks.onednn import OneDnnConv3d
from ecs_med.networks.quick import quicken_inference

LAYERS = {
    "plain": nn.Conv3d(6, 4, 3, padding=1),
    "one voxel": nn.Conv3d(6, 5, 1),
    "strided, in groups": nn.Conv3d(6, 4, 1, stride=2, groups=2, bias=False),
    "dilated": nn.Conv3d(6, 4, (1, 3, 3), stride=(1, 2, 1), dilation=2, padding=2),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("batch", [1, 3])
def test_it_is_the_layer_that_it_stands_for(name: str, batch: int) -> None:
    plain = LAYERS[name]
    images = torch.randn(batch, 6, 9, 8, 7, generator=torch.Generator().manual_seed(0))
    quick = quicken_inference(nn.Sequential(copy.deepcopy(plain)))
    assert isinstance(quick[0], OneDnnConv3d)
    expected = copy.deepcopy(plain).double()(images.double())
    for context in (torch.no_grad(), torch.inference_mode()):
        with context:
            torch.testing.assert_close(quick(images).double(), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(quick(images), plain(images))  # gradients: the layer itself
    assert quick.state_dict().keys() == nn.Sequential(plain).state_dict().keys()


def test_other_layers_are_left_alone() -> None:
    layers = [
        nn.Conv2d(3, 3, 1),
        nn.Conv3d(3, 3, 1, padding="same"),
        nn.Conv3d(3, 3, 1, padding=1, padding_mode="reflect"),
        nn.ConvTranspose3d(3, 3, 2),
    ]
    assert list(quicken_inference(nn.Sequential(*layers))) == layers
