"""ReLU6 in place against torch's own, and what it keeps."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from ecs_med.networks.quick import quicken
from ecs_med.networks.relu6 import InPlaceReLU6

EDGES = torch.tensor([-1.0, -0.0, 0.0, 1e-30, 3.0, 6.0, 7.0, float("inf"), float("nan")])


def results(layer: nn.Module, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    given = values.clone().requires_grad_()
    result = layer(given * 1)
    result.backward(torch.arange(1.0, values.numel() + 1).view_as(values))
    assert given.grad is not None
    return result.detach(), given.grad


def test_values_and_gradients_are_torch_s_to_the_last_bit() -> None:
    own = InPlaceReLU6(nn.ReLU6(inplace=True))
    for found, expected in zip(
        results(own, EDGES), results(nn.ReLU6(inplace=False), EDGES), strict=True
    ):
        assert torch.equal(found.nan_to_num(-7.0), expected.nan_to_num(-7.0))


def test_the_input_is_changed_in_place_and_no_copy_of_it_is_kept() -> None:
    values = torch.randn(4, 5, requires_grad=True)
    made = values * 2
    kept: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        result = InPlaceReLU6(nn.ReLU6(inplace=True))(made)
    assert result.data_ptr() == made.data_ptr()
    assert [one.data_ptr() for one in kept] == [made.data_ptr()]


def test_activations_may_be_calculated_again() -> None:
    torch.manual_seed(0)
    network = quicken(nn.Sequential(nn.Linear(6, 6), nn.ReLU6(inplace=True), nn.Linear(6, 2)))
    given = torch.randn(3, 6)
    network(given).square().sum().backward()
    expected = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    network.zero_grad()
    again = checkpoint(network, given, use_reentrant=False)
    again.square().sum().backward()
    found = [p.grad for p in network.parameters() if p.grad is not None]
    assert len(found) == 4
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_only_in_place_ones_are_taken_over() -> None:
    network = quicken(nn.Sequential(nn.ReLU6(inplace=True), nn.ReLU6(), nn.ReLU(inplace=True)))
    assert [type(layer) for layer in network] == [InPlaceReLU6, nn.ReLU6, nn.ReLU]


def test_without_gradients_it_is_the_layer_itself() -> None:
    with torch.no_grad():
        found = InPlaceReLU6(nn.ReLU6(inplace=True))(EDGES.clone())
    assert torch.equal(found.nan_to_num(-7.0), EDGES.clamp(0, 6).nan_to_num(-7.0))
