"""Bidirectional copy-paste word for word, for tests to hold the method against.

Written from the equations: images are mixed one by one by assignment to slices, pixels of each kind
are gathered in lists, objects are grown from seeds. Nothing of `ecs_med` is used.
"""

import copy
import itertools
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

__all__ = ["LiteralBcp", "keep_largest"]

VOID = 255

Sources = tuple[Tensor, Tensor]
"""An image `(C, *spatial)` and its labels."""


def keep_largest(labels: Tensor) -> Tensor:
    """The largest object of each class of one image `(*spatial)`; the others become 0."""
    result = labels.clone()
    offsets = list(itertools.product((-1, 0, 1), repeat=labels.ndim))
    for value in set(labels.flatten().tolist()) - {0, VOID}:
        left = {tuple(place) for place in torch.nonzero(labels == value).tolist()}
        objects: list[list[tuple[int, ...]]] = []
        for seed in sorted(left):
            if seed not in left:
                continue
            left.remove(seed)
            grown = [seed]
            for place in grown:  # Grows while it is walked through.
                for offset in offsets:
                    near = tuple(a + b for a, b in zip(place, offset, strict=True))
                    if near in left:
                        left.remove(near)
                        grown.append(near)
            objects.append(grown)
        largest = max(objects, key=len)
        for grown in objects:
            for place in grown if grown is not largest else []:
                result[place] = 0
    return result


def _loss(pixels: list[tuple[Tensor, int]]) -> Tensor:
    """(Cross-entropy + Dice) / 2 of logits and labels of pixels."""
    known = [(logits, label) for logits, label in pixels if label != VOID]
    if not known:
        return torch.zeros((), dtype=torch.float64)
    logits = torch.stack([one for one, _ in known])
    labels = torch.tensor([label for _, label in known])
    dice = torch.zeros((), dtype=torch.float64)
    count = logits.shape[1]
    for k in range(count):
        p, y = torch.softmax(logits, dim=1)[:, k], (labels == k).double()
        above, below = 2 * (p * y).sum() + 1e-10, (p * p).sum() + (y * y).sum() + 1e-10
        dice = dice + (1 - above / below) / count
    return (nn.CrossEntropyLoss()(logits, labels) + dice) / 2


@dataclass
class LiteralBcp:
    """Bai et al. 2023.

    Attributes:
        segmenter: S.
        optimizer: Of S.
        largest: Whether pseudo-labels are reduced to the largest objects.
        weight: Of pixels of unlabelled images.
    """

    segmenter: nn.Module
    optimizer: torch.optim.Optimizer
    largest: bool = True
    weight: float = 0.5
    ema: float = 0.99
    teacher: nn.Module = field(init=False)
    updates: int = 0

    def __post_init__(self) -> None:
        self.teacher = copy.deepcopy(self.segmenter).eval()

    @staticmethod
    def _boxes(images: Tensor) -> list[tuple[slice, ...]]:
        drawn = torch.rand(len(images), images.ndim - 2, dtype=images.dtype)
        boxes = []
        for row in drawn.tolist():
            sides = [round(2 / 3 * size) for size in images.shape[2:]]
            free = zip(row, images.shape[2:], sides, strict=True)
            starts = [int(u * (size - side + 1)) for u, size, side in free]
            boxes.append(tuple(slice(a, a + b) for a, b in zip(starts, sides, strict=True)))
        return boxes

    def first_stage(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        """Labelled images mixed with one another."""
        boxes = self._boxes(images)
        mixed, kinds = [], []
        for number, box in enumerate(boxes):
            other = (number + 1) % len(images)
            image, inside = images[number].clone(), torch.zeros_like(labels[0], dtype=torch.bool)
            image[(slice(None), *box)] = images[other][(slice(None), *box)]
            inside[box] = True
            mixed.append((image, torch.where(inside, labels[other], labels[number])))
            kinds.append((inside, ~inside))
        first, second = self._losses(mixed, kinds)
        self._move(first + second)
        return {"segmentation": (first + second).item(), "unlabeled": 0.0}

    def second_stage(
        self, images: Tensor, labels: Tensor, unlabeled: Tensor, valid: Tensor
    ) -> dict[str, float]:
        """Labelled images with unlabelled ones."""
        with torch.no_grad():
            found = self.teacher(unlabeled).argmax(dim=1)
        found[~valid] = VOID
        if self.largest:
            found = torch.stack([keep_largest(one) for one in found])
        boxes = self._boxes(images)
        is_even_inward = torch.rand(()) >= 0.5
        nothing = torch.zeros_like(valid[0])
        mixed, kinds = [], []
        for number, box in enumerate(boxes):
            inside = nothing.clone()
            inside[box] = True
            is_inward = (number % 2 == 0) == bool(is_even_inward)
            front, back = (images, labels), (unlabeled, found)
            front, back = (front, back) if is_inward else (back, front)
            image = back[0][number].clone()
            image[(slice(None), *box)] = front[0][number][(slice(None), *box)]
            mixed.append((image, torch.where(inside, front[1][number], back[1][number])))
            labeled = inside if is_inward else ~inside
            four = (labeled, ~labeled, nothing, nothing)
            kinds.append(four if is_inward else (nothing, nothing, labeled, ~labeled))
        inward, inward_u, outward, outward_u = self._losses(mixed, kinds)
        self._move(inward + outward + self.weight * (inward_u + outward_u))
        return {
            "segmentation": (inward + outward).item(),
            "unlabeled": (inward_u + outward_u).item(),
        }

    def _losses(self, mixed: list[Sources], kinds: list[tuple[Tensor, ...]]) -> list[Tensor]:
        """The loss of each kind of pixels, over all images."""
        logits = self.segmenter(torch.stack([image for image, _ in mixed]))
        losses = []
        for kind in range(len(kinds[0])):
            pixels = []
            for number, (_, labels) in enumerate(mixed):
                for place in torch.nonzero(kinds[number][kind]).tolist():
                    scores = logits[(number, slice(None), *place)]
                    pixels.append((scores, int(labels[tuple(place)])))
            losses.append(_loss(pixels))
        return losses

    def _move(self, loss: Tensor) -> None:
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        decay = min(1 - 1 / (self.updates + 1), self.ema)
        self.updates += 1
        now = self.segmenter.state_dict()
        for name, value in self.teacher.state_dict().items():
            is_counter = not value.is_floating_point()
            value.copy_(now[name] if is_counter else decay * value + (1 - decay) * now[name])
