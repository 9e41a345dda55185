"""s4GAN and MLMT word for word: what `ecs_med.methods.s4gan` and `s4gan_mlmt` are held against.

Every term runs its own forward passes, gradients are computed for all weights in reach, pictures
and pixels that do not count are cut out by indexing, and the losses are PyTorch's own. Nothing of
`ecs_med` is used.
"""

import copy
from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["LiteralMlmt", "LiteralS4Gan"]

VOID = 255


@dataclass
class LiteralS4Gan:
    """One iteration of Mittal et al. 2019 in plain PyTorch.

    Attributes:
        segmenter: S.
        discriminator: D, from image and N-channel map to one score a picture and its features.
        num_classes: N.
        segmenter_optimizer: Of S.
        discriminator_optimizer: Of D.
    """

    segmenter: nn.Module
    discriminator: nn.Module
    num_classes: int
    segmenter_optimizer: torch.optim.Optimizer
    discriminator_optimizer: torch.optim.Optimizer
    threshold: float = 0.6

    def step(
        self,
        images: torch.Tensor,
        labels: torch.Tensor,
        unlabeled: torch.Tensor,
        valid: torch.Tensor,
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
            "discrimination": self._discriminator_step(real, fake),
        }

    def _reference(self, labels: torch.Tensor) -> torch.Tensor:
        known = labels != VOID
        encoded = F.one_hot(torch.where(known, labels, 0), self.num_classes)
        return torch.movedim(encoded, -1, 1).float() * known.unsqueeze(1)

    def _map(self, unlabeled: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.segmenter(unlabeled), dim=1) * valid.unsqueeze(1)

    def _self_training(
        self, unlabeled: torch.Tensor, valid: torch.Tensor, fake: torch.Tensor
    ) -> torch.Tensor:
        with torch.no_grad():
            chosen = torch.sigmoid(self.discriminator(fake)[0]) > self.threshold
            own = self.segmenter(unlabeled).argmax(dim=1)
            labels = torch.where(valid, own, VOID)[chosen]
        if not chosen.any():
            return torch.zeros(())
        return nn.CrossEntropyLoss(ignore_index=VOID)(self.segmenter(unlabeled)[chosen], labels)

    def _discriminator_step(self, real: torch.Tensor, fake: torch.Tensor) -> float:
        judge = nn.BCEWithLogitsLoss()
        on_real, on_fake = self.discriminator(real)[0], self.discriminator(fake)[0]
        loss = judge(on_real, torch.ones_like(on_real)) + judge(on_fake, torch.zeros_like(on_fake))
        self.discriminator_optimizer.zero_grad()
        (0.5 * loss).backward()
        self.discriminator_optimizer.step()
        return (0.5 * loss).item()


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

    def step(
        self, images: torch.Tensor, labels: torch.Tensor, unlabeled: torch.Tensor
    ) -> dict[str, float]:
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
