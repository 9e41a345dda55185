"""DeepLabv2: a sum of dilated convolutions on a dilated encoder."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ecs_med.networks import Initialization, build_segmenter
from ecs_med.networks.deeplab import PUBLISHED_RATES, DeepLabV2

TINY = Initialization("test_resnet", "none")


def build(rates: tuple[int, ...] = PUBLISHED_RATES, stride: int = 8) -> DeepLabV2:
    torch.manual_seed(0)
    network = build_segmenter(
        TINY,
        in_channels=3,
        num_classes=4,
        network="deeplabv2",
        settings={"output_stride": stride, "aspp_rates": rates},
    )
    assert isinstance(network, DeepLabV2)
    return network.eval()


@pytest.mark.parametrize(("rates", "number"), [(PUBLISHED_RATES, 4), ((6, 12), 2)])
def test_the_logits_are_the_sum_of_dilated_convolutions(
    rates: tuple[int, ...], number: int
) -> None:
    network = build(rates)
    images = torch.randn(1, 3, 64, 96)
    deepest = network.encoder(images)[-1]
    total = torch.zeros(1, 4, *deepest.shape[-2:])
    for rate, layer in zip(rates, network.pyramid, strict=True):
        assert isinstance(layer, nn.Conv2d)
        # By hand: nine shifted copies of the features, each times its slice of the weights.
        padded = F.pad(deepest, (rate,) * 4)
        height, width = deepest.shape[-2:]
        for row in range(3):
            for column in range(3):
                top, left = row * rate, column * rate
                shifted = padded[..., top : top + height, left : left + width]
                total += torch.einsum("bchw,nc->bnhw", shifted, layer.weight[..., row, column])
        assert layer.bias is not None
        total += layer.bias[:, None, None]
    expected = F.interpolate(total, (64, 96), mode="bilinear", align_corners=False)
    torch.testing.assert_close(network(images), expected, rtol=1e-4, atol=1e-5)
    assert len(network.pyramid) == number


@pytest.mark.parametrize(("stride", "side"), [(8, 8), (16, 4)])
def test_output_stride(stride: int, side: int) -> None:
    network = build(stride=stride)
    images = torch.randn(1, 3, 64, 64)
    assert network.encoder(images)[-1].shape[-2:] == (side, side)
    assert network(images).shape == (1, 4, 64, 64)


def test_stride_8_dilates_the_last_two_stages_of_a_resnet() -> None:
    network = build_segmenter(
        Initialization("resnet18", "none"),
        in_channels=3,
        num_classes=2,
        network="deeplabv2",
        settings={"output_stride": 8},
    )
    dilations = [
        {
            m.dilation[0]
            for m in stage.modules()
            if isinstance(m, nn.Conv2d) and m.kernel_size[0] > 1
        }
        for name, stage in network.get_submodule("encoder.model").named_children()
        if name.startswith("layer")
    ]
    # The first block of a stage keeps the dilation of the stage before, as in torchvision.
    assert dilations == [{1}, {1}, {1, 2}, {2, 4}]


def test_it_sees_other_weights_than_deeplabv3plus_and_the_same_encoder() -> None:
    torch.manual_seed(0)
    other = build_segmenter(TINY, in_channels=3, num_classes=4)
    ours, theirs = set(build().state_dict()), set(other.state_dict())
    assert {k for k in ours if k.startswith("encoder.")} == {
        k for k in theirs if k.startswith("encoder.")
    }
    assert not any(k.startswith("pyramid") for k in theirs)
