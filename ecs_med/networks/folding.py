"""Batch normalisation folded into the convolutions before it, for networks that are not trained."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from timm.layers import BatchNormAct2d
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["folded"]

TOLERANCE = 1e-5
"""Of the range of what a network gives; beyond it, something else than rounding has changed."""
_NORMALIZERS = (nn.BatchNorm2d, nn.BatchNorm3d, BatchNormAct2d)


@torch.no_grad()
def folded(network: nn.Module, example: torch.Tensor) -> nn.Module:
    """A network without the batch normalisations that follow a convolution.

    Which ones do is watched on one pass, since names and order do not tell. The result is held
    against the network's own on the same images.

    Args:
        network: In evaluation mode; changed in place, but for its weights.
        example: Images that it can be applied to.

    Returns:
        The network, or an unchanged one where the result is not the same but for rounding.

    Example:
        >>> layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
        >>> [type(layer).__name__ for layer in folded(layers, torch.rand(1, 3, 8, 8))]
        ['Conv2d', 'Identity', 'ReLU']
    """
    if not any(isinstance(layer, _NORMALIZERS) for layer in network.modules()):
        return network
    found: list[tuple[str, str]] = []
    with _watched(network, found):
        expected = network(example)
    former = {name: network.get_submodule(name) for pair in found for name in pair}
    for convolution, normalizer in found:
        layer = former[normalizer]
        fused = fuse_conv_bn_eval(former[convolution], layer)  # type: ignore[arg-type, type-var]
        network.set_submodule(convolution, fused)
        after = layer.act if isinstance(layer, BatchNormAct2d) else nn.Identity()
        network.set_submodule(normalizer, after)
    span = float(expected.max() - expected.min())
    if found and not float((network(example) - expected).abs().max()) <= TOLERANCE * span:
        for name, layer in former.items():
            network.set_submodule(name, layer)
    return network


@contextmanager
def _watched(network: nn.Module, found: list[tuple[str, str]]) -> Iterator[None]:
    """Put in the names of convolutions and of the normalisations that alone see what they give."""
    made: dict[int, tuple[str, torch.Tensor]] = {}
    seen: list[tuple[str, str]] = []
    calls: Counter[str] = Counter()
    handles = []

    def watch(name: str, layer: nn.Module) -> None:
        def before(_: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            calls[name] += 1
            for given in inputs:
                if id(given) in made:
                    seen.append((made[id(given)][0], name))

        def after(_: nn.Module, __: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            made[id(output)] = (name, output)

        handles.append(layer.register_forward_pre_hook(before))
        if isinstance(layer, (nn.Conv2d, nn.Conv3d)):
            handles.append(layer.register_forward_hook(after))

    leaves = {
        name: layer
        for name, layer in network.named_modules()
        if isinstance(layer, _NORMALIZERS) or not any(True for _ in layer.children())
    }
    for name, layer in leaves.items():
        watch(name, layer)
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
    users = Counter(convolution for convolution, _ in seen)
    found += [
        (convolution, normalizer)
        for convolution, normalizer in seen
        if users[convolution] == calls[convolution] == calls[normalizer] == 1
        and _folds(leaves[normalizer])
    ]


def _folds(layer: nn.Module) -> bool:
    if not isinstance(layer, _NORMALIZERS) or layer.running_mean is None:
        return False
    return not isinstance(layer, BatchNormAct2d) or isinstance(layer.drop, nn.Identity)
