"""A layer and the one that stands for it, held against each other."""

import torch
from torch import nn


def assert_same_layer(quick: nn.Module, plain: nn.Module, images: torch.Tensor) -> None:
    """Results and gradients of both are the same but for rounding, with and without gradients."""
    results = []
    for layer in (plain, quick):
        given = images.clone(memory_format=torch.preserve_format).requires_grad_()
        result = layer(given)
        weights = torch.randn(result.shape, generator=torch.Generator().manual_seed(1))
        found = torch.autograd.grad((result * weights).sum(), [given, *layer.parameters()])
        results.append((result, *found))
    for expected, found in zip(*results, strict=True):
        assert found.shape == expected.shape
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    with torch.no_grad():
        torch.testing.assert_close(quick(images), plain(images))
