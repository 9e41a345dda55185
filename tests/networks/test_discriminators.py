"""Shapes of the rivals' networks, and their parameters counted by hand."""

import pytest
import torch
from torch import nn

from ecs_med.networks import Initialization, build_segmenter, corrector_input
from ecs_med.networks.classifier import build_classifier
from ecs_med.networks.deeplab import deeplabv3plus
from ecs_med.networks.discriminators import ConvolutionalDiscriminator, ImageDiscriminator
from ecs_med.networks.teacher import MeanTeacher

TINY = Initialization("test_resnet", "none")
# Four 4 x 4 convolutions, weights and biases, after a first one from `channels` to 64.
AFTER_THE_FIRST = (64 * 128 + 128 * 256 + 256 * 512) * 16 + (128 + 256 + 512)


def num_parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    return [m for m in network.modules() if isinstance(m, nn.Conv2d)]


def test_the_discriminator_of_advsemiseg() -> None:
    network = ConvolutionalDiscriminator(21)
    # 21 * 64 * 16 + 64 = 21,568; 2,753,408 as above; 512 * 1 * 16 + 1 = 8,193.
    assert AFTER_THE_FIRST == 2_753_408
    assert num_parameters(network) == 21_568 + 2_753_408 + 8_193 == 2_783_169
    assert [c.out_channels for c in convolutions(network)] == [64, 128, 256, 512, 1]
    for layer in convolutions(network):
        assert (layer.kernel_size, layer.stride, layer.padding) == ((4, 4), (2, 2), (1, 1))
    slopes = [m.negative_slope for m in network.modules() if isinstance(m, nn.LeakyReLU)]
    assert slopes == [0.2] * 4
    assert network(torch.rand(2, 21, 64, 96)).shape == (2, 1, 64, 96)
    assert network(torch.rand(2, 21, 32, 32)).shape == (2, 1, 32, 32)
    # 64 halved five times is 2, 96 is 3.
    assert network.layers(torch.rand(2, 21, 64, 96)).shape == (2, 1, 2, 3)


def test_the_discriminator_of_s4gan() -> None:
    network = ImageDiscriminator(21, [0.5] * 3, [0.25] * 3)
    # (3 + 21) * 64 * 16 + 64 = 24,640; 2,753,408 as above; 512 + 1 = 513.
    assert num_parameters(network) == 24_640 + 2_753_408 + 513 == 2_778_561
    assert [c.out_channels for c in convolutions(network)] == [64, 128, 256, 512]
    assert [m.p for m in network.modules() if isinstance(m, nn.Dropout)] == [0.5] * 3
    score, features = network(torch.rand(2, 24, 64, 96))
    assert score.shape == (2,)
    assert features.shape == (2, 512)
    assert not any("mean" in key or "std" in key for key in network.state_dict())


def test_it_sees_intensities_in_0_to_1_and_the_map_as_it_is() -> None:
    network = ImageDiscriminator(2, [0.4, 0.5, 0.6], [0.2, 0.25, 0.3]).eval()
    seen: list[torch.Tensor] = []
    network.layers.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    pixels, class_map = torch.rand(1, 3, 16, 16), torch.rand(1, 2, 16, 16)
    mean, std = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.2, 0.25, 0.3])
    normalised = (pixels - mean[:, None, None]) / std[:, None, None]
    score, features = network(corrector_input(normalised, class_map))
    torch.testing.assert_close(seen[0], torch.cat([pixels, class_map], dim=1))
    expected = features @ network.score.weight[0] + network.score.bias
    torch.testing.assert_close(score, expected)


def test_deeplab_as_discriminator_sees_the_class_map_alone() -> None:
    network = deeplabv3plus(TINY, in_channels=0, extra=5, num_outputs=1).eval()
    assert network(torch.rand(2, 5, 64, 96)).shape == (2, 1, 64, 96)
    first = convolutions(network)[0]
    assert first.weight.shape[1] == first.in_channels == 5
    fan_out = first.out_channels * first.kernel_size[0] * first.kernel_size[1]
    assert first.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.1)
    segmenter = build_segmenter(TINY, in_channels=3, num_classes=1)
    other = convolutions(segmenter)[0]
    # The same but for the first layer, which has 5 input channels instead of 3.
    per_channel = other.weight.numel() // 3
    assert num_parameters(network) == num_parameters(segmenter) + 2 * per_channel


@pytest.mark.parametrize("channels", [1, 3])
def test_the_multi_label_classifier(channels: int) -> None:
    network = build_classifier(TINY, in_channels=channels, num_classes=4)
    width = network.encoder.out_channels[-1]  # type: ignore[index]
    head = num_parameters(network) - num_parameters(network.encoder)
    assert head == width * 4 + 4
    images = torch.randn(2, channels, 64, 96)
    assert network(images).shape == (2, 4)
    features = network.eval().encoder(images)[-1]
    assert features.shape[-2:] == (2, 3)
    torch.testing.assert_close(network(images), network.head(features.mean(dim=(2, 3))))
    teacher = MeanTeacher(network, 0.999)
    torch.testing.assert_close(teacher(images), network(images))
