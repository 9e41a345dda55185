"""AdvSemiSeg word for word: what `ecs_med.methods.advsemiseg` is held against.

Every term runs its own forward passes, gradients are computed for all weights in reach, pixels
that do not count are cut out by indexing, and the losses are PyTorch's own. Nothing of `ecs_med`
is used.
"""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["LiteralAdvSemiSeg"]

VOID = 255


@dataclass
class LiteralAdvSemiSeg:
    """One iteration of Hung et al. 2018 in plain PyTorch.

    Attributes:
        segmenter: S.
        discriminator: D, from an N-channel map to one score a pixel.
        num_classes: N.
        segmenter_optimizer: Of S.
        discriminator_optimizer: Of D.
    """

    segmenter: nn.Module
    discriminator: nn.Module
    num_classes: int
    segmenter_optimizer: torch.optim.Optimizer
    discriminator_optimizer: torch.optim.Optimizer
    threshold: float = 0.2

    def step(
        self,
        images: torch.Tensor,
        labels: torch.Tensor,
        unlabeled: torch.Tensor,
        valid: torch.Tensor,
        *,
        self_training: bool,
    ) -> dict[str, float]:
        """Segmenter's and discriminator's update; the five losses."""
        with torch.no_grad():
            fake = torch.softmax(self.segmenter(images), dim=1)
            fake_unlabeled = torch.softmax(self.segmenter(unlabeled), dim=1)
        segmentation = nn.CrossEntropyLoss(ignore_index=VOID)(self.segmenter(images), labels)
        adversarial = self._judged_real(self._probabilities(images), labels != VOID)
        adversarial_unlabeled = self._judged_real(self._probabilities(unlabeled), valid)
        taught = torch.zeros(())
        if self_training:
            taught = self._self_training(unlabeled, valid)
        self.segmenter_optimizer.zero_grad()
        total = segmentation + 0.01 * adversarial + 0.001 * adversarial_unlabeled + 0.1 * taught
        total.backward()
        self.segmenter_optimizer.step()
        discrimination = self._discriminator_step(labels, valid, fake, fake_unlabeled)
        return {
            "segmentation": segmentation.item(),
            "adversarial": adversarial.item(),
            "adversarial_unlabeled": adversarial_unlabeled.item(),
            "self_training": taught.item(),
            "discrimination": discrimination,
        }

    def _probabilities(self, images: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.segmenter(images), dim=1)

    def _scores(self, class_map: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.discriminator(class_map).squeeze(1)[where]
        return scores

    def _judged_real(self, class_map: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
        scores = self._scores(class_map, where)
        return nn.BCEWithLogitsLoss()(scores, torch.ones_like(scores))

    def _self_training(self, unlabeled: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            probabilities = self._probabilities(unlabeled)
            sure = torch.sigmoid(self.discriminator(probabilities).squeeze(1)) >= self.threshold
            labels = torch.where(valid & sure, probabilities.argmax(dim=1), VOID)
        if (labels == VOID).all():
            return torch.zeros(())
        return nn.CrossEntropyLoss(ignore_index=VOID)(self.segmenter(unlabeled), labels)

    def _discriminator_step(
        self,
        labels: torch.Tensor,
        valid: torch.Tensor,
        fake: torch.Tensor,
        fake_unlabeled: torch.Tensor,
    ) -> float:
        known = labels != VOID
        reference = F.one_hot(torch.where(known, labels, 0), self.num_classes)
        reference = torch.movedim(reference, -1, 1).to(fake) * known.unsqueeze(1)
        fakes = torch.cat([self._scores(fake, known), self._scores(fake_unlabeled, valid)])
        real = self._scores(reference, known)
        judge = nn.BCEWithLogitsLoss()
        loss = judge(fakes, torch.zeros_like(fakes)) + judge(real, torch.ones_like(real))
        self.discriminator_optimizer.zero_grad()
        (0.5 * loss).backward()
        self.discriminator_optimizer.step()
        return (0.5 * loss).item()
