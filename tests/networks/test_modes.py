import torch
from torch import nn

from ecs_med.networks.modes import forward_without_keeping


def test_activations_are_not_held_and_values_are_the_same() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 2, 1))
    images = torch.randn(2, 3, 16, 16)
    held: list[torch.Tensor] = []

    def pack(value: torch.Tensor) -> torch.Tensor:
        held.append(value)
        return value

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        logits = forward_without_keeping(network, images)
    assert all(value.shape[1:2] != (8,) for value in held)
    statistics = [buffer.clone() for buffer in network.buffers()]
    logits.square().sum().backward()
    found = [parameter.grad for parameter in network.parameters()]
    assert all(map(torch.equal, statistics, network.buffers()))
    network.zero_grad()
    expected = network(images)
    assert torch.equal(expected, logits)
    expected.square().sum().backward()
    assert all(
        torch.equal(parameter.grad, gradient)
        for parameter, gradient in zip(network.parameters(), found, strict=True)
        if parameter.grad is not None and gradient is not None
    )
