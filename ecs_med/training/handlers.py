"""What happens around the iterations: logging, checkpoints, TensorBoard.

Every handler follows MONAI's convention: a class with `attach(engine)`.
"""

import math
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from ignite.engine import Engine, Events

from ecs_med.distributed import is_main_process
from ecs_med.errors import (
    MissingExtraError,
    SettingsError,
    TrainingDivergedError,
)
from ecs_med.methods import Method
from ecs_med.runs import TrainRow
from ecs_med.runs.history import HistoryFile
from ecs_med.training.listener import Listener

__all__ = [
    "Checkpoints",
    "Log",
    "check_handlers",
    "is_due",
    "tensorboard_handler",
]

SaveState = Callable[[int], None]

_SAVING = 0.05
"""Share of the time of a run that checkpoints may take at most."""
_QUICK_SECONDS = 0.3
"""Of processor time: what is saved faster than that is saved at every validation."""


def is_due(iteration: int, every: int, last: int) -> bool:
    """Whether `iteration` is a multiple of `every`, or the last one."""
    return iteration % every == 0 or iteration == last


class Log:
    """Writes a row of losses, learning rates and speed every few iterations.

    Args:
        history: Where rows go.
        listener: Who else is told.
        method: Its optimisers' learning rates are logged.
        every: Iterations between rows.
        last: Last iteration of the run.
        images_per_iteration: Labelled and unlabelled images of one batch.
        warn: Takes what the method has to say about its signals.

    Raises:
        TrainingDivergedError: If a loss is not finite.
    """

    def __init__(
        self,
        history: HistoryFile,
        listener: Listener,
        method: Method,
        *,
        every: int,
        last: int,
        images_per_iteration: int,
        warn: Callable[[str], None],
    ) -> None:
        self._history = history
        self._listener = listener
        self._method = method
        self._every = every
        self._last = last
        self._images = images_per_iteration
        self._warn = warn
        self._sums: dict[str, dict[str, torch.Tensor]] = {"losses": {}, "signals": {}}
        self._count = 0
        self._spent = 0.0
        self._started = 0.0

    def attach(self, engine: Engine) -> None:
        """Time each iteration, and log after it where a row is due."""
        engine.add_event_handler(Events.GET_BATCH_STARTED, self._start)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._complete)

    def _start(self, _: Engine) -> None:
        self._started = time.perf_counter()

    def _complete(self, engine: Engine) -> None:
        output: Any = engine.state.output
        for kind, sums in self._sums.items():
            for name, value in output[kind].items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + value
        self._count += 1
        iteration = engine.state.iteration
        due = is_due(iteration, self._every, self._last)
        if due:
            means = {
                kind: {name: (total / self._count).item() for name, total in sums.items()}
                for kind, sums in self._sums.items()
            }
        self._spent += time.perf_counter() - self._started
        if due:
            self._check(means["losses"], iteration)
            self._write(means, iteration)

    def _check(self, losses: dict[str, float], iteration: int) -> None:
        for name, value in losses.items():
            if not math.isfinite(value):
                raise TrainingDivergedError(
                    f"The {name} loss became {value} by iteration {iteration}; the last checkpoint "
                    "is kept; check the data with `ecs-med check`, or lower the learning rate."
                )

    def _write(self, means: dict[str, dict[str, float]], iteration: int) -> None:
        row = TrainRow(
            iteration=iteration,
            losses=means["losses"],
            lr={
                name: optimizer.param_groups[0]["lr"]
                for name, optimizer in self._method.optimizers.items()
            },
            images_per_second=self._images * self._count / max(self._spent, 1e-9),
            signals={k: v if math.isfinite(v) else None for k, v in means["signals"].items()},
        )
        if is_main_process():
            self._history.append(row)
            self._listener.trained(row)
            warning = self._method.warning(means["signals"], iteration / self._last)
            if warning is not None:
                self._warn(warning)
        self._sums = {"losses": {}, "signals": {}}
        self._count, self._spent = 0, 0.0


class Checkpoints:
    """Saves at validations, in between after some minutes, and at the end.

    Where saving is slow beside training, as with large networks and few iterations, validations are
    passed over, so that it takes no more than a twentieth of the time.

    Args:
        save: Writes a checkpoint.
        every: Iterations between validations.
        last: Last iteration of the run.
        seconds: At most this long between checkpoints.
    """

    def __init__(self, save: SaveState, *, every: int, last: int, seconds: float = 120) -> None:
        self._save = save
        self._every = every
        self._last = last
        self._seconds = seconds
        self._pause = 0.0
        self._saved = time.monotonic()

    def attach(self, engine: Engine) -> None:
        """Save after the iterations where it is due; attach this after the validation."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._complete)

    def _complete(self, engine: Engine) -> None:
        output: Any = engine.state.output
        iteration, waited = engine.state.iteration, time.monotonic() - self._saved
        due = is_due(iteration, self._every, self._last)
        late = waited > self._seconds and bool(torch.isfinite(output["loss"]))
        if iteration == self._last or (due and waited >= self._pause) or late:
            # Processor time: a busy machine does not make checkpoints rarer.
            before = time.thread_time()
            self._save(iteration)
            spent = time.thread_time() - before
            self._pause = spent / _SAVING if spent > _QUICK_SECONDS else 0.0
            self._saved = time.monotonic()


def check_handlers(handlers: Sequence[Any]) -> None:
    """Refuse what is no handler.

    Raises:
        SettingsError: If one cannot be attached to an engine.
    """
    for handler in handlers:
        if not callable(getattr(handler, "attach", None)):
            raise SettingsError(
                f"`handlers`: {type(handler).__name__} cannot be attached to an engine; give "
                "objects with `attach(engine)`, such as those of monai.handlers."
            )


def tensorboard_handler(folder: Path) -> Any:
    """MONAI's handler that writes every iteration's losses into `folder`/tensorboard.

    Raises:
        MissingExtraError: If TensorBoard is not installed.
    """
    if find_spec("tensorboard") is None:
        raise MissingExtraError("`tensorboard`", "tensorboard")
    from monai.handlers import TensorBoardStatsHandler

    def losses(output: dict[str, Any]) -> dict[str, float]:
        return {name: value.item() for name, value in output["losses"].items()}

    return TensorBoardStatsHandler(
        log_dir=str(folder / "tensorboard"), epoch_log=False, output_transform=losses
    )
