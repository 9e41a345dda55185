"""Features of whole images: of the network that segments them, or of a packaged encoder."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from ecs_med.acquisition.look import rounded
from ecs_med.config import Preparation
from ecs_med.data.batches import Normalization
from ecs_med.data.cases import PreparedCase
from ecs_med.errors import MissingExtraError
from ecs_med.networks import Initialization
from ecs_med.networks.encoders import channel_statistics
from ecs_med.networks.packaged import PACKAGED_ENCODERS, preferred_packaged_encoder
from ecs_med.networks.weights import build_encoder

__all__ = ["ENCODER_PREPARATION", "NUM_FEATURES", "FeatureMean", "PackagedFeatures", "watched"]

NUM_FEATURES = 64
"""Numbers kept of an image; wider features are projected at random, which keeps distances."""

ENCODER_PREPARATION = Preparation(max_size=224, min_size=64)
"""How the packaged encoder sees images: about as large as those that it learned on."""

_MOST_SLICES = 16
"""Of a volume, evenly spread, that the packaged encoder sees."""
_BATCH = 8


class FeatureMean:
    """The mean over images, tiles or slices and over all their places of some feature maps."""

    def __init__(self) -> None:
        self._sum: torch.Tensor | None = None
        self._num = 0

    def add(self, maps: torch.Tensor) -> None:
        """Take in maps `(B, C, *spatial)`."""
        own = maps.detach().float().flatten(2).mean(dim=2).sum(dim=0).double().cpu()
        self._sum = own if self._sum is None else self._sum + own
        self._num += len(maps)

    def vector(self) -> tuple[float, ...]:
        """At most `NUM_FEATURES` numbers, a single 0 where nothing was added."""
        if self._sum is None:
            return (0.0,)
        mean = (self._sum / self._num).numpy()
        if len(mean) > NUM_FEATURES:
            # Johnson and Lindenstrauss 1984; the same matrix on every run.
            matrix = np.random.default_rng(0).standard_normal((len(mean), NUM_FEATURES))
            mean = mean @ matrix / np.sqrt(NUM_FEATURES)
        return rounded(mean.tolist())


@contextmanager
def watched(segmenter: nn.Module) -> Iterator[FeatureMean]:
    """Take the features that a segmenter computes anyway, while it segments.

    They are the deepest ones of its encoder; of a network without one those of its widest
    convolution, which is the deepest as a rule.
    """
    mean = FeatureMean()
    layer = _deepest(segmenter)

    def take(_: nn.Module, __: Any, output: Any) -> None:
        maps = output[-1] if isinstance(output, list | tuple) else output
        if isinstance(maps, torch.Tensor) and maps.ndim > 2:
            mean.add(maps)

    handle = None if layer is None else layer.register_forward_hook(take)
    try:
        yield mean
    finally:
        if handle is not None:
            handle.remove()


def _deepest(segmenter: nn.Module) -> nn.Module | None:
    encoder = getattr(segmenter, "encoder", None)
    if isinstance(encoder, nn.Module):
        return encoder
    layers = [m for m in segmenter.modules() if isinstance(m, nn.Conv2d | nn.Conv3d)]
    return max(layers, key=lambda layer: layer.out_channels, default=None)


class PackagedFeatures:
    """Features of an encoder whose ImageNet weights lie in a package.

    Args:
        device: Where it runs.

    Raises:
        MissingExtraError: If no such package is installed.
    """

    def __init__(self, device: torch.device) -> None:
        name = preferred_packaged_encoder()
        if name is None:
            extra = PACKAGED_ENCODERS["tf_efficientnet_lite0"].extra
            raise MissingExtraError("Choosing without a model", extra)
        self.name = name
        self._device = device
        self._encoders: dict[int, nn.Module] = {}

    def __call__(self, case: PreparedCase) -> tuple[float, ...]:
        """Features of a case that was prepared with `ENCODER_PREPARATION`."""
        channels = case.slices.shape[1]
        means, deviations = channel_statistics(self.name, channels)
        normalization = Normalization(tuple(means), tuple(deviations))
        encoder, mean = self._encoder(channels), FeatureMean()
        numbers: Sequence[int] = case.spread(_MOST_SLICES)[0]
        with torch.inference_mode():
            for first in range(0, len(numbers), _BATCH):
                part = case.slices[list(numbers[first : first + _BATCH])]
                mean.add(encoder(normalization(part.to(self._device)))[-1])
        return mean.vector()

    def _encoder(self, channels: int) -> nn.Module:
        if channels not in self._encoders:
            first = Initialization(self.name, "packaged")
            encoder = build_encoder(first, channels, "an acquisition")
            self._encoders[channels] = encoder.to(self._device).eval()
        return self._encoders[channels]
