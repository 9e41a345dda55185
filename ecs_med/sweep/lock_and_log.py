"""What lies beside the folder of a run: its lock, and the log of what it tells."""

import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from ecs_med.errors import RunFolderError
from ecs_med.runs import Metrics, TrainRow, ValidationRow
from ecs_med.training.listener import RunPlan

__all__ = ["BusyError", "LogListener", "append_line", "hold_lock", "send_output_to"]

_SECONDS_BETWEEN_LINES = 30.0


class BusyError(RunFolderError):
    """Another process is at work on the same run; nothing may be written into its folder."""


@contextmanager
def hold_lock(path: Path, patience: float) -> Iterator[None]:
    """Hold the lock file `path`; the system lets go of it when this process ends in any way.

    Where the file system knows no locks, this does nothing.

    Args:
        path: The lock file; its folder exists.
        patience: Seconds to wait for another process to let go, such as one that is saving.

    Raises:
        BusyError: If another process holds it still.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _wait_for(handle, path, time.monotonic() + patience)
        yield
    finally:
        os.close(handle)


def _wait_for(handle: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise BusyError(
                    f"{path.with_suffix('')}: another process is at work on this; wait for it, or "
                    "end it, and start again."
                ) from None
            time.sleep(0.1)
        except OSError:
            return
        else:
            return


def append_line(path: Path, line: str) -> None:
    """Append one line, with the time before it; a log that cannot be written stops nothing."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            stream.write(f"{now} {line.rstrip()}\n")
    except OSError:
        return


def send_output_to(path: Path) -> None:
    """Let everything that this process prints from now on, C libraries included, end in `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    os.close(handle)


class LogListener:
    """Listener of `ecs_med.training` that writes few lines.

    Args:
        log: Takes a line.
    """

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._last = 0.0

    def started(self, plan: RunPlan) -> None:
        """Say where the run begins."""
        self._log(f"iteration {plan.iteration} of {plan.iterations}")

    def preparing(self, done: int, total: int) -> None:
        """Say when all images are ready."""
        if done == total:
            self._log(f"{total} images prepared")

    def trained(self, row: TrainRow) -> None:
        """Say every half minute how far the run is."""
        if time.monotonic() - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = time.monotonic()
            losses = "  ".join(f"{name} {value:.3f}" for name, value in row.losses.items())
            self._log(f"iteration {row.iteration}  {losses}")

    def validated(self, row: ValidationRow) -> None:
        """Say what a validation gave."""
        self._log(f"iteration {row.iteration}  validation mIoU {row.validation.miou}")

    def warned(self, sentence: str) -> None:
        """Pass a warning on."""
        self._log(f"Warning: {sentence}")

    def finished(self, run: Path, metrics: Metrics) -> None:
        """Say that it is done."""
        self._log(f"done: {run}")
