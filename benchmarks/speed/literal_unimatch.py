"""UniMatch, V1 and V2, word for word, for tests to hold theirs against.

Written from the equations: losses are PyTorch's own, pixels that do not count are cut out by
indexing, all terms are one graph with one backward pass. Nothing of `ecs_med` is used. Segmenters
have `encode` and `decode`.
"""

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["LiteralUniMatch", "LiteralUniMatchV2", "Varied", "Weak"]

VOID = 255


@dataclass
class Weak:
    """One iteration's images as they are.

    Attributes:
        labeled: `(B, C, *spatial)`.
        labels: `(B, *spatial)`, 255 where void.
        unlabeled: `(M, C, *spatial)`.
        valid: `(M, *spatial)`, bool.
    """

    labeled: Tensor
    labels: Tensor
    unlabeled: Tensor
    valid: Tensor


@dataclass
class Varied:
    """A strong view of the unlabelled images.

    Attributes:
        images: `(M, C, *spatial)`, with the boxes pasted.
        inside: `(M, *spatial)`, bool: the boxes.
        order: Of which image each box is.
    """

    images: Tensor
    inside: Tensor
    order: list[int]

    def mixed(self, values: Tensor) -> Tensor:
        """A map `(M, *spatial)` of the images as they are as one of this view."""
        result = values.clone()
        for own, other in enumerate(self.order):
            result[own][self.inside[own]] = values[other][self.inside[own]]
        return result


def _supervised(logits: Tensor, labels: Tensor) -> Tensor:
    return nn.CrossEntropyLoss(ignore_index=VOID)(logits, labels)


def _learned(logits: Tensor, labels: Tensor, sure: Tensor, valid: Tensor) -> Tensor:
    """Sum over the sure pixels that are valid, over the number of valid ones."""
    total = logits.new_zeros(())
    for index in torch.nonzero(valid & sure).tolist():
        scores = logits[(index[0], slice(None), *index[1:])]
        total = total - torch.log_softmax(scores, dim=0)[labels[tuple(index)]]
    return total / max(1, int(valid.sum()))


def _times(features: Any, masks: list[Tensor]) -> list[Tensor]:
    """Every image, every channel by itself."""
    return [
        torch.stack(
            [
                torch.stack([channel * m for channel, m in zip(image, row, strict=True)])
                for image, row in zip(feature, mask, strict=True)
            ]
        )
        for feature, mask in zip(features, masks, strict=True)
    ]


def _move(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@dataclass
class LiteralUniMatch:
    """Yang et al. 2023, "Revisiting Weak-to-Strong Consistency"."""

    segmenter: Any
    optimizer: torch.optim.Optimizer
    threshold: float = 0.95
    dropout: float = 0.5

    def step(self, weak: Weak, first: Varied, second: Varied) -> dict[str, float]:
        """One update; the four losses."""
        on_labeled = self.segmenter(weak.labeled)
        features = self.segmenter.encode(weak.unlabeled)
        probability, labels = self.segmenter.decode(features).detach().softmax(dim=1).max(dim=1)
        kept = [torch.rand(f.shape[:2]) >= self.dropout for f in features]
        masks = [mask / (1 - self.dropout) for mask in kept]
        on_features = self.segmenter.decode(_times(features, masks))
        on_first, on_second = self.segmenter(first.images), self.segmenter(second.images)
        sure, valid = probability >= self.threshold, weak.valid
        losses = {
            "segmentation": _supervised(on_labeled, weak.labels),
            "features": _learned(on_features, labels, sure, valid),
            "first_view": _learned(on_first, *map(first.mixed, (labels, sure, valid))),
            "second_view": _learned(on_second, *map(second.mixed, (labels, sure, valid))),
        }
        views = 0.25 * losses["first_view"] + 0.25 * losses["second_view"]
        _move(self.optimizer, (losses["segmentation"] + views + 0.5 * losses["features"]) / 2)
        return {name: loss.item() for name, loss in losses.items()}


@dataclass
class LiteralUniMatchV2:
    """Yang et al. 2025, "UniMatch V2"."""

    segmenter: Any
    optimizer: torch.optim.Optimizer
    threshold: float = 0.95
    untouched: float = 0.5
    ema: float = 0.996
    teacher: nn.Module = field(init=False)
    updates: int = 0

    def __post_init__(self) -> None:
        self.teacher = copy.deepcopy(self.segmenter).eval()

    def step(self, weak: Weak, first: Varied, second: Varied) -> dict[str, float]:
        """One update, and the teacher's; the three losses."""
        on_labeled = self.segmenter(weak.labeled)
        with torch.no_grad():
            probability, labels = self.teacher(weak.unlabeled).softmax(dim=1).max(dim=1)
        features = self.segmenter.encode(first.images)
        alone = torch.rand(len(weak.unlabeled)) < self.untouched
        masks = [2.0 * (torch.rand(feature.shape[:2]) >= 0.5) for feature in features]
        others = [2.0 * (mask == 0) for mask in masks]
        for mask in (*masks, *others):
            mask[alone] = 1.0
        on_first = self.segmenter.decode(_times(features, masks))
        on_second = self.segmenter.decode(_times(self.segmenter.encode(second.images), others))
        sure, valid = probability >= self.threshold, weak.valid
        losses = {
            "segmentation": _supervised(on_labeled, weak.labels),
            "first_view": _learned(on_first, *map(first.mixed, (labels, sure, valid))),
            "second_view": _learned(on_second, *map(second.mixed, (labels, sure, valid))),
        }
        views = (losses["first_view"] + losses["second_view"]) / 2
        _move(self.optimizer, (losses["segmentation"] + views) / 2)
        self._average()
        return {name: loss.item() for name, loss in losses.items()}

    def _average(self) -> None:
        decay = min(1 - 1 / (self.updates + 1), self.ema)
        self.updates += 1
        now = self.segmenter.state_dict()
        for name, value in self.teacher.state_dict().items():
            is_counter = not value.is_floating_point()
            value.copy_(now[name] if is_counter else decay * value + (1 - decay) * now[name])
