"""The rivals word for word: what AdvSemiSeg, s4GAN and MLMT of `ecs_med.methods` are held against.

Every term runs its own forward passes, gradients are computed for all weights in reach, pictures
and pixels that do not count are cut out by indexing, and the losses are PyTorch's own. Nothing of
`ecs_med` is used.
"""

import copy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["LiteralAdvSemiSeg", "LiteralMlmt", "LiteralS4Gan"]

VOID = 255


@dataclass
class _Adversarial:
    """What both rivals with a discriminator have.

    Attributes:
        segmenter: S.
        discriminator: D.
        num_classes: N.
        segmenter_optimizer: Of S.
        discriminator_optimizer: Of D.
        threshold: Score above which unlabelled pixels or pictures are selected.
    """

    segmenter: nn.Module
    discriminator: nn.Module
    num_classes: int
    segmenter_optimizer: torch.optim.Optimizer
    discriminator_optimizer: torch.optim.Optimizer
    threshold: float

    def _reference(self, labels: Tensor) -> Tensor:
        known = labels != VOID
        encoded = F.one_hot(torch.where(known, labels, 0), self.num_classes)
        return torch.movedim(encoded, -1, 1).float() * known.unsqueeze(1)

    def _update_discriminator(self, real: Tensor, fake: Tensor) -> float:
        judge = nn.BCEWithLogitsLoss()
        loss = judge(real, torch.ones_like(real)) + judge(fake, torch.zeros_like(fake))
        self.discriminator_optimizer.zero_grad()
        (0.5 * loss).backward()
        self.discriminator_optimizer.step()
        return (0.5 * loss).item()


@dataclass
class LiteralAdvSemiSeg(_Adversarial):
    """One iteration of Hung et al. 2018; D goes from an N-channel map to one score a pixel."""

    threshold: float = 0.2

    def step(
        self,
        images: Tensor,
        labels: Tensor,
        unlabeled: Tensor,
        valid: Tensor,
        *,
        self_training: bool,
    ) -> dict[str, float]:
        """Segmenter's and discriminator's update; the five losses."""
        with torch.no_grad():
            fake, fake_unlabeled = self._probabilities(images), self._probabilities(unlabeled)
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
        known = labels != VOID
        fakes = torch.cat([self._scores(fake, known), self._scores(fake_unlabeled, valid)])
        real = self._scores(self._reference(labels), known)
        return {
            "segmentation": segmentation.item(),
            "adversarial": adversarial.item(),
            "adversarial_unlabeled": adversarial_unlabeled.item(),
            "self_training": taught.item(),
            "discrimination": self._update_discriminator(real, fakes),
        }

    def _probabilities(self, images: Tensor) -> Tensor:
        return torch.softmax(self.segmenter(images), dim=1)

    def _scores(self, class_map: Tensor, where: Tensor) -> Tensor:
        scores: Tensor = self.discriminator(class_map).squeeze(1)[where]
        return scores

    def _judged_real(self, class_map: Tensor, where: Tensor) -> Tensor:
        scores = self._scores(class_map, where)
        return nn.BCEWithLogitsLoss()(scores, torch.ones_like(scores))

    def _self_training(self, unlabeled: Tensor, valid: Tensor) -> Tensor:
        with torch.no_grad():
            probabilities = self._probabilities(unlabeled)
            sure = torch.sigmoid(self.discriminator(probabilities).squeeze(1)) >= self.threshold
            labels = torch.where(valid & sure, probabilities.argmax(dim=1), VOID)
        if (labels == VOID).all():
            return torch.zeros(())
        return nn.CrossEntropyLoss(ignore_index=VOID)(self.segmenter(unlabeled), labels)


