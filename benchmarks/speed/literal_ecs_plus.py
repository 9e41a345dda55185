"""ECS+ written down literally, a forward pass for each term, to hold the method against."""

import copy

import torch
from torch import nn
from torch.nn import functional as F

from ecs_med.types import IGNORE_INDEX, Batch
from ecs_med.views.draws import chance
from ecs_med.views.masks import corrupt_masks

__all__ = ["LiteralEcsPlus"]


class LiteralEcsPlus:
    """One iteration by the equations of `ecs_med.methods.ecs_plus`, with plain descent.

    Args:
        segmenter: With `encode` and `decode`.
        average: The teacher's network, on which the corrector stands.
        corrector: With `classify(features, one_hot)`.
        num_classes: N.
        lr: Of both.
        numbers: `corrupted_share`, `balance`, `gamma`, `unlabeled_weight`, `decay`.
    """

    def __init__(
        self,
        segmenter: nn.Module,
        average: nn.Module,
        corrector: nn.Module,
        num_classes: int,
        lr: float,
        numbers: dict[str, float],
    ) -> None:
        self.segmenter, self.average, self.corrector = segmenter, average, corrector
        self.num_classes, self.lr, self.numbers, self.updates = num_classes, lr, numbers, 0

    def step(self, batch: Batch, ramp: float) -> dict[str, float]:
        """Losses by name."""
        count, unlabeled = self.num_classes, batch.unlabeled_images
        assert unlabeled is not None
        losses = {}
        found = self.average(batch.images).argmax(1)
        known = batch.labels != IGNORE_INDEX
        wrong = corrupt_masks(torch.where(known, batch.labels, found), count)
        chosen = chance(batch.images, self.numbers["corrupted_share"])
        masks = [w if c else f for w, c, f in zip(wrong, chosen, found, strict=True)]
        self.corrector.train()
        logits = self._judge(batch.images, torch.stack(masks))
        pixels = [max(1.0, float((batch.labels == c).sum())) for c in range(count)]
        total = sum(float((batch.labels == c).sum()) for c in range(count))
        weight = [(n / max(1.0, total)) ** -self.numbers["balance"] for n in pixels]
        loss = F.cross_entropy(
            logits,
            batch.labels,
            torch.tensor(weight, dtype=logits.dtype),
            ignore_index=IGNORE_INDEX,
        )
        losses["correction"] = self._descend(self.corrector, loss)
        self.corrector.eval()
        with torch.no_grad():
            mask = self.average(unlabeled).argmax(1)
            sure, labels = self._judge(unlabeled, mask).softmax(1).max(1)
        self.corrector.train()
        loss = F.cross_entropy(
            self.segmenter(batch.images), batch.labels, ignore_index=IGNORE_INDEX
        )
        losses["segmentation"] = self._descend(self.segmenter, loss)
        view = batch.unlabeled_strong[0]
        assert batch.unlabeled_valid is not None
        valid = view.bring(batch.unlabeled_valid)
        each = F.cross_entropy(self.segmenter(view.images), view.bring(labels), reduction="none")
        pseudo = (view.bring(sure) ** self.numbers["gamma"] * each)[valid].sum() / valid.sum()
        losses["pseudo"] = pseudo.item()
        self._descend(self.segmenter, ramp * self.numbers["unlabeled_weight"] * pseudo)
        self._follow()
        return losses

    def _judge(self, images: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            features = copy.deepcopy(self.average).encode(images)  # type: ignore[operator]
        one_hot = torch.stack([(mask == c) for c in range(self.num_classes)], dim=1)
        logits: torch.Tensor = self.corrector.classify(features, one_hot)  # type: ignore[operator]
        return logits

    def _descend(self, network: nn.Module, loss: torch.Tensor) -> float:
        parameters = [p for p in network.parameters() if p.requires_grad]
        gradients = torch.autograd.grad(loss, parameters)
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                parameter -= self.lr * gradient
        return loss.item()

    @torch.no_grad()
    def _follow(self) -> None:
        decay = min(1 - 1 / (self.updates + 1), self.numbers["decay"])
        ours, theirs = self.average.state_dict(), self.segmenter.state_dict()
        for name, value in ours.items():
            if value.is_floating_point():
                value.copy_(decay * value + (1 - decay) * theirs[name])
        self.updates += 1
