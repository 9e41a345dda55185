"""Folded batch normalisation against the network as it was."""

import copy

import pytest
import torch
from torch import nn

from ecs_med.networks import Initialization, build_segmenter
from ecs_med.networks.folding import folded


def with_statistics(network: nn.Module) -> nn.Module:
    """Normalisations that do something."""
    torch.manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            for values, low in ((layer.weight, 0.5), (layer.bias, -1.0)):
                nn.init.uniform_(values, low, 1.5)
            layer.running_mean.uniform_(-1, 1)
            layer.running_var.uniform_(0.5, 2)
    return network.eval()


def num_normalizers(network: nn.Module) -> int:
    return sum(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in network.modules())


class Skips(nn.Module):
    """The second convolution is also seen by a sum, which knows no names of modules."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm_of_first = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.second, self.norm_of_second = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = self.second(self.norm_of_first(self.first(images)).relu())
        return found + self.norm_of_second(found)


@pytest.mark.parametrize("encoder", ["test_resnet", "resnet18", "tf_efficientnet_lite0"])
def test_a_network_is_the_same_without_its_normalisations(encoder: str) -> None:
    weights = Initialization(encoder, "none")
    network = with_statistics(build_segmenter(weights, in_channels=3, num_classes=3))
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        expected = network(images)
        before = copy.deepcopy(network.state_dict())
        found = folded(copy.deepcopy(network), images[:1])
        assert num_normalizers(found) == 0 < num_normalizers(network)
        torch.testing.assert_close(found(images), expected, rtol=1e-4, atol=1e-4)
    for name, values in network.state_dict().items():
        assert torch.equal(values, before[name])


def test_what_does_not_follow_a_convolution_stays() -> None:
    network = with_statistics(
        nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1), nn.ReLU(), nn.BatchNorm2d(3))
    )
    with torch.no_grad():
        assert num_normalizers(folded(network, torch.rand(1, 3, 8, 8))) == 2


def test_a_layer_that_is_applied_twice_stays() -> None:
    layer = nn.Conv2d(3, 3, 1)
    network = with_statistics(nn.Sequential(layer, nn.BatchNorm2d(3), layer, nn.BatchNorm2d(3)))
    with torch.no_grad():
        assert num_normalizers(folded(network, torch.rand(1, 3, 8, 8))) == 2


def test_all_stays_where_the_result_would_be_another() -> None:
    network, images = with_statistics(Skips()), torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        expected = network(images)
        assert torch.equal(folded(network, images)(images), expected)
        assert num_normalizers(network) == 2


class Keeps(nn.Module):
    """A sum, which knows no names of modules, also sees what the second activation sees."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm_of_first = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.second, self.norm_of_second = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.act_of_first, self.act_of_second = nn.SiLU(), nn.SiLU()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = self.act_of_first(self.norm_of_first(self.first(images)))
        normalized = self.norm_of_second(self.second(found))
        return self.act_of_second(normalized) + (normalized if self.adds else 0)


@pytest.mark.parametrize("adds", [False, True])
def test_activations_work_in_place_where_nobody_else_sees_what_they_change(adds: bool) -> None:
    network, images = with_statistics(Keeps()), torch.rand(1, 3, 8, 8)
    network.adds = adds
    former = network.act_of_second
    with torch.no_grad():
        expected = network(images)
        torch.testing.assert_close(folded(network, images)(images), expected)
    assert num_normalizers(network) == 0
    assert network.act_of_second.inplace is not adds
    assert not former.inplace