@dataclass
class LiteralS4Gan(_Adversarial):
    """One iteration of Mittal et al. 2019.

    D goes from image and N-channel map to one score a picture and its features.
    """

    threshold: float = 0.6

    def step(
        self, images: Tensor, labels: Tensor, unlabeled: Tensor, valid: Tensor
    ) -> dict[str, float]:
        """Segmenter's and discriminator's update; the four losses."""
        known = [i for i in range(len(labels)) if (labels[i] != VOID).any()]
        real = torch.cat([images, self._reference(labels)], dim=1)[known]
        with torch.no_grad():
            fake = torch.cat([unlabeled, self._map(unlabeled, valid)], dim=1)
        segmentation = nn.CrossEntropyLoss(ignore_index=VOID)(self.segmenter(images), labels)
        pictures = torch.cat([unlabeled, self._map(unlabeled, valid)], dim=1)
        real_features = self.discriminator(real)[1].mean(dim=0)
        fake_features = self.discriminator(pictures)[1].mean(dim=0)
        matching = nn.L1Loss()(fake_features, real_features.detach())
        taught = self._self_training(unlabeled, valid, fake)
        self.segmenter_optimizer.zero_grad()
        (segmentation + 0.1 * matching + 1.0 * taught).backward()
        self.segmenter_optimizer.step()
        return {
            "segmentation": segmentation.item(),
            "matching": matching.item(),
            "self_training": taught.item(),
            "discrimination": self._update_discriminator(
                self.discriminator(real)[0], self.discriminator(fake)[0]
            ),
        }

    def _map(self, unlabeled: Tensor, valid: Tensor) -> Tensor:
        return torch.softmax(self.segmenter(unlabeled), dim=1) * valid.unsqueeze(1)

    def _self_training(self, unlabeled: Tensor, valid: Tensor, fake: Tensor) -> Tensor:
        with torch.no_grad():
            chosen = torch.sigmoid(self.discriminator(fake)[0]) > self.threshold
            own = self.segmenter(unlabeled).argmax(dim=1)
            labels = torch.where(valid, own, VOID)[chosen]
        if not chosen.any():
            return torch.zeros(())
        return nn.CrossEntropyLoss(ignore_index=VOID)(self.segmenter(unlabeled)[chosen], labels)


@dataclass
class LiteralMlmt:
    """The multi-label mean teacher beside it, in plain PyTorch.

    Attributes:
        classifier: K, from image to one logit a class.
        num_classes: N.
        optimizer: Of K.
        teacher: The average of K; evaluation mode.
    """

    classifier: nn.Module
    num_classes: int
    optimizer: torch.optim.Optimizer
    ema: float = 0.999
    noise: float = 0.1
    updates: int = 0
    teacher: nn.Module = field(init=False)

    def __post_init__(self) -> None:
        self.teacher = copy.deepcopy(self.classifier).eval()

    def step(self, images: Tensor, labels: Tensor, unlabeled: Tensor) -> dict[str, float]:
        """Classifier's and teacher's update; the two losses."""
        pairs = []
        logits = self.classifier(images)
        for scores, picture in zip(logits, labels, strict=True):
            shown = set(picture.unique().tolist()) - {VOID}
            if shown:
                target = [float(k in shown) for k in range(self.num_classes)]
                pairs += list(zip(scores, torch.tensor(target), strict=True))
        presence = nn.BCEWithLogitsLoss()(*(torch.stack(column) for column in zip(*pairs)))  # noqa: B905
        with torch.no_grad():
            expected = torch.sigmoid(self.teacher(unlabeled))
        seen = unlabeled + self.noise * torch.randn(unlabeled.shape)
        found = torch.sigmoid(self.classifier(seen))
        consistency = 1 - nn.CosineSimilarity(dim=1)(found, expected).mean()
        self.optimizer.zero_grad()
        (presence + consistency).backward()
        self.optimizer.step()
        self._average()
        return {"presence": presence.item(), "consistency": consistency.item()}

    def _average(self) -> None:
        self.updates += 1
        decay = min(1 - 1 / self.updates, self.ema)
        for part in ("parameters", "buffers"):
            for ours, theirs in zip(
                getattr(self.teacher, part)(), getattr(self.classifier, part)(), strict=True
            ):
                average = decay * ours.data + (1 - decay) * theirs.data
                ours.data.copy_(average if ours.is_floating_point() else theirs.data)
