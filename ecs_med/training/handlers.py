"""What happens around the iterations: logging, validation, checkpoints, signals.

Every handler follows MONAI's convention: a class with `attach(engine)`.
"""

import math
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

import torch
from ignite.engine import Engine, Events

from ecs_med.distributed import any_process, is_main_process
from ecs_med.errors import TrainingDivergedError, TrainingInterrupted
from ecs_med.methods import Method
from ecs_med.training.events import Listener
from ecs_med.training.run_folder import History

__all__ = ["Checkpoints", "Log", "Signals", "Validation", "is_due"]

SaveState = Callable[[int], None]


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
        history: History,
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
        row = {
            "kind": "train",
            "iteration": iteration,
            "losses": means["losses"],
            "lr": {
                name: optimizer.param_groups[0]["lr"]
                for name, optimizer in self._method.optimizers.items()
            },
            "images_per_second": self._images * self._count / max(self._spent, 1e-9),
            "signals": {k: v if math.isfinite(v) else None for k, v in means["signals"].items()},
        }
        if is_main_process():
            self._history.append(row)
            self._listener.trained(row)
            warning = self._method.warning(means["signals"], iteration / self._last)
            if warning is not None:
                self._warn(warning)
        self._sums = {"losses": {}, "signals": {}}
        self._count, self._spent = 0, 0.0


class Validation:
    """Calls `validate(iteration)` where it is due.

    Args:
        validate: Scores the model, keeps the best one, writes the history.
        every: Iterations between validations.
        last: Last iteration of the run.
    """

    def __init__(self, validate: Callable[[int], None], *, every: int, last: int) -> None:
        self._validate = validate
        self._every = every
        self._last = last

    def attach(self, engine: Engine) -> None:
        """Validate after the iterations where it is due."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._complete)

    def _complete(self, engine: Engine) -> None:
        if is_due(engine.state.iteration, self._every, self._last):
            self._validate(engine.state.iteration)


class Checkpoints:
    """Saves at every validation, and in between after some minutes.

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
        self._saved = time.monotonic()

    def attach(self, engine: Engine) -> None:
        """Save after the iterations where it is due; attach this after `Validation`."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._complete)

    def _complete(self, engine: Engine) -> None:
        late = time.monotonic() - self._saved > self._seconds
        output: Any = engine.state.output
        if is_due(engine.state.iteration, self._every, self._last) or (
            late and bool(torch.isfinite(output["loss"]))
        ):
            self._save(engine.state.iteration)
            self._saved = time.monotonic()


class Signals:
    """SIGTERM and Ctrl-C: save after the current iteration, then stop resumably.

    Usable as a context manager, which puts the former handlers back.

    Args:
        save: Writes a checkpoint.

    Raises:
        TrainingInterrupted: After saving.
    """

    def __init__(self, save: SaveState, resume_hint: str) -> None:
        self._save = save
        self._hint = resume_hint
        self._caught: str | None = None
        self._former: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._former[number] = signal.signal(number, self._catch)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _catch(self, number: int, _: FrameType | None) -> None:
        self._caught = signal.Signals(number).name

    def attach(self, engine: Engine) -> None:
        """Look for a signal after every iteration; attach this last."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._complete)

    def _complete(self, engine: Engine) -> None:
        # Signals reach processes at different times; all must stop after the same iteration.
        if any_process(self._caught is not None, engine.state.device):
            self._save(engine.state.iteration)
            raise TrainingInterrupted(
                f"Stopped by {self._caught or 'another process'} after iteration "
                f"{engine.state.iteration}, everything is saved; {self._hint}."
            )
