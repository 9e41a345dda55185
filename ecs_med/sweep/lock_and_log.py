"""What lies beside the folder of a run: its lock, and the log of what it tells."""

import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ecs_med.runs import Metrics, TrainRow, ValidationRow
from ecs_med.runs.lock import BusyError, hold_lock
from ecs_med.training.listener import Expectation, RunPlan

__all__ = ["BusyError", "LogListener", "append_line", "hold_lock", "send_output_to"]

_SECONDS_BETWEEN_LINES = 30.0


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

    def expected(self, expectation: Expectation) -> None:
        """Say how long it will take; what would be shorter would be another sweep."""
        one = expectation.iteration_seconds
        self._log(f"about {expectation.seconds:.0f} s to go, {one:.2g} s an iteration")

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
