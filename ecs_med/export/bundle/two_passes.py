"""Corrected volumes in a bundle: windows go through the segmenter, then through the corrector.

As in `predict`, the corrector judges what the windows of the segmenter gave together. The network
of the bundle is one graph for both: what it does is told by the channels of what it gets.
"""

from typing import Any

import torch
from torch import nn

from ecs_med.export.scores import Scores
from ecs_med.networks.correctors import FeatureCorrector
from ecs_med.networks.halves import encode

__all__ = ["CORRECTING", "two_passes"]

CORRECTING = (
    "$lambda inputs, network, *args, window=@window, **kwargs: (lambda logits: (lambda judged: "
    "judged[:, :-1].scatter_add(1, logits.argmax(1, keepdim=True), judged[:, -1:]))("
    "window(torch.cat([inputs, logits.softmax(1)], 1), network).softmax(1)))"
    "(window(inputs, network))"
)
"""Expression of an inferer: scores of the classes by `window`, another inferer."""


class _Both(nn.Module):
    """Both networks, whose features are those of the same weights."""

    def __init__(self, scores: Scores, channels: int) -> None:
        super().__init__()
        self.segmenter = scores.segmenter
        self.corrector = scores.corrector
        self._channels = channels

    def segment(self, images: torch.Tensor) -> torch.Tensor:
        """Logits `(B, N, *spatial)` of images."""
        logits: torch.Tensor = self.segmenter(images)
        return logits

    def correct(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logits `(B, N+1, *spatial)` of images and the segmenter's probabilities."""
        assert self.corrector is not None
        if isinstance(self.corrector, FeatureCorrector):
            images, class_map = inputs[:, : self._channels], inputs[:, self._channels :]
            return self.corrector.judge(encode(self.segmenter, images), class_map)
        judged: torch.Tensor = self.corrector(inputs)
        return judged


class _Either(nn.Module):
    """`segment` of images, or `correct` of images and probabilities."""

    def __init__(self, both: Any, channels: int) -> None:
        super().__init__()
        self.both = both
        self.channels = channels

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Scripted, not traced, so that the condition stays one."""
        if inputs.shape[1] == self.channels:
            found: torch.Tensor = self.both.segment(inputs)
        else:
            found = self.both.correct(inputs)
        return found


def two_passes(scores: Scores, images: torch.Tensor, num_classes: int) -> torch.jit.ScriptModule:
    """A graph from `(B, C, *spatial)` to N logits, and from `(B, C + N, *spatial)` to N+1.

    Args:
        scores: With a corrector.
        images: An example, `(B, C, *spatial)`.
        num_classes: N.
    """
    channels = images.shape[1]
    size = (len(images), num_classes, *images.shape[2:])
    inputs = torch.cat([images, torch.full(size, 1 / num_classes)], dim=1)
    examples = {"segment": images, "correct": inputs}
    both = torch.jit.trace_module(_Both(scores, channels).eval(), examples)
    graph: torch.jit.ScriptModule = torch.jit.script(_Either(both, channels))
    return graph
