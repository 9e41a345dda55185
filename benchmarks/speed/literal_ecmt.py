"""Error-Correcting Mean-Teacher word for word: what `ecs_med.methods.ecmt` is held against.

Every loss runs its own forward pass, pixels that do not count are cut out by indexing, the moving
average is kept tensor by tensor, and the losses are PyTorch's own. Nothing of `ecs_med` is used.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["LiteralEcmt"]

VOID = 255


@dataclass
class LiteralEcmt:
    """One iteration in plain PyTorch.

    Attributes:
        network: One network with `encode`, `decode` and `judge`, from images to features, from
            features to N logits, and from features and N probabilities to N+1 logits.
        num_classes: N.
        optimizer: Of all of its weights.
    """

    network: nn.Module
    num_classes: int
    optimizer: torch.optim.Optimizer
    decay: float = 0.99
    class_weight: float = 2.0
    correction_weight: float = 1.0
    unlabeled_weight: float = 1.0
    gamma: float = 2.0

    def __post_init__(self) -> None:
        self.average = copy.deepcopy(self.network).eval()
        self.steps = 0

    def step(
        self,
        images: Tensor,
        labels: Tensor,
        unlabeled: Tensor,
        valid: Tensor,
        strong: Tensor,
        bring: Callable[[Tensor], Tensor],
    ) -> dict[str, float]:
        """One update and that of the average; the three losses."""
        features = self.network.encode(images)  # type: ignore[operator]
        logits = self.network.decode(features)  # type: ignore[operator]
        known = labels != VOID
        segmentation = F.cross_entropy(_pixels(logits)[known], labels[known])
        segmented = torch.softmax(logits.detach(), dim=1)
        judged = self.network.judge(features, segmented)  # type: ignore[operator]
        found_right = segmented.argmax(dim=1) == labels
        target = torch.where(found_right, self.num_classes, labels)[known]
        alpha = torch.tensor([self.class_weight] * self.num_classes + [1.0]).to(images)
        pixelwise = F.cross_entropy(_pixels(judged)[known], target, reduction="none")
        correction = (alpha[target] * pixelwise).sum() / alpha[target].sum()
        labels_u, certainty = self._targets(unlabeled)
        again = self.network.decode(self.network.encode(strong))  # type: ignore[operator]
        where = bring(valid)
        pixelwise = F.cross_entropy(_pixels(again)[where], bring(labels_u)[where], reduction="none")
        pseudo = (bring(certainty)[where] ** self.gamma * pixelwise).mean()
        total = segmentation + self.correction_weight * correction
        self.optimizer.zero_grad()
        (total + self.unlabeled_weight * pseudo).backward()
        self.optimizer.step()
        self._average()
        return {
            "segmentation": segmentation.item(),
            "correction": correction.item(),
            "pseudo": pseudo.item(),
        }

    @torch.no_grad()
    def _targets(self, unlabeled: Tensor) -> tuple[Tensor, Tensor]:
        student = copy.deepcopy(self.network).eval()
        logits = student.decode(student.encode(unlabeled))  # type: ignore[operator]
        segmented = torch.softmax(logits, dim=1)
        features = self.average.encode(unlabeled)  # type: ignore[operator]
        judged = torch.softmax(self.average.judge(features, segmented), dim=1)  # type: ignore[operator]
        certainty, corrected = judged.max(dim=1)
        is_right = corrected == self.num_classes
        return torch.where(is_right, segmented.argmax(dim=1), corrected), certainty

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.steps / (self.steps + 1), self.decay)
        self.steps += 1
        theirs = [*self.network.parameters(), *self.network.buffers()]
        for ours, new in zip(
            [*self.average.parameters(), *self.average.buffers()], theirs, strict=True
        ):
            ours.copy_(decay * ours + (1 - decay) * new if ours.is_floating_point() else new)


def _pixels(logits: Tensor) -> Tensor:
    return torch.movedim(logits, 1, -1)
