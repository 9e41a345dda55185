"""The contract of a training method."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import nn

from ecs_med.config import TrainConfig
from ecs_med.distributed import average_gradients
from ecs_med.methods.optimizers import build_optimizer, optimizer_settings
from ecs_med.networks import Initialization
from ecs_med.networks.recomputing import forward_without_keeping
from ecs_med.types import Batch

__all__ = ["Blueprint", "Method", "StepResult", "frozen"]


@dataclass(frozen=True, slots=True)
class Blueprint:
    """What a method knows when it builds the networks that it adds to the segmenter.

    Attributes:
        config: Resolved settings.
        in_channels: Channels of the image.
        num_classes: N.
        segmenter: Encoder and first weights of the segmenter.
        corrector: Encoder and first weights of the corrector.
    """

    config: TrainConfig
    in_channels: int
    num_classes: int
    segmenter: Initialization
    corrector: Initialization


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one step reports; every value is a detached scalar on the device.

    Attributes:
        losses: The terms of the objective, by name, without their weights.
        signals: Other quantities worth watching, such as the share of class "right".
    """

    losses: dict[str, torch.Tensor]
    signals: dict[str, torch.Tensor] = field(default_factory=dict)


class Method(ABC):
    """Networks, their optimisers, and what happens to them in one iteration.

    The trainer knows nothing but this class: it sets the learning rates, calls `step`
    and saves `networks` and `optimizers`.

    Args:
        networks: By name: `segmenter`, from image `(B, C, *spatial)` to
            logits `(B, N, *spatial)`, and those of `companions`.
        config: Settings of the run.
        num_classes: N.
        autocast: Precision of the forward passes; `None` for float32.
    """

    name: ClassVar[str]
    """Value of `--method`."""
    companion_names: ClassVar[tuple[str, ...]] = ()
    """Names of the networks that are trained beside the segmenter."""
    needs_unlabeled: ClassVar[bool] = False
    """Whether batches carry unlabelled images, where there are any."""
    untrained: ClassVar[tuple[str, ...]] = ()
    """Networks that no optimiser moves, in evaluation mode and without gradient: a segmenter that
    stays as it is, a mean teacher."""
    needs_start: ClassVar[bool] = False
    """Whether the segmenter has to come from a finished run (`start_from`)."""
    follows_scores: ClassVar[bool] = False
    """Whether scores over iterations are what the run is for, so that they are taken even where the
    last model is kept (`keep: last`); then on the test cases, if there are none to validate on.
    """

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        config: TrainConfig,
        *,
        num_classes: int,
        autocast: torch.dtype | None = None,
    ) -> None:
        self.networks: dict[str, nn.Module] = dict(networks)
        self.config = config
        self.num_classes = num_classes
        settings = optimizer_settings(config)
        for name in self.untrained:
            self.networks[name].requires_grad_(False)
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: build_optimizer(network, settings[name])
            for name, network in networks.items()
            if name not in self.untrained
        }
        self._autocast = autocast

    @classmethod
    def companions(cls, blueprint: Blueprint) -> dict[str, nn.Module]:
        """The networks of `companion_names`; none unless overridden."""
        return {}

    @property
    def segmenter(self) -> nn.Module:
        """The network that predictions are made with."""
        return self.networks["segmenter"]

    @abstractmethod
    def step(self, batch: Batch, progress: float = 0.0) -> StepResult:
        """One iteration: forward passes, backward passes, optimiser steps.

        Args:
            batch: On the device.
            progress: Share of the run's iterations that are done, 0 to below 1.
        """

    def concern(self, signals: Mapping[str, float]) -> str | None:
        """A sentence for the user where the method's known failure shows.

        Args:
            signals: Means of the signals of `step` over some iterations.

        Returns:
            `None` where there is nothing to say.
        """
        return None

    @classmethod
    def selection_score(cls, row: Mapping[str, Any]) -> float | None:
        """What the best model of a run is chosen by; higher is better.

        Args:
            row: Of a validation, as the history keeps it.

        Returns:
            The segmenter's mIoU on the validation cases; `None` where it is undefined.
        """
        score: float | None = row["validation"]["miou"]
        return score

    def train_mode(self) -> None:
        """Put all networks into training mode, but those that stay as they are."""
        for name, network in self.networks.items():
            network.train(name not in self.untrained)

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
        result: torch.Tensor = logits if self._autocast is None else logits.float()
        return result

    def precision(self, device: torch.device) -> torch.autocast:
        """The context of forward passes on `device`."""
        return torch.autocast(device.type, dtype=self._autocast, enabled=self._autocast is not None)

    def update(self, name: str, losses: Iterable[torch.Tensor]) -> torch.Tensor:
        """Optimiser step of one network on the sum of `losses`.

        Each loss is drawn and propagated back before the next one is drawn, so that a generator
        never has more than one graph of activations in memory.

        Returns:
            The sum, detached.
        """
        self.optimizers[name].zero_grad(set_to_none=True)
        total = torch.zeros((), device=next(self.networks[name].parameters()).device)
        for loss in losses:
            loss.backward()
            total = total + loss.detach()
        average_gradients(self.networks[name])
        self.optimizers[name].step()
        return total


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Gradients pass through `network`, but none are computed for its weights."""
    trained = [p for p in network.parameters() if p.requires_grad]
    network.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
