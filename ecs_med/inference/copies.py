"""Copies of trained networks that give the same but for rounding, in less time on a CPU."""

import copy
from collections.abc import Iterable, Iterator
from operator import is_

import torch
from torch import nn

from ecs_med.networks.correctors import FeatureCorrector
from ecs_med.networks.folding import folded
from ecs_med.networks.modes import in_layout
from ecs_med.networks.quick import quicken_inference

__all__ = ["QuickCopies", "Watched"]


class Watched:
    """Networks of which it is to be known whether they are as they were.

    Their layers are walked through once: at every call that would take a tenth of the time.

    Args:
        networks: Some; segmenters on which correctors stand belong to these.
    """

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        self._layers = [layer for network in networks for layer in _layers(network)]
        self._parts, self._versions = self._current()

    @property
    def is_listened_to(self) -> bool:
        """Whether any of the layers has a hook."""
        return any(layer._forward_hooks or layer._forward_pre_hooks for layer in self._layers)

    @property
    def has_changed(self) -> bool:
        """Whether a layer, a weight or a statistic is another one or was changed in place."""
        parts, versions = self._current()
        same = len(parts) == len(self._parts) and all(map(is_, parts, self._parts))
        return not same or versions != self._versions

    def _current(self) -> tuple[list[object], list[int]]:
        parts: list[object] = []
        versions: list[int] = []
        for layer in self._layers:
            parts += layer._modules.values()
            for values in (*layer._parameters.values(), *layer._buffers.values()):
                if values is not None:
                    parts.append(values)
                    versions.append(values._version)
        return parts, versions


def _layers(network: nn.Module) -> Iterator[nn.Module]:
    yield from network.modules()
    if isinstance(network, FeatureCorrector):
        yield from network.segmenter.modules()


class QuickCopies:
    """The copy of each network that is asked for, made when it first is.

    Batch normalisation is folded into convolutions, and convolutions are oneDNN's. Networks stay
    as they are: they are what is saved, exported and trained. One that was trained since is copied
    again.
    """

    def __init__(self) -> None:
        self._copies: dict[int, tuple[nn.Module, Watched, nn.Module]] = {}

    def of(self, network: nn.Module, example: torch.Tensor) -> nn.Module:
        """The copy of a network; the network itself in training mode or with hooks on its layers.

        Args:
            network: On the CPU.
            example: Something that it can be applied to.
        """
        if network.training:
            return network
        known = self._copies.get(id(network))
        if known is None or known[0] is not network or known[1].has_changed:
            known = None
        watched = known[1] if known is not None else Watched([network])
        if watched.is_listened_to:
            return network
        if known is None:
            known = (network, watched, self._made(network, example))
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
