"""Being stopped: signals and a stop token, before, during and after the iterations."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

from ignite.engine import Engine, Events

from ecs_med.distributed import any_process
from ecs_med.errors import TrainingInterrupted
from ecs_med.runs import RunFolder

__all__ = ["Interruption", "StopToken", "signals_to"]

SaveState = Callable[[int], None]

_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, name)
)
"""Being asked to end, Ctrl-C, and the end of the terminal."""


class StopToken(Protocol):
    """Something that says when to stop, such as a `threading.Event`."""

    def is_set(self) -> bool:
        """Whether to stop after the current iteration."""


class _Stopped(BaseException):
    """A signal outside of the iterations, where no state has to be saved."""


class Interruption:
    """SIGTERM, SIGHUP, Ctrl-C or a stop token: end resumably, whatever the run is doing.

    Between the iterations the state is saved first; while images are prepared, or the model is
    scored in the end, everything that is needed is there already. Usable as a context manager
    around a whole run, which puts the former signal handlers back. Signals that are ignored, as
    SIGHUP is by `nohup`, stay so. In other threads than the main one, which signals never reach,
    the token alone is looked at.

    Args:
        stop: Looked at after every iteration.

    Attributes:
        folder: The run, once it is known.

    Raises:
        TrainingInterrupted: After saving.
    """

    def __init__(self, stop: StopToken | None = None) -> None:
        self.folder: Path | None = None
        self._stop = stop
        self._save: SaveState | None = None
        self._caught: str | None = None
        self._handlers = signals_to(self._catch)

    def __enter__(self) -> Self:
        self._handlers.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._handlers.__exit__(None, None, None)
        if isinstance(error, _Stopped):
            raise TrainingInterrupted(self._sentence()) from None

    @contextmanager
    def iterating(self, engine: Engine, save: SaveState) -> Iterator[None]:
        """Save before stopping inside; enter this when all other handlers are attached.

        Args:
            engine: The trainer.
            save: Writes a checkpoint.
        """
        self._save = save
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._complete)
        try:
            yield
        finally:
            self._save = None
        if self._caught is not None:  # after the last iteration had been looked at
            raise _Stopped

    def _catch(self, number: int, _: FrameType | None) -> None:
        self._caught = signal.Signals(number).name
        is_over = self.folder is not None and RunFolder(self.folder).is_finished
        if self._save is None and not is_over:
            raise _Stopped

    def _sentence(self) -> str:
        folder = self.folder
        if folder is None or not RunFolder(folder).checkpoint_files():
            return (
                f"Stopped by {self._caught} before the first iteration, nothing is lost; start "
                "again with the same command."
            )
        return f"Stopped by {self._caught} outside of the iterations, {_hint(folder)}."

    def _complete(self, engine: Engine) -> None:
        if self._caught is None and self._stop is not None and self._stop.is_set():
            self._caught = "the stop token"
        # Signals reach processes at different times; all must stop after the same iteration.
        if any_process(self._caught is not None, engine.state.device):
            assert self._save is not None
            assert self.folder is not None
            self._save(engine.state.iteration)
            raise TrainingInterrupted(
                f"Stopped by {self._caught or 'another process'} after iteration "
                f"{engine.state.iteration}, {_hint(self.folder)}."
            )


def _hint(folder: Path) -> str:
    return f"everything is saved; go on with `ecs-med train --resume --run {folder}`"


@contextmanager
def signals_to(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let SIGTERM, Ctrl-C and SIGHUP call `handler`, then put the former ones back.

    A signal that is ignored stays so. In other threads than the main one, which signals never
    reach, it does nothing.
    """
    former: dict[signal.Signals, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                former[number] = signal.signal(number, handler)
    try:
        yield
    finally:
        for number, put_back in former.items():
            signal.signal(number, put_back)
