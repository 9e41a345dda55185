"""Batch normalisation folded into the convolutions before it, for networks that are not trained."""

import copy
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from timm.layers import BatchNormAct2d
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["folded"]

TOLERANCE = 1e-5
"""Of the range of what a network gives; beyond it, something else than rounding has changed."""
_NORMALIZERS = (nn.BatchNorm2d, nn.BatchNorm3d, BatchNormAct2d)


@dataclass(frozen=True, slots=True)
class _Chain:
    """Names of layers of which each is the only one that sees what the one before gives.

    Attributes:
        convolution: Where it begins.
        normalizer: Batch normalisation.
        activation: One that can work in place and does not; `None`: something else comes next.
    """

    convolution: str
    normalizer: str
    activation: str | None


@torch.no_grad()
def folded(network: nn.Module, example: torch.Tensor) -> nn.Module:
    """A network without the batch normalisations that follow a convolution.

    Which ones do is watched on one pass, since names and order do not tell. Activations after them
    work in place, which spares a pass over memory. The result is held against the network's own on
    the same images.

    Args:
        network: In evaluation mode; changed in place, but for its weights.
        example: Images that it can be applied to.

    Returns:
        The network, or an unchanged one where the result is not the same but for rounding.

    Example:
        >>> layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()).eval()
        >>> folded(layers, torch.rand(1, 3, 8, 8))[1:]
        Sequential(
          (1): Identity()
          (2): ReLU(inplace=True)
        )
    """
    if not any(isinstance(layer, _NORMALIZERS) for layer in network.modules()):
        return network
    chains: list[_Chain] = []
    with _watched(network, chains):
        expected = network(example)
    replaced: dict[str, nn.Module] = {}
    for chain in chains:
        convolution = network.get_submodule(chain.convolution)
        layer = network.get_submodule(chain.normalizer)
        replaced[chain.convolution] = fuse_conv_bn_eval(convolution, layer)  # type: ignore[arg-type, type-var]
        act = layer.act if isinstance(layer, BatchNormAct2d) else nn.Identity()
        replaced[chain.normalizer] = act
    if _replace(network, replaced, example, expected):
        _replace(network, _in_place(network, chains), example, expected)
    return network


def _in_place(network: nn.Module, chains: Iterable[_Chain]) -> dict[str, nn.Module]:
    layers: dict[str, nn.Module] = {}
    for name in filter(None, (chain.activation for chain in chains)):
        layers[name] = copy.copy(network.get_submodule(name))
        setattr(layers[name], "inplace", True)  # noqa: B010 - a layer's attributes have no types
    return layers


def _replace(
    network: nn.Module,
    layers: Mapping[str, nn.Module],
    example: torch.Tensor,
    expected: torch.Tensor,
) -> bool:
    """Put in `layers` by their names, unless the network then gives something else."""
    former = {name: network.get_submodule(name) for name in layers}
    for name, layer in layers.items():
        network.set_submodule(name, layer)
    span = float(expected.max() - expected.min())
    if layers and not float((network(example) - expected).abs().max()) <= TOLERANCE * span:
        for name, layer in former.items():
            network.set_submodule(name, layer)
        return False
    return True


@contextmanager
def _watched(network: nn.Module, found: list[_Chain]) -> Iterator[None]:
    """Put in the convolutions, the normalisations and the activations that follow each other."""
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
        if isinstance(layer, (nn.Conv2d, nn.Conv3d, *_NORMALIZERS)):
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
    users = Counter(maker for maker, _ in seen)
    alone = {
        maker: user for maker, user in seen if users[maker] == calls[maker] == calls[user] == 1
    }
    found += _chains(leaves, alone)


def _chains(leaves: Mapping[str, nn.Module], alone: Mapping[str, str]) -> Iterator[_Chain]:
    """Of layers and the only one that sees what each gives."""
    for convolution, normalizer in alone.items():
        if isinstance(leaves[convolution], _NORMALIZERS) or not _folds(leaves[normalizer]):
            continue
        after = alone.get(normalizer)
        is_slow = after is not None and getattr(leaves[after], "inplace", None) is False
        yield _Chain(convolution, normalizer, after if is_slow else None)


def _folds(layer: nn.Module) -> bool:
    if not isinstance(layer, _NORMALIZERS) or layer.running_mean is None:
        return False
    return not isinstance(layer, BatchNormAct2d) or isinstance(layer.drop, nn.Identity)
