"""What a person sees while training runs: a bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

__all__ = ["ProgressDisplay"]


class ProgressDisplay:
    """Listener of `ecs_med.training` that reports on a console.

    A terminal gets one bar that is redrawn. Anything else (a file, a batch
    system's log) gets a line every tenth of the iterations and one for each validation.

    Args:
        console: Where to write.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: TaskID | None = None
        self._num_iterations = 0
        self._first: tuple[int, float] | None = None
        self._next_line = 0
        self._last_miou: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def started(self, plan: Mapping[str, Any]) -> None:
        """Print what is about to happen and start the bar."""
        for label, text in describe_plan(plan):
            self._line(f"[bold]{label:<11}[/bold]{escape(text)}")
        self._num_iterations = int(plan["iterations"])
        done = int(plan.get("iteration", 0))
        self._next_line = self._after(done)
        self._task = self._progress.add_task(
            "training", total=self._num_iterations, completed=done, status=""
        )
        self._progress.start()

    def preparing(self, done: int, total: int) -> None:
        """Show how far decoding is; it happens once, later runs find the images prepared."""
        if self._task is not None:
            text = f"preparing images {done}/{total}" if done < total else ""
            self._progress.update(self._task, status=text)
        if not self._console.is_terminal and done == total:
            self._line(f"{total} images prepared")

    def trained(self, row: Mapping[str, Any]) -> None:
        """Move the bar, or print a line where a tenth has passed."""
        iteration = int(row["iteration"])
        status = self._status(row, iteration)
        if self._task is not None:
            self._progress.update(self._task, completed=iteration, status=escape(status))
        if not self._console.is_terminal and iteration >= self._next_line:
            self._line(escape(f"iteration {iteration}/{self._num_iterations}  {status}"))
            self._next_line = self._after(iteration)

    def validated(self, row: Mapping[str, Any]) -> None:
        """Print the scores of a validation."""
        scores = row["validation"]
        self._last_miou = scores["miou"]
        text = (
            f"iteration {row['iteration']}/{self._num_iterations}  "
            f"validation mIoU {_score(scores['miou'])}, Dice {_score(scores['dice'])}"
        )
        health = row.get("pseudo_labels")
        if health and health.get("miou") is not None:
            text += f", pseudo-labels {_score(health['miou'])}"
        self._line(escape(text) + ("  [bold](best)[/bold]" if row.get("best") else ""))

    def warned(self, sentence: str) -> None:
        """Print a warning."""
        self._line(f"[yellow]Warning:[/yellow] {escape(sentence)}")

    def finished(self, run: Path, metrics: Mapping[str, Any]) -> None:
        """Take the bar away; the caller prints the outcome."""
        self._progress.stop()

    def _status(self, row: Mapping[str, Any], iteration: int) -> str:
        parts = [f"{name} {value:.3f}" for name, value in row.get("losses", {}).items()]
        rates = row.get("lr", {})
        if "segmenter" in rates:
            parts.append(f"lr {rates['segmenter']:.2g}")
        if row.get("images_per_second"):
            parts.append(f"{row['images_per_second']:.1f} images/s")
        remaining = self._remaining(iteration)
        if remaining:
            parts.append(f"{remaining} left")
        if self._last_miou is not None:
            parts.append(f"mIoU {_score(self._last_miou)}")
        return "  ".join(parts)

    def _remaining(self, iteration: int) -> str:
        now = time.monotonic()
        if self._first is None:
            self._first = (iteration, now)
            return ""
        steps = iteration - self._first[0]
        if steps <= 0:
            return ""
        pace = (now - self._first[1]) / steps
        return duration(pace * (self._num_iterations - iteration))

    def _after(self, iteration: int) -> int:
        """The next iteration at which a line is due."""
        tenth = max(1, self._num_iterations // 10)
        return (iteration // tenth + 1) * tenth

    def _line(self, markup: str) -> None:
        self._console.print(markup, soft_wrap=True, highlight=False)


def duration(seconds: float) -> str:
    """A time to read: `45 s`, `12 min`, `3 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def describe_plan(plan: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and text of every line that stands before the bar."""
    return [(str(label), str(plan[key])) for label, key in _PLAN_LINES if plan.get(key)]


_PLAN_LINES = (
    ("Data", "data"),
    ("Cases", "cases"),
    ("Method", "method"),
    ("Encoder", "encoder"),
    ("Weights", "initialisation"),
    ("Device", "device"),
    ("Run folder", "run"),
)


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
