"""Cross pseudo supervision: two segmenters, each of which learns what the other one says.

One iteration, S1 and S2 being segmenters of one architecture with different first weights, A a
strong view with a box of another image (CutMix), y_i the classes that S_i calls most probable:

    S1   H(S1(x), y) + w (H(S1(x), y_2(x)) + H(S1(A(x_u)), A(y_2(x_u))))
    S2   H(S2(x), y) + w (H(S2(x), y_1(x)) + H(S2(A(x_u)), A(y_1(x_u))))

Both label before either moves. As published, they teach each other on labelled images too, and
neither has a moving average or a threshold. On labelled images this leaves out void pixels, unless
a batch says that they are merely unlabelled; on unlabelled ones it leaves out padding. The labels
of x_u come from a pass in training mode without gradient, so that batch normalization sees
(x, x_u, A(x_u)) in each network, in this order.

The first network predicts; the second one is kept in checkpoints alone. Its optimiser is the
first one's, unless it is given its own.

Cost: 14 units, 7 for each network.
"""

from collections.abc import Iterator, Mapping
from typing import ClassVar

import torch
from pydantic import Field
from torch import nn

from ecs_med.config import Settings
from ecs_med.distributed import share
from ecs_med.losses import cross_entropy, weighted_cross_entropy
from ecs_med.methods.base import Method, StepResult, strong_view, unlabeled_valid
from ecs_med.methods.network_plan import NetworkPlan
from ecs_med.types import IGNORE_INDEX, Batch

__all__ = ["Cps", "CpsSettings"]

_OTHER = {"segmenter": "second", "second": "segmenter"}


class CpsSettings(Settings):
    """The numbers of cross pseudo supervision (Chen et al. 2021)."""

    weight: float = Field(1.5, ge=0)
    """Of what the networks learn from each other."""


class Cps(Method):
    """Two networks that began apart give each other labels."""

    name: ClassVar[str] = "cps"
    title: ClassVar[str] = "Cross pseudo supervision (CPS) with CutMix"
    short_name: ClassVar[str] = "CPS"
    source: ClassVar[str] = "Chen et al. 2021"
    unlabeled_pixels = "own"
    settings_class: ClassVar[type[Settings]] = CpsSettings
    extra_networks: ClassVar[tuple[str, ...]] = ("second",)
    moved_alike: ClassVar[Mapping[str, str]] = {"second": "segmenter"}
    uses_unlabeled: ClassVar[bool] = True
    strong_views: ClassVar[int] = 1
    settings: CpsSettings

    @classmethod
    def build_networks(cls, plan: NetworkPlan) -> dict[str, nn.Module]:
        """The second segmenter, whose head, or whose all, is drawn anew."""
        return {"second": plan.another_segmenter()}

    def step(self, batch: Batch, progress: float = 0.0) -> StepResult:
        """One update of each network."""
        logits = {name: self.forward(self.networks[name], batch.images) for name in _OTHER}
        said = {name: one.detach().argmax(dim=1) for name, one in logits.items()}
        unlabeled: dict[str, torch.Tensor] = {}
        signals: dict[str, torch.Tensor] = {}
        if batch.unlabeled_images is not None:
            unlabeled = self._label(batch.unlabeled_images)
            differs = unlabeled["segmenter"] != unlabeled["second"]
            signals["disagreement_share"] = share(differs, unlabeled_valid(batch))
        losses: dict[str, torch.Tensor] = {}
        for name, other in _OTHER.items():
            own = {"labeled": said[other]}
            if unlabeled:
                own["unlabeled"] = unlabeled[other]
            terms = self._terms(name, batch, logits.pop(name), own, losses)
            self.update(name, terms)
        return StepResult(losses, signals)

    @torch.no_grad()
    def _label(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """What each network says of images as they are, `(M, *spatial)`."""
        return {name: self.forward(self.networks[name], images).argmax(dim=1) for name in _OTHER}

    def _terms(
        self,
        name: str,
        batch: Batch,
        logits: torch.Tensor,
        taught: Mapping[str, torch.Tensor],
        losses: dict[str, torch.Tensor],
    ) -> Iterator[torch.Tensor]:
        """What one network learns, one graph after the other; the terms are added to `losses`.

        Args:
            name: Of the network that learns.
            batch: On the device.
            logits: Of the network on `batch.images`.
            taught: Labels of the other network: `labeled`, and `unlabeled` where there are any.
            losses: Those of both networks are summed, but for those on the references.
        """
        segmentation = cross_entropy(logits, batch.labels)
        counts = batch.labels != IGNORE_INDEX
        if batch.unlabeled_pixels is not None:
            counts = counts | batch.unlabeled_pixels
        crossed = weighted_cross_entropy(logits, taught["labeled"], counts, counts)
        losses["segmentation" if name == "segmenter" else "second"] = segmentation.detach()
        losses["crossed"] = losses.get("crossed", 0) + crossed.detach()
        yield segmentation + self.settings.weight * crossed
        if "unlabeled" in taught:
            view = strong_view(batch)
            valid = view.bring(unlabeled_valid(batch))
            labels = view.bring(taught["unlabeled"])
            found = self.forward(self.networks[name], view.images)
            crossed = weighted_cross_entropy(found, labels, valid, valid)
            losses["unlabeled"] = losses.get("unlabeled", 0) + crossed.detach()
            yield self.settings.weight * crossed

    def warning(self, signals: Mapping[str, float], progress: float) -> str | None:
        """Early in a run the two networks are one already."""
        if 0.1 < progress <= 0.5 and signals.get("disagreement_share", 1.0) < 0.001:
            return (
                "The two networks name the same class for more than 99.9 % of the unlabelled "
                "pixels, so next to nothing is learned from each other; a method with a mean "
                "teacher, such as fixmatch, does as much at half the cost."
            )
        return None
