"""Lines on the runs of a sweep that are under way, read from their folders."""

import json
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from ecs_med.runs import RunFolder
from ecs_med.sweep.plan import Cell
from ecs_med_cli.console import duration

__all__ = ["SweepWatch", "under_way"]

FIRST_SECONDS = 5.0
GROWTH = 0.1
"""A line is due after some seconds and this share of the time so far, so that a demo says something
every few seconds, and a log of ten hours gets some seventy lines."""

_SHOWN = 4
_TAIL = 2**16
"""Bytes at the end of a history that hold its last rows."""


class SweepWatch:
    """Says every now and then how far the runs under way are, in a thread, until it is left.

    Args:
        say: Takes a line.
        cells: Those that are not done yet.
    """

    def __init__(self, say: Callable[[str], None], cells: Sequence[Cell]) -> None:
        self._say = say
        self._cells = cells
        self._started = time.time()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(FIRST_SECONDS + GROWTH * (time.time() - self._started)):
            runs = under_way(self._cells, self._started)
            if not runs:
                self._say(f"  {duration(time.time() - self._started)}: runs are starting")
                continue
            more = f"; {len(runs) - _SHOWN} more" if len(runs) > _SHOWN else ""
            self._say(f"  {'; '.join(runs[:_SHOWN])}{more}")


def under_way(cells: Iterable[Cell], since: float) -> list[str]:
    """A few words on every run that has logged something and is not done.

    Args:
        cells: The runs.
        since: What was logged before, in seconds since 1970, is of an earlier start.
    """
    found = []
    for cell in cells:
        folder = RunFolder(cell.folder)
        try:
            if folder.is_finished or folder.history_file.stat().st_mtime < since:
                continue
            with folder.history_file.open("rb") as stream:
                stream.seek(max(0, stream.seek(0, 2) - _TAIL))
                lines = stream.read().splitlines()
        except OSError:
            continue
        words = _words(lines, cell.config.iterations or 0)
        if words:
            found.append(f"{cell.method} {cell.labeled} seed {cell.seed}: {words}")
    return found


def _words(lines: Sequence[bytes], last: int) -> str:
    """How far a run is, by the last rows of its history; a torn one is passed over."""
    iteration, miou = 0, None
    for line in lines:
        try:
            row: dict[str, Any] = json.loads(line)
            iteration = row["iteration"]
            if row["kind"] == "validation":
                miou = row["validation"]["miou"]
        except (ValueError, KeyError, TypeError):
            continue
    if not iteration:
        return ""
    if iteration >= last:
        return "scoring the test cases"
    score = "" if miou is None else f", validation mIoU {miou:.3f}"
    return f"{iteration} of {last}{score}"
