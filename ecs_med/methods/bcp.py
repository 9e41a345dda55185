"""BCP, bidirectional copy-paste (Bai et al. 2023).

One iteration, M a box of 2/3 of each side, T the moving average of S, x labelled and u not:

    labels      y_u = largest object of each class of argmax T(u)
    inward      z = x in M, u outside
    outward     z = u in M, x outside
    segmenter   L(S(z), y; pixels of x) + w L(S(z), y_u; pixels of u), L = (H + Dice) / 2,
                  inward images and outward ones each for themselves, summed
    teacher     T <- d T + (1 - d) S

In a first stage labelled images alone are mixed in that way, box and rest with weight 1.

What the publication leaves open, and how it is here:

- Every other image of the batch is mixed inward, the rest outward; which of them is drawn.
- The box is one of 2/3 of the whole crop at a place that is drawn for each image (published: for
  the batch). Padding that is copied stays padding: it counts nowhere, and void neither.
- In the first stage every labelled image is background once and box once: the box of an image
  comes from the next one. Published are half as many images in an iteration.
- H is the mean over the pixels of one kind, Dice the mean over classes with all these pixels
  together (`dice_loss`). A kind without pixels has no loss.
- The teacher follows S in the first stage as well, in the place of the copy that is published at
  its end. It predicts; in the publication S does.
- Without unlabelled images all of the run is the first stage.
- Batch normalization sees (S: z) in one pass, inward and outward images together; the teacher is
  in evaluation mode.

Where a class has several objects in an image, all but one would be taught as background: there
`largest_component` is to be false, as also where class 0 is no background.

Cost: 4 units; 3 in the first stage.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from pydantic import Field

from ecs_med.config import Settings
from ecs_med.distributed import rank, share
from ecs_med.losses import dice_loss, weighted_cross_entropy
from ecs_med.methods.base import StepResult, unlabeled_valid
from ecs_med.methods.components import largest_components
from ecs_med.methods.teaching import TeachingMethod, TeachingSettings
from ecs_med.types import IGNORE_INDEX, Batch
from ecs_med.views.mixing import boxes, partner, paste

__all__ = ["Bcp", "BcpSettings"]

_MANY_OBJECTS = 0.2
"""Share of the teacher's foreground outside the largest objects at which a user is warned."""


class BcpSettings(TeachingSettings):
    """The numbers of bidirectional copy-paste (Bai et al. 2023)."""

    box: float = Field(2 / 3, gt=0, lt=1)
    """Side of the box as a share of the image's."""
    unlabeled_weight: float = Field(0.5, ge=0)
    """Of pixels of unlabelled images."""
    first_stage: float = Field(0.25, ge=0, le=1)
    """Share of the run in which labelled images are mixed with one another: 10,000 of 40,000
    iterations."""
    largest_component: bool = True
    """Take what is not the largest object of its class for background; not where a class has
    several objects."""


@dataclass(frozen=True, slots=True)
class _Mixture:
    """Images of which each pixel comes from one of two.

    Attributes:
        images: `(B, C, *spatial)`.
        labels: `(B, *spatial)`, `IGNORE_INDEX` in void and padding.
        is_labeled: `(B, *spatial)`, bool: pixels whose labels are a reference.
        kinds: Bool masks, to be broadcast to `(B, *spatial)`: pixels that have a mean of their own.
    """

    images: torch.Tensor
    labels: torch.Tensor
    is_labeled: torch.Tensor
    kinds: tuple[torch.Tensor, torch.Tensor]


