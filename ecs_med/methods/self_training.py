"""Self-training in two stages: a trained network labels, a new one learns from its labels.

In the first stage, a share of the iterations, S learns from labelled images alone:

    segmenter   H(S(x), y)

At its end S becomes the teacher T and does not change any more, and S begins again: with the first
weights of the run, and an optimiser that remembers nothing. Each iteration of the second stage, A
being a strong view:

    labels      y_u = argmax T(x_u)
    segmenter   H(S(x), y) + w H(S(A(x_u)), A(y_u))

Every pixel that is no padding is learned from, sure or not. This is the plain self-training (ST) of
Yang et al. 2022 without the selection of reliable images (ST++). There the images are labelled
once, as a whole, and the view cuts a hole; here T labels the crop that it is learned from, and the
view pastes a box of another image. Batch normalization sees (S: x, A(x_u)), in this order.

Each stage has the whole schedule of the learning rate, from its first value down to 0, so that the
teacher is a network that has finished. Until the second stage T holds the first weights; then the
two trade theirs, so that a checkpoint has everything. Where the best model is kept, it may be that
of the first stage. Without unlabelled images S does not begin again and is trained on.

Cost: 3 units in the first stage, 7 in the second one: 5 by default.
"""

import copy
from collections.abc import Mapping
from itertools import chain
from typing import ClassVar, cast

import torch
from pydantic import Field
from torch import nn

from ecs_med.config import Settings
from ecs_med.distributed import mean_over_processes
from ecs_med.losses import cross_entropy, weighted_cross_entropy
from ecs_med.methods.base import Method, StepResult, strong_view, unlabeled_valid
from ecs_med.methods.network_plan import NetworkPlan
from ecs_med.methods.optimizers import polynomial_decay
from ecs_med.types import IGNORE_INDEX, Batch

__all__ = ["SelfTraining", "SelfTrainingSettings", "StageTeacher"]

_SETTLED = 0.2
"""Share of the second stage after which a class that the teacher has not named is missed."""


class SelfTrainingSettings(Settings):
    """The numbers of self-training."""

    first_stage: float = Field(0.5, gt=0, lt=1)
    """Share of the iterations in which the teacher is trained."""
    unlabeled_weight: float = Field(1.0, ge=0)
    """Of the loss on unlabelled images, in the second stage."""


