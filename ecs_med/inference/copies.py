"""Copies of trained networks that give the same but for rounding, in less time on a CPU."""

import copy
from collections.abc import Iterable, Iterator

import torch
from torch import nn

from ecs_med.networks.correctors import FeatureCorrector
from ecs_med.networks.folding import folded
from ecs_med.networks.modes import in_layout
from ecs_med.networks.quick import quicken_inference

__all__ = ["QuickCopies", "are_watched", "values_of"]


class QuickCopies:
    """The copy of each network that is asked for, made when it first is.

    Batch normalisation is folded into convolutions, and convolutions are oneDNN's. Networks stay
    as they are: they are what is saved, exported and trained. One that was trained since is copied
    again.
    """

    def __init__(self) -> None:
        self._copies: dict[int, tuple[nn.Module, int, nn.Module]] = {}

    def of(self, network: nn.Module, example: torch.Tensor) -> nn.Module:
        """The copy of a network; the network itself in training mode or with hooks on its layers.

        Args:
            network: On the CPU.
            example: Something that it can be applied to.
        """
        if network.training or are_watched(network.modules()):
            return network
        state = _state(network)
        known = self._copies.get(id(network))
        if known is None or known[0] is not network or known[1] != state:
            known = (network, state, self._made(network, example))
            self._copies[id(network)] = known
        return known[2]

    def _made(self, network: nn.Module, example: torch.Tensor) -> nn.Module:
        # Of several images the first one will do, and gradients are not meant to be.
        with torch.inference_mode(mode=False), torch.no_grad():
            made = copy.deepcopy(network)
            if isinstance(made, FeatureCorrector):
                images = example[:1, : made.in_channels].clone()
                made.stand_on(self.of(made.segmenter.eval(), images))
            return in_layout(folded(quicken_inference(made), example[:1].clone())).eval()


def are_watched(layers: Iterable[nn.Module]) -> bool:
    """Whether any of the layers has a hook."""
    return any(layer._forward_hooks or layer._forward_pre_hooks for layer in layers)


def values_of(network: nn.Module) -> Iterator[torch.Tensor]:
    """Weights and statistics of a network and of the segmenter on which it stands."""
    held = [network.segmenter] if isinstance(network, FeatureCorrector) else []
    for part in (network, *held):
        yield from part.parameters()
        yield from part.buffers()


def _state(network: nn.Module) -> int:
    """A number that rises whenever weights or statistics are changed in place."""
    return sum(values._version for values in values_of(network))
