"""The training loop: MONAI's `Trainer` around a method's `step`.

    run()                                  Ignite's engine, which fires the events
      for each batch:
        seed the random numbers of this iteration
        set the learning rates             lr * (1 - iteration / max)^0.9, or the method's
        method.step(batch)
        MODEL_COMPLETED, ITERATION_COMPLETED   logging, validation, checkpoints

The loop knows no network and no loss. Handlers of MONAI and Ignite attach to it as to any
other trainer.
"""

import logging
from collections.abc import Iterable
from typing import Any, Literal

import torch
from monai.engines import IterationEvents, Trainer
from monai.utils.enums import CommonKeys

from ecs_med.data.batches import Normalization, RawBatch, ViewMaker, draw_seed, to_device
from ecs_med.distributed import mean_over_processes
from ecs_med.methods import Method
from ecs_med.methods.optimizers import set_learning_rate

__all__ = ["MethodTrainer"]

_STREAM = 3
"""Keeps the random numbers of dropout apart from those of order and augmentation."""


class MethodTrainer(Trainer):  # type: ignore[misc]
    """Runs a method for a number of iterations.

    `engine.state.output` is `{"loss": total, "losses": {...}, "signals": {...}}`, all detached.

    Args:
        method: Networks, optimisers and the step.
        loader: Raw batches from the first iteration to run to the last.
        device: Where batches go.
        normalization: The encoder's.
        seed: Seed of the run.
        max_iterations: Length of the whole run.
        epoch_length: Iterations per epoch, that is between validations.
        first_iteration: Iterations already done, when resuming.
        strong: Makes strong views of the unlabelled images.
        unlabeled_pixels: As of `to_device`.
    """

    def __init__(
        self,
        method: Method,
        loader: Iterable[RawBatch],
        *,
        device: torch.device,
        normalization: Normalization,
        seed: int,
        max_iterations: int,
        epoch_length: int,
        first_iteration: int = 0,
        strong: ViewMaker | None = None,
        unlabeled_pixels: Literal["joined", "own", "ignored"] = "ignored",
    ) -> None:
        super().__init__(
            device=device,
            max_epochs=-(-max_iterations // epoch_length),
            data_loader=loader,
            epoch_length=epoch_length,
            decollate=False,
            prepare_batch=lambda raw, device, _: to_device(
                raw, device, normalization, strong, unlabeled_pixels=unlabeled_pixels
            ),
        )
        # Exceptions are raised; that Ignite logs them too would print every one twice.
        self.logger.setLevel(logging.CRITICAL)
        self.method = method
        self._seed = seed
        self._max_iterations = max_iterations
        self.state.iteration = first_iteration
        self.state.epoch = first_iteration // epoch_length

    def _iteration(self, engine: Any, batchdata: RawBatch) -> dict[str, Any]:
        done = engine.state.iteration - 1
        torch.manual_seed(draw_seed(self._seed, _STREAM, done))
        factor = self.method.decay(done, self._max_iterations)
        for optimizer in self.method.optimizers.values():
            set_learning_rate(optimizer, optimizer.defaults["lr"] * factor)
        batch = engine.prepare_batch(batchdata, engine.state.device, engine.non_blocking)
        self.method.train_mode()
        result = self.method.step(batch, done / self._max_iterations)
        losses = {k: mean_over_processes(v) for k, v in result.losses.items()}
        engine.state.output = {
            CommonKeys.LOSS: torch.stack(list(losses.values())).sum(),
            "losses": losses,
            "signals": result.signals,
        }
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        if engine.state.iteration >= self._max_iterations:
            engine.terminate()
        return dict(engine.state.output)