class Bcp(TeachingMethod):
    """Labelled images pasted into unlabelled ones, and the reverse."""

    name: ClassVar[str] = "bcp"
    title: ClassVar[str] = "Bidirectional copy-paste (BCP)"
    short_name: ClassVar[str] = "BCP"
    source: ClassVar[str] = "Bai et al. 2023"
    unlabeled_pixels = "ignored"
    settings_class: ClassVar[type[Settings]] = BcpSettings
    settings: BcpSettings

    def step(self, batch: Batch, progress: float = 0.0) -> StepResult:
        """One update of the segmenter, and the teacher follows."""
        result = StepResult({})
        is_first = batch.unlabeled_images is None or progress < self.settings.first_stage
        mixture = self._among_labeled(batch) if is_first else self._with_unlabeled(batch, result)
        logits = self.forward(self.segmenter, mixture.images)
        total = self._loss(logits, mixture, mixture.is_labeled)
        result.losses["segmentation"] = total.detach()
        if batch.unlabeled_images is not None:
            # In the first stage there is no such pixel: 0, so that histories have one shape.
            unlabeled = self._loss(logits, mixture, ~mixture.is_labeled)
            result.losses["unlabeled"] = unlabeled.detach()
            result.signals.setdefault("dropped_share", unlabeled.new_tensor(math.nan))
            total = total + self.settings.unlabeled_weight * unlabeled
        self.update("segmenter", [total])
        self.teacher.follow(self.segmenter)
        return result

    def warning(self, signals: Mapping[str, float], progress: float) -> str | None:
        """Late in a run much of what the teacher finds is no largest object."""
        if progress > 0.5 and signals.get("dropped_share", 0.0) > _MANY_OBJECTS:
            return (
                "More than 20 % of what the teacher finds in unlabelled images is not the largest "
                "object of its class and is learned as background; where an image may show several "
                "objects of a class, set `largest_component` of the method to false."
            )
        return None

    def _box(self, images: torch.Tensor) -> torch.Tensor:
        return boxes(images, images.new_full((images.ndim - 2,), self.settings.box))

    def _among_labeled(self, batch: Batch) -> _Mixture:
        inside = self._box(batch.images)
        return _Mixture(
            paste(batch.images, partner(batch.images), inside, channels=True),
            paste(batch.labels, partner(batch.labels), inside),
            torch.ones_like(inside),
            (inside, ~inside),
        )

    def _with_unlabeled(self, batch: Batch, result: StepResult) -> _Mixture:
        assert batch.unlabeled_images is not None
        labels = self._label(batch, result)
        inside, is_inward = self._box(batch.images), _alternating(batch.images)
        is_labeled = inside == is_inward
        return _Mixture(
            paste(batch.unlabeled_images, batch.images, is_labeled, channels=True),
            paste(labels, batch.labels, is_labeled),
            is_labeled,
            (is_inward, ~is_inward),
        )

    def _label(self, batch: Batch, result: StepResult) -> torch.Tensor:
        """The teacher's labels of unlabelled images, `IGNORE_INDEX` in padding."""
        assert batch.unlabeled_images is not None
        found = self.teach(batch.unlabeled_images).argmax(dim=1)
        # Before objects are looked for: they must neither lie in padding nor touch through it.
        found = found.masked_fill(~unlabeled_valid(batch), IGNORE_INDEX)
        labels = largest_components(found) if self.settings.largest_component else found
        foreground = (found > 0) & (found != IGNORE_INDEX)
        result.signals["dropped_share"] = share(labels != found, foreground)
        return labels

    def _loss(self, logits: torch.Tensor, mixture: _Mixture, among: torch.Tensor) -> torch.Tensor:
        """(H + Dice) / 2 on the pixels of each kind that are in `among`, summed."""
        probabilities, ones = logits.softmax(dim=1), torch.ones_like(among)
        terms = []
        for kind in mixture.kinds:
            pixels = among & kind
            terms.append(weighted_cross_entropy(logits, mixture.labels, ones, pixels))
            terms.append(dice_loss(probabilities, mixture.labels, pixels))
        return torch.stack(terms).sum() / 2


def _alternating(images: torch.Tensor) -> torch.Tensor:
    """`True` for every other image of the global batch, `(B, 1, ...)`; the first one is drawn."""
    place = torch.arange(len(images), device=images.device) + rank() * len(images)
    first = (torch.rand((), device=images.device) < 0.5).long()
    return ((place + first) % 2 == 0).view(-1, *[1] * (images.ndim - 2))