class StageTeacher(nn.Module):
    """The network of the first stage, and what is known of its labels.

    It stays in evaluation mode. Before the second stage it holds the segmenter's first weights.

    Args:
        segmenter: With its first weights.
        num_classes: N.
    """

    is_trained: torch.Tensor
    """Whether the second stage has begun, bool."""
    known: torch.Tensor
    """Classes that references have shown so far, `(N,)`, bool."""
    taught: torch.Tensor
    """Classes that the teacher has named so far, `(N,)`, bool."""

    def __init__(self, segmenter: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.network = copy.deepcopy(segmenter).requires_grad_(False)
        self.register_buffer("is_trained", torch.zeros((), dtype=torch.bool))
        self.register_buffer("known", torch.zeros(num_classes, dtype=torch.bool))
        self.register_buffer("taught", torch.zeros(num_classes, dtype=torch.bool))
        # As `is_trained`, for which a GPU would have to be waited for at every step.
        self._is_trained: bool | None = False
        self.register_load_state_dict_post_hook(_ask_again)
        self.train(False)

    def train(self, mode: bool = True) -> "StageTeacher":
        """Stay in evaluation mode."""
        return super().train(False)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """What the network of the first stage says."""
        return cast(torch.Tensor, self.network(inputs))

    @property
    def has_begun(self) -> bool:
        """Whether the second stage has."""
        if self._is_trained is None:
            self._is_trained = bool(self.is_trained)
        return self._is_trained

    @torch.no_grad()
    def trade(self, segmenter: nn.Module) -> None:
        """Take the weights and statistics of `segmenter`, and leave it the first ones."""
        ours = chain(self.network.parameters(), self.network.buffers())
        theirs = chain(segmenter.parameters(), segmenter.buffers())
        for mine, other in zip(ours, theirs, strict=True):
            first = mine.clone()
            mine.copy_(other)
            other.copy_(first)
        self.is_trained.fill_(True)
        self._is_trained = True


def _ask_again(teacher: StageTeacher, _: object) -> None:
    teacher._is_trained = None


class SelfTraining(Method):
    """A fresh segmenter learns what a trained one says of unlabelled images."""

    name: ClassVar[str] = "self-training"
    title: ClassVar[str] = "Self-training in two stages"
    short_name: ClassVar[str] = "self-training"
    source: ClassVar[str] = "Lee 2013; for segmentation as ST in Yang et al. 2022"
    settings_class: ClassVar[type[Settings]] = SelfTrainingSettings
    extra_networks: ClassVar[tuple[str, ...]] = ("teacher",)
    frozen_networks: ClassVar[tuple[str, ...]] = ("teacher",)
    uses_unlabeled: ClassVar[bool] = True
    strong_views: ClassVar[int] = 1
    settings: SelfTrainingSettings

    @classmethod
    def build_networks(cls, plan: NetworkPlan) -> dict[str, nn.Module]:
        """The teacher, which keeps the first weights until it has its own."""
        return {"teacher": StageTeacher(plan.segmenter, plan.num_classes)}

    @property
    def teacher(self) -> StageTeacher:
        """The network of the first stage."""
        teacher = self.networks["teacher"]
        assert isinstance(teacher, StageTeacher)
        return teacher

    def decay(self, iteration: int, max_iterations: int) -> float:
        """`polynomial_decay` over each stage."""
        done, first = iteration / max_iterations, self.settings.first_stage
        if done < first:
            return polynomial_decay(done, first)
        return polynomial_decay(done - first, 1 - first)

    def step(self, batch: Batch, progress: float = 0.0) -> StepResult:
        """One update of the segmenter; at the begin of the second stage it starts anew."""
        is_second = batch.unlabeled_images is not None and progress >= self.settings.first_stage
        if is_second and not self.teacher.has_begun:
            self.teacher.trade(self.segmenter)
            self.optimizers["segmenter"].state.clear()
        loss = cross_entropy(self.forward(self.segmenter, batch.images), batch.labels)
        losses, terms = {"segmentation": loss.detach()}, [loss]
        signals: dict[str, torch.Tensor] = {}
        self.teacher.known |= _named(batch.labels, batch.labels != IGNORE_INDEX, self.num_classes)
        if is_second:
            unlabeled, signals = self._learn_unlabeled(batch)
            losses["unlabeled"] = unlabeled.detach()
            terms.append(self.settings.unlabeled_weight * unlabeled)
        self.update("segmenter", terms)
        return StepResult(losses, signals)

    def _learn_unlabeled(self, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """The loss on what the teacher says of unlabelled images."""
        assert batch.unlabeled_images is not None
        teacher, valid, view = self.teacher, unlabeled_valid(batch), strong_view(batch)
        with torch.no_grad():
            labels = self.forward(teacher, batch.unlabeled_images).argmax(dim=1)
        teacher.taught |= _named(labels, valid, self.num_classes)
        logits = self.forward(self.segmenter, view.images)
        valid = view.bring(valid)
        loss = weighted_cross_entropy(logits, view.bring(labels), valid, valid)
        return loss, {"untaught_classes": (teacher.known & ~teacher.taught).sum().float()}

    def warning(self, signals: Mapping[str, float], progress: float) -> str | None:
        """The teacher never names a class that the references show."""
        first = self.settings.first_stage
        missing = int(signals.get("untaught_classes", 0.0))
        if missing < 1 or progress < first + _SETTLED * (1 - first):
            return None
        which = "a class" if missing == 1 else f"{missing} of the classes"
        return (
            f"The network of the first stage finds {which} of the labelled images nowhere in "
            "unlabelled ones, so that the second one unlearns it there; more iterations, a longer "
            "`first_stage` of the method or more labelled images may let it find them."
        )


def _named(labels: torch.Tensor, valid: torch.Tensor, num_classes: int) -> torch.Tensor:
    """Which classes occur among valid pixels in any process, `(N,)`, bool."""
    occurs = labels.new_zeros(num_classes + 1)
    # Not `unique` or `bincount`: a GPU would have to be waited for.
    occurs[labels.where(valid, num_classes).flatten()] = 1
    return mean_over_processes(occurs[:num_classes]) > 0
