"""FixMatch, mean teacher, CPS and self-training word for word, for tests to hold theirs against.

Written from the equations: losses are PyTorch's own, pixels that do not count are cut out by
indexing, all terms of a network are one graph, boxes of other images are pasted by assignment.
Nothing of `ecs_med` is used.
"""

import copy
import math
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "Images",
    "LiteralCps",
    "LiteralFixMatch",
    "LiteralMeanTeacher",
    "LiteralSelfTraining",
]

VOID = 255


@dataclass
class Images:
    """One iteration's.

    Attributes:
        labeled: `(B, C, *spatial)`.
        labels: `(B, *spatial)`, 255 where void.
        weak: `(M, C, *spatial)`, unlabelled.
        valid: `(M, *spatial)`, bool.
        strong: `(M, C, *spatial)`, varied, with the boxes pasted.
        inside: `(M, *spatial)`, bool: the boxes.
        order: Of which image each box is.
    """

    labeled: Tensor
    labels: Tensor
    weak: Tensor
    valid: Tensor
    strong: Tensor
    inside: Tensor
    order: list[int]

    def mixed(self, values: Tensor) -> Tensor:
        """A map `(M, *spatial)` of the weak images as one of the strong ones."""
        result = values.clone()
        for own, other in enumerate(self.order):
            result[own][self.inside[own]] = values[other][self.inside[own]]
        return result


def _supervised(logits: Tensor, labels: Tensor) -> Tensor:
    return nn.CrossEntropyLoss(ignore_index=VOID)(logits, labels)


def _pixels(logits: Tensor, where: Tensor) -> Tensor:
    """`(pixels, N)`."""
    return torch.movedim(logits, 1, -1)[where]


