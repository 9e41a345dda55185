"""Error-Correcting Supervision word for word: what `ecs_med.methods.ecs` is held against.

Every term of eqs. 2, 3 and 6 runs its own forward passes, gradients are computed for all
weights in reach, and the losses are PyTorch's own. Nothing of `ecs_med` is used.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["LiteralEcs"]

VOID = 255


@dataclass
class LiteralEcs:
    """One iteration of the paper in plain PyTorch.

    Attributes:
        segmenter: S.
        corrector: C.
        num_classes: N.
        segmenter_optimizer: Of S.
        corrector_optimizer: Of C.
    """

    segmenter: nn.Module
    corrector: nn.Module
    num_classes: int
    segmenter_optimizer: torch.optim.Optimizer
    corrector_optimizer: torch.optim.Optimizer
    correction_weight: float = 0.1
    gamma: float = 2.0
    class_weight: float = 2.0

    def step(
        self, images: torch.Tensor, labels: torch.Tensor, unlabeled: torch.Tensor
    ) -> dict[str, float]:
        """Corrector, supervised and semi-supervised update; the four losses."""
        correction = self._corrector_step(images, labels)
        segmentation, judgement = self._supervised_step(images, labels)
        pseudo = self._semi_supervised_step(unlabeled)
        return {
            "segmentation": segmentation,
            "correction": correction,
            "judgement": judgement,
            "pseudo": pseudo,
        }

    def _judge(self, images: torch.Tensor, class_map: torch.Tensor) -> torch.Tensor:
        judged: torch.Tensor = self.corrector(torch.cat([images, class_map], dim=1))
        return judged

    def _corrector_step(self, images: torch.Tensor, labels: torch.Tensor) -> float:
        with torch.no_grad():
            segmented = torch.softmax(self.segmenter(images), dim=1)
        void = labels == VOID
        target = torch.where(segmented.argmax(dim=1) == labels, self.num_classes, labels)
        right = torch.where(void, VOID, torch.full_like(labels, self.num_classes))
        reference = F.one_hot(torch.where(void, 0, labels), self.num_classes)
        reference = torch.movedim(reference, -1, 1).to(images) * (~void).unsqueeze(1)
        alpha = images.new_tensor([self.class_weight] * self.num_classes + [1.0])
        loss_function = nn.CrossEntropyLoss(weight=alpha, ignore_index=VOID)
        loss = loss_function(self._judge(images, segmented), target)
        loss = loss + loss_function(self._judge(images, reference), right)
        self.corrector_optimizer.zero_grad()
        loss.backward()
        self.corrector_optimizer.step()
        return loss.item()

    def _supervised_step(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
        logits = self.segmenter(images)
        right = torch.where(labels == VOID, VOID, torch.full_like(labels, self.num_classes))
        loss_function = nn.CrossEntropyLoss(ignore_index=VOID)
        segmentation = loss_function(logits, labels)
        judgement = loss_function(self._judge(images, torch.softmax(logits, dim=1)), right)
        self.segmenter_optimizer.zero_grad()
        self.corrector_optimizer.zero_grad()
        (segmentation + self.correction_weight * judgement).backward()
        self.segmenter_optimizer.step()
        return segmentation.item(), judgement.item()

    def _semi_supervised_step(self, unlabeled: torch.Tensor) -> float:
        logits = self.segmenter(unlabeled)
        with torch.no_grad():
            corrected = torch.softmax(self._judge(unlabeled, torch.softmax(logits, dim=1)), dim=1)
            labels = corrected.argmax(dim=1)
            labels = torch.where(labels == self.num_classes, logits.argmax(dim=1), labels)
        certainty = corrected.max(dim=1).values ** self.gamma
        loss = (certainty * F.cross_entropy(logits, labels, reduction="none")).mean()
        self.segmenter_optimizer.zero_grad()
        loss.backward()
        self.segmenter_optimizer.step()
        return loss.item()
