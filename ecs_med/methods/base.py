"""The contract of a training method."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import nn

from ecs_med.config import OptimizerSettings, Settings
from ecs_med.distributed import average_gradients
from ecs_med.methods.network_plan import NetworkPlan
from ecs_med.methods.optimizers import SHORT_RUN, build_optimizer, polynomial_decay
from ecs_med.networks.modes import forward_without_keeping
from ecs_med.runs import MethodFacts, ValidationRow
from ecs_med.types import Batch, StrongView

__all__ = ["Method", "StepResult", "strong_view", "unlabeled_valid"]


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one step reports; every value is a detached scalar on the device.

    Attributes:
        losses: The terms of the objective, by name, without their weights.
        signals: Other quantities worth watching, such as the share of class "right".

    Example:
        >>> StepResult({"segmentation": torch.tensor(0.5)}).losses["segmentation"].item()
        0.5
    """

    losses: dict[str, torch.Tensor]
    signals: dict[str, torch.Tensor] = field(default_factory=dict)


class Method(ABC):
    """Networks, their optimisers, and what happens to them in one iteration.

    The trainer knows nothing but this class: it sets the learning rates, calls `step`
    and saves `networks` and `optimizers`. A loop of one's own can do the same:

        method = Ecs({"segmenter": s, "corrector": c}, EcsSettings(), optimizers, num_classes=3)
        for batch in batches:
            method.step(batch)

    To add a method, derive from this class and name it under the entry-point group
    `ecs_med.methods`.

    Args:
        networks: By name: `segmenter`, from image `(B, C, *spatial)` to
            logits `(B, N, *spatial)`, and those of `extra_networks`.
        settings: Of `settings_class`.
        optimizers: By network: settings, or an optimiser over its parameters.
        num_classes: N.
        autocast: Precision of the forward passes; `None` for float32.

    Example:
        >>> from ecs_med.methods import Supervised
        >>> network = nn.Conv2d(3, 2, 1)
        >>> optimizers = Supervised.default_optimizers(iterations=100)
        >>> method = Supervised({"segmenter": network}, Settings(), optimizers, num_classes=2)
        >>> batch = Batch(torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.long))
        >>> sorted(method.step(batch).losses)
        ['segmentation']
    """

    name: ClassVar[str]
    """Value of the setting `method`, and of its section in `method_settings`."""
    title: ClassVar[str]
    """In headings: `Error-Correcting Supervision (ECS)`."""
    short_name: ClassVar[str]
    """In tables and charts: `ECS`."""
    source: ClassVar[str] = ""
    """Where it was published."""
    chosen_by: ClassVar[str] = "best validation mIoU"
    """What `selection_score` is, in words that follow "the weights were kept:"."""
    settings_class: ClassVar[type[Settings]] = Settings
    """Its numbers; `Settings` has none."""
    extra_networks: ClassVar[tuple[str, ...]] = ()
    """Names of the networks beside the segmenter."""
    corrector_kind: ClassVar[str] = "network"
    """Of the network `corrector`, where there is one: a key of `CORRECTORS`."""
    corrects: ClassVar[bool] = False
    """Whether what the corrector corrects is put into the labels that the model gives, and so
    into its scores."""
    frozen_networks: ClassVar[tuple[str, ...]] = ()
    """Networks that no optimiser moves, in evaluation mode and without gradient: a segmenter that
    stays as it is, a mean teacher."""
    moved_alike: ClassVar[Mapping[str, str]] = {}
    """Networks whose optimiser is that of another one (`{"second": "segmenter"}`) unless a user
    gives them their own."""
    own_settings: ClassVar[tuple[str, ...]] = ()
    """Settings of a run, beside its section and its optimisers, that others do not use."""
    uses_unlabeled: ClassVar[bool] = False
    """Whether batches carry unlabelled images, where there are any."""
    strong_views: ClassVar[int] = 0
    """How many strongly varied views of the unlabelled images its step takes."""
    spatial_dims: ClassVar[tuple[int, ...]] = (2, 3)
    """Dimensions of the images that its networks and its step are made for."""
    unlabeled_pixels: ClassVar[Literal["joined", "own", "ignored"]] = "joined"
    """What becomes of the pixels of labelled images that nobody has annotated, in a method that
    learns from unlabelled images: these images are `joined` to the unlabelled ones; its step reads
    `Batch.unlabeled_pixels` on its `own`; or they are `ignored`, since it cannot use them."""
    needs_origin: ClassVar[bool] = False
    """Whether the segmenter has to come from a finished run (`start_from`)."""
    always_validates: ClassVar[bool] = False
    """Whether scores over iterations are what the run is for, so that they are taken even where the
    last model is kept (`keep: last`); then on the test cases, if there are none to validate on.
    """

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        settings: Settings,
        optimizers: Mapping[str, OptimizerSettings | torch.optim.Optimizer],
        *,
        num_classes: int,
        autocast: torch.dtype | None = None,
    ) -> None:
        self.networks: dict[str, nn.Module] = dict(networks)
        self.settings = settings
        self.num_classes = num_classes
        for name in self.frozen_networks:
            self.networks[name].requires_grad_(False)
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: build_optimizer(networks[name], given)
            if isinstance(given := optimizers[name], OptimizerSettings)
            else given
            for name in networks
            if name not in self.frozen_networks
        }
        self.autocast = autocast

    @classmethod
    def uses_corrector(cls) -> bool:
        """Whether it trains a corrector, so that correction maps and certainty can be had."""
        return "corrector" in cls.extra_networks

    @classmethod
    def trained_networks(cls) -> tuple[str, ...]:
        """Names of the networks that an optimiser moves."""
        names = ("segmenter", *cls.extra_networks)
        return tuple(name for name in names if name not in cls.frozen_networks)

    @classmethod
    def facts(cls) -> MethodFacts:
        """What the files of a run say of its method."""
        extra = (f"optimizers.{n}" for n in cls.trained_networks() if n != "segmenter")
        return MethodFacts(
            name=cls.name,
            title=cls.title,
            short_name=cls.short_name,
            source=cls.source,
            chosen_by=cls.chosen_by,
            uses_corrector=cls.uses_corrector(),
            corrects=cls.corrects,
            uses_unlabeled=cls.uses_unlabeled,
            settings=(f"method_settings.{cls.name}", *extra, *cls.own_settings),
        )

    @classmethod
    def default_optimizers(cls, iterations: int) -> dict[str, OptimizerSettings]:
        """An optimiser for every network that is trained, in a run of so many iterations.

        The segmenter's is SGD at 0.01 (Mendel et al. 2020, section 4.4), or Adam at 1e-3 in a short
        run (`SHORT_RUN`); that of any other network is Adam at 1e-4, but for those that are moved
        as the segmenter is (`moved_alike`).
        """
        short = iterations < SHORT_RUN
        segmenter = {"name": "adam", "lr": 1e-3} if short else {"name": "sgd", "lr": 0.01}
        other = {"name": "adam", "lr": 1e-4}
        return {
            name: OptimizerSettings.parse(
                segmenter if cls.moved_alike.get(name, name) == "segmenter" else other
            )
            for name in cls.trained_networks()
        }

    @classmethod
    def build_networks(cls, plan: NetworkPlan) -> dict[str, nn.Module]:
        """The networks of `extra_networks`, or a `SettingsError`; none unless overridden."""
        return {}

    @property
    def segmenter(self) -> nn.Module:
        """The network from image to logits."""
        return self.networks["segmenter"]

    def predictor(self) -> nn.Module:
        """The network that predictions are made with; of the segmenter's architecture."""
        return self.segmenter

    def corrector(self) -> nn.Module | None:
        """The network that judges what `predictor` segments; `None` without one.

        One that stands on a segmenter's features stands on those of `predictor`.
        """
        return self.networks.get("corrector")

    def presence(self) -> tuple[nn.Module, float] | None:
        """What switches off classes that a picture does not show, when predicting.

        A `MultiLabelClassifier` on the segmenter's encoder, and the probability below which a class
        is switched off; `None` to leave all of them on.
        """
        return None

    @abstractmethod
    def step(self, batch: Batch, progress: float = 0.0) -> StepResult:
        """One iteration: forward passes, backward passes, optimiser steps.

        Args:
            batch: On the device.
            progress: Share of the run's iterations that are done, 0 to below 1.
        """

    def warning(self, signals: Mapping[str, float], progress: float) -> str | None:
        """A sentence for the user where the method's known failure shows, else `None`.

        Args:
            signals: Means of the signals of `step` over some iterations.
            progress: Share of the run's iterations that are done, 0 to 1.
        """
        return None

    @classmethod
    def selection_score(cls, row: ValidationRow) -> float | None:
        """What the best model of a run is chosen by, higher is better: the segmenter's mIoU."""
        return row.validation.miou

    def decay(self, iteration: int, max_iterations: int) -> float:
        """Factor on the initial learning rates: the paper's `polynomial_decay` over the run.

        Args:
            iteration: Iterations done, 0 to below `max_iterations`.
            max_iterations: Length of the run.
        """
        return polynomial_decay(iteration, max_iterations)

    def validated(self, row: ValidationRow) -> None:  # noqa: B027 - most methods do not react
        """React to a validation, such as by trusting a corrector as far as it has earned.

        Called after each validation, in every process with the same row, once the best model is
        kept and before the checkpoint is saved. What is to be remembered belongs into buffers of
        a network, so that checkpoints hold it; nothing else is there after a resumption. Best is a
        module of its own, among `extra_networks` and `frozen_networks`: buffers of a segmenter or
        corrector would go into the model's file, which is loaded without them.

        Args:
            row: Without what hidden masks tell (`pseudo_labels` is `None`).
        """

    def train_mode(self) -> None:
        """Put all networks into training mode, but those that stay as they are."""
        for name, network in self.networks.items():
            network.train(name not in self.frozen_networks)

    def forward(
        self, network: nn.Module, inputs: torch.Tensor, *, keep: bool = True
    ) -> torch.Tensor:
        """Logits, computed in the precision of the run; at least float32 for the losses.

        Args:
            network: One of `networks`.
            inputs: `(B, C, *spatial)`.
            keep: Hold activations until the backward pass, or compute them again then.
        """
        with self.precision(inputs.device):
            logits = network(inputs) if keep else forward_without_keeping(network, inputs)
        result: torch.Tensor = logits if self.autocast is None else logits.float()
        return result

    def precision(self, device: torch.device) -> torch.autocast:
        """The context of forward passes on `device`."""
        return torch.autocast(device.type, dtype=self.autocast, enabled=self.autocast is not None)

    def update(self, name: str, losses: Iterable[torch.Tensor]) -> torch.Tensor:
        """Optimiser step of one network on the sum of `losses`.

        Each loss is drawn and propagated back before the next one is drawn, so that a generator
        never has more than one graph of activations in memory.

        Returns:
            The sum, detached.
        """
        return self.update_together((name,), losses)

    def update_together(self, names: Sequence[str], losses: Iterable[torch.Tensor]) -> torch.Tensor:
        """As `update`, of several networks on one sum of losses."""
        for name in names:
            self.optimizers[name].zero_grad(set_to_none=True)
        total = torch.zeros((), device=next(self.networks[names[0]].parameters()).device)
        for loss in losses:
            loss.backward()
            total = total + loss.detach()
        for name in names:
            average_gradients(self.networks[name])
            self.optimizers[name].step()
        return total


def unlabeled_valid(batch: Batch) -> torch.Tensor:
    """Where unlabelled images are no padding, `(M, *spatial)`, bool."""
    assert batch.unlabeled_images is not None
    if batch.unlabeled_valid is not None:
        return batch.unlabeled_valid
    return torch.ones_like(batch.unlabeled_images[:, 0], dtype=torch.bool)


def strong_view(batch: Batch, number: int = 0) -> StrongView:
    """A strong view of the unlabelled images; the images as they are where the batch has none."""
    if number < len(batch.unlabeled_strong):
        return batch.unlabeled_strong[number]
    assert batch.unlabeled_images is not None
    return StrongView(batch.unlabeled_images, bring=lambda values: values)