def _move(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@dataclass
class _Taught:
    """A segmenter with its moving average.

    Attributes:
        segmenter: S.
        optimizer: Of S.
        ema: Decay of the average.
    """

    segmenter: nn.Module
    optimizer: torch.optim.Optimizer
    ema: float = 0.99
    teacher: nn.Module = field(init=False)
    updates: int = 0

    def __post_init__(self) -> None:
        self.teacher = copy.deepcopy(self.segmenter).eval()

    def _target(self, images: Images) -> Tensor:
        with torch.no_grad():
            return torch.softmax(self.teacher(images.weak), dim=1)

    def _average(self) -> None:
        decay = min(1 - 1 / (self.updates + 1), self.ema)
        self.updates += 1
        former, now = self.teacher.state_dict(), self.segmenter.state_dict()
        mean = {
            k: decay * v + (1 - decay) * now[k] if v.is_floating_point() else now[k]
            for k, v in former.items()
        }
        self.teacher.load_state_dict(mean)


@dataclass
class LiteralFixMatch(_Taught):
    """Sohn et al. 2020, with a mean teacher; for segmentation as in Yang et al. 2023."""

    threshold: float = 0.95

    def step(self, images: Images) -> dict[str, float]:
        """One update, and the teacher's; the two losses."""
        segmentation = _supervised(self.segmenter(images.labeled), images.labels)
        probability, labels = self._target(images).max(dim=1)
        valid, labels = images.mixed(images.valid), images.mixed(labels)
        sure = images.mixed(probability)[valid] >= self.threshold
        logits = _pixels(self.segmenter(images.strong), valid)
        pixelwise = nn.CrossEntropyLoss(reduction="none")(logits, labels[valid])
        unlabeled = pixelwise[sure].sum() / len(pixelwise)
        _move(self.optimizer, segmentation + unlabeled)
        self._average()
        return {"segmentation": segmentation.item(), "unlabeled": unlabeled.item()}


@dataclass
class LiteralMeanTeacher(_Taught):
    """Tarvainen and Valpola 2017, the student on a strong view."""

    weight: float = 1.0
    ramp_up: float = 0.25

    def step(self, images: Images, progress: float) -> dict[str, float]:
        """One update, and the teacher's; the two losses."""
        segmentation = _supervised(self.segmenter(images.labeled), images.labels)
        target = self._target(images)
        target = torch.stack([images.mixed(target[:, k]) for k in range(target.shape[1])], dim=1)
        valid = images.mixed(images.valid)
        found = _pixels(torch.softmax(self.segmenter(images.strong), dim=1), valid)
        consistency = F.mse_loss(found, _pixels(target, valid)) * target.shape[1]
        weight = self.weight
        if progress < self.ramp_up:
            weight *= math.exp(-5 * (1 - progress / self.ramp_up) ** 2)
        _move(self.optimizer, segmentation + weight * consistency)
        self._average()
        return {"segmentation": segmentation.item(), "consistency": consistency.item()}


@dataclass
class LiteralCps:
    """Chen et al. 2021, with CutMix; both networks' losses are one sum."""

    first: nn.Module
    second: nn.Module
    first_optimizer: torch.optim.Optimizer
    second_optimizer: torch.optim.Optimizer
    weight: float = 1.5

    def step(self, images: Images, known: Tensor) -> dict[str, float]:
        """One update of both; the four losses.

        Args:
            images: Of the iteration.
            known: Pixels of labelled images that they teach each other, `(B, *spatial)`, bool.
        """
        on_labeled = [network(images.labeled) for network in (self.first, self.second)]
        with torch.no_grad():
            labels = [n(images.weak).argmax(dim=1) for n in (self.first, self.second)]
        on_strong = [network(images.strong) for network in (self.first, self.second)]
        segmentation, second = (_supervised(one, images.labels) for one in on_labeled)
        mean = nn.CrossEntropyLoss()
        mine, theirs = (_pixels(one, known) for one in on_labeled)
        crossed = mean(mine, theirs.argmax(dim=1)) + mean(theirs, mine.argmax(dim=1))
        valid = images.mixed(images.valid)
        unlabeled = mean(_pixels(on_strong[0], valid), images.mixed(labels[1])[valid])
        unlabeled = unlabeled + mean(_pixels(on_strong[1], valid), images.mixed(labels[0])[valid])
        self.second_optimizer.zero_grad()
        _move(self.first_optimizer, segmentation + second + self.weight * (crossed + unlabeled))
        self.second_optimizer.step()
        return {
            "segmentation": segmentation.item(),
            "second": second.item(),
            "crossed": crossed.item(),
            "unlabeled": unlabeled.item(),
        }


@dataclass
class LiteralSelfTraining:
    """ST of Yang et al. 2022: `supervise` some times, `begin_again`, then `teach`.

    Attributes:
        segmenter: S.
        lr: Of SGD with momentum 0.9.
    """

    segmenter: nn.Module
    lr: float
    teacher: nn.Module = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        self.untrained = copy.deepcopy(self.segmenter)
        self._new_optimizer()

    def _new_optimizer(self) -> None:
        parameters = self.segmenter.parameters()
        self.optimizer = torch.optim.SGD(parameters, self.lr, momentum=0.9)

    def supervise(self, images: Images) -> dict[str, float]:
        """An iteration of the first stage."""
        segmentation = _supervised(self.segmenter(images.labeled), images.labels)
        _move(self.optimizer, segmentation)
        return {"segmentation": segmentation.item()}

    def begin_again(self) -> None:
        """The trained network labels from now on; an untrained one learns."""
        self.teacher = self.segmenter.eval()
        self.segmenter = copy.deepcopy(self.untrained).train()
        self._new_optimizer()

    def teach(self, images: Images) -> dict[str, float]:
        """An iteration of the second stage."""
        segmentation = _supervised(self.segmenter(images.labeled), images.labels)
        with torch.no_grad():
            labels = images.mixed(self.teacher(images.weak).argmax(dim=1))
        valid = images.mixed(images.valid)
        logits = _pixels(self.segmenter(images.strong), valid)
        unlabeled = nn.CrossEntropyLoss()(logits, labels[valid])
        _move(self.optimizer, segmentation + unlabeled)
        return {"segmentation": segmentation.item(), "unlabeled": unlabeled.item()}
