"""What a person sees while a sweep runs: one line for each run that ends."""

import time
from collections import defaultdict
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape

from ecs_med.sweep.cell import CellOutcome
from ecs_med.sweep.plan import Cell
from ecs_med.sweep.state import look_at
from ecs_med_cli.progress import duration

__all__ = ["SweepDisplay"]


class SweepDisplay:
    """Prints how a sweep goes, and how long it will still take.

    Args:
        console: Where to write.
        cells: The plan.
        places: How many run at once.
    """

    def __init__(self, console: Console, cells: Sequence[Cell], places: int) -> None:
        self._console = console
        self._places = places
        self._total = len(cells)
        self._width = max((len(cell.method) for cell in cells), default=0) + 1
        self._open = {c.name: c for c in cells if look_at(c.folder).progress != "done"}
        self._seconds: dict[str, list[float]] = defaultdict(list)
        self._num_ended = self._total - len(self._open)
        self._started = time.monotonic()
        if cells:
            self._announce(cells[0])

    def _announce(self, first: Cell) -> None:
        before = f", {self._num_ended} of them done before" if self._num_ended else ""
        self._line(f"{self._total} runs{before}; {self._places} at a time")
        if self._open:
            self._line(f"logs in {first.log.parent}")

    def ended(self, cell: Cell, outcome: CellOutcome) -> None:
        """Print the line of a run."""
        del self._open[cell.name]
        self._num_ended += outcome.progress == "done"
        if outcome.progress == "done":
            self._seconds[cell.method].append(outcome.seconds)
        what = (
            f"test mIoU {outcome.miou:.4f}"
            if outcome.miou is not None
            else f"{outcome.progress}: {outcome.sentence}"
        )
        remaining = self._remaining()
        parts = [
            f"{cell.method:<{self._width}}{cell.labeled:>6}  seed {cell.seed}  {what}",
            duration(outcome.seconds),
            f"{self._num_ended} of {self._total} done",
            *([f"{duration(remaining)} left"] if remaining else []),
        ]
        self._line("  ".join(parts))

    def _remaining(self) -> float:
        """Seconds to the end at the pace so far, by method where it is known."""
        known = [each for seconds in self._seconds.values() for each in seconds]
        if not known:
            return 0.0
        overall = sum(known) / len(known)
        ahead = 0.0
        for cell in self._open.values():
            own = self._seconds.get(cell.method)
            ahead += sum(own) / len(own) if own else overall
        return ahead / self._places

    def _line(self, text: str) -> None:
        self._console.print(escape(text), soft_wrap=True, highlight=False)
