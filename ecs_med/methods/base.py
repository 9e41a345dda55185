"""The contract of a training method."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import nn

from ecs_med.config import TrainConfig
from ecs_med.distributed import average_gradients
from ecs_med.methods.optimizers import build_optimizer, optimizer_settings
from ecs_med.networks.recomputing import forward_without_keeping
from ecs_med.types import Batch

__all__ = ["Method", "StepResult", "frozen"]


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
        segmenter: From image `(B, C, *spatial)` to logits `(B, N, *spatial)`.
        corrector: From image and class map to logits of N+1 classes, or `None`.
        config: Settings of the run.
        num_classes: N.
        autocast: Precision of the forward passes; `None` for float32.
    """

    name: ClassVar[str]
    """Value of `--method`."""
    needs_corrector: ClassVar[bool] = False
    """Whether a corrector is built."""
    needs_unlabeled: ClassVar[bool] = False
    """Whether batches carry unlabelled images, where there are any."""

    def __init__(
        self,
        segmenter: nn.Module,
        corrector: nn.Module | None,
        config: TrainConfig,
        *,
        num_classes: int,
        autocast: torch.dtype | None = None,
    ) -> None:
        if self.needs_corrector and corrector is None:
            raise ValueError(f"{self.name} needs a corrector")
        self.segmenter = segmenter
        self.config = config
        self.num_classes = num_classes
        self.networks: dict[str, nn.Module] = {"segmenter": segmenter}
        if self.needs_corrector and corrector is not None:
            self.networks["corrector"] = corrector
        settings = optimizer_settings(config)
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: build_optimizer(self.networks[name], settings[name]) for name in self.networks
        }
        self._autocast = autocast

    @abstractmethod
    def step(self, batch: Batch) -> StepResult:
        """One iteration: forward passes, backward passes, optimiser steps."""

    def train_mode(self) -> None:
        """Put all networks into training mode."""
        for network in self.networks.values():
            network.train()

    def forward(
        self, network: nn.Module, inputs: torch.Tensor, *, keep: bool = True
    ) -> torch.Tensor:
        """Logits, computed in the precision of the run; at least float32 for the losses.

        Args:
            network: One of `networks`.
            inputs: `(B, C, *spatial)`.
            keep: Hold activations until the backward pass, or compute them again then.
        """
        with torch.autocast(
            inputs.device.type, dtype=self._autocast, enabled=self._autocast is not None
        ):
            logits = network(inputs) if keep else forward_without_keeping(network, inputs)
        result: torch.Tensor = logits if self._autocast is None else logits.float()
        return result

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
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)
