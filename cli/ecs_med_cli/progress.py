"""What a person sees while training runs: a bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich import markup
from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.text import Text

from ecs_med.names import visible
from ecs_med_cli.console import duration
from ecs_med_cli.declaration import in_options

if TYPE_CHECKING:
    from ecs_med.runs import Metrics, TrainRow, ValidationRow
    from ecs_med.training.listener import Expectation, RunPlan

__all__ = ["ProgressDisplay"]


class _BarWithDetails(Progress):
    """A bar with a line of details under it, cut to the terminal's width."""

    details = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if self.details:
            yield Text(visible(self.details), style="dim", no_wrap=True, overflow="ellipsis")


class ProgressDisplay:
    """Listener of `ecs_med.training` that reports on a console.

    A terminal gets one bar that is redrawn. Anything else (a file, a batch
    system's log) gets a line every tenth of the iterations and one for each validation.

    Args:
        console: Where to write.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = _BarWithDetails(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            console=console,
            disable=not console.is_terminal,
            refresh_per_second=4,
        )
        self._preparing: TaskID | None = None
        self._training: TaskID | None = None
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
        self._bar.stop()

    def preparing(self, done: int, total: int) -> None:
        """Show how far decoding is; it happens once, later runs find the images prepared."""
        if self._preparing is None:
            self._preparing = self._bar.add_task("preparing images", total=total, status="")
            self._bar.start()
        self._bar.update(self._preparing, total=total, completed=done, visible=done < total)
        if not self._console.is_terminal and done == total:
            self._line(f"{total} images prepared")

    def started(self, plan: "RunPlan") -> None:
        """Print what is about to happen and start the bar."""
        for label, key in _PLAN_LINES:
            self._line(f"[bold]{label:<11}[/bold]{escape(getattr(plan, key))}")
        self._num_iterations = plan.iterations
        done = plan.iteration
        self._first = (done, time.monotonic())
        self._next_line = self._after(done)
        self._training = self._bar.add_task(
            "training", total=self._num_iterations, completed=done, status=""
        )
        self._bar.start()

    def expected(self, expectation: "Expectation") -> None:
        """Say how long it will take on this CPU, and with what it would take half of that."""
        one = f"{expectation.iteration_seconds:.2g} s"
        line = f"about {duration(expectation.seconds)}, by the first iterations ({one} each)"
        if expectation.offers:
            shorter = (f"{duration(found)} with `{name}`" for name, found in expectation.offers)
            line += f"; a new run would take {', '.join(shorter)}"
        self._line(f"[bold]{'Time':<11}[/bold]{escape(in_options(line))}")

    def trained(self, row: "TrainRow") -> None:
        """Move the bar, or print a line where a tenth has passed."""
        iteration = row.iteration
        status, losses = self._status(row, iteration), _losses(row)
        if self._training is not None:
            self._bar.details = losses
            self._bar.update(self._training, completed=iteration, status=escape(status))
        if not self._console.is_terminal and iteration >= self._next_line:
            self._line(escape(f"iteration {iteration}/{self._num_iterations}  {losses}  {status}"))
            self._next_line = self._after(iteration)
        if iteration == self._num_iterations:
            self._bar.details = "scoring and writing the report"

    def validated(self, row: "ValidationRow") -> None:
        """Print the scores of a validation."""
        scores = row.validation
        self._last_miou = scores.miou
        text = (
            f"iteration {row.iteration}/{self._num_iterations}  "
            f"validation mIoU {_score(scores.miou)}, Dice {_score(scores.dice)}"
        )
        if row.corrector is not None:
            text += f", corrector's mIoU {_score(row.corrector.miou)}"
        if row.pseudo_labels is not None and row.pseudo_labels.miou is not None:
            text += f", pseudo-labels {_score(row.pseudo_labels.miou)}"
        self._line(escape(text) + ("  [bold](best)[/bold]" if row.best else ""))

    def warned(self, sentence: str) -> None:
        """Print a warning."""
        self._line(f"[yellow]Warning:[/yellow] {escape(in_options(sentence))}")

    def finished(self, run: Path, metrics: "Metrics") -> None:
        """Take the bar away; the caller prints the outcome."""
        self._bar.details = ""
        self._bar.stop()

    def _status(self, row: "TrainRow", iteration: int) -> str:
        parts = [f"{row.images_per_second:.1f} images/s"]
        remaining = self._remaining(iteration)
        if remaining:
            parts.append(f"{remaining} left")
        if self._last_miou is not None:
            parts.append(f"mIoU {_score(self._last_miou)}")
        return "  ".join(parts)

    def _remaining(self, iteration: int) -> str:
        """Time to the end at the pace so far, validations included."""
        if self._first is None:
            return ""
        steps = iteration - self._first[0]
        ahead = self._num_iterations - iteration
        if steps <= 0 or ahead <= 0:
            return ""
        return duration((time.monotonic() - self._first[1]) / steps * ahead)

    def _after(self, iteration: int) -> int:
        """The next iteration at which a line is due."""
        tenth = max(1, self._num_iterations // 10)
        return (iteration // tenth + 1) * tenth

    def _line(self, line: str) -> None:
        self._console.print(line, soft_wrap=True, highlight=False, emoji=False)


_PLAN_LINES = (
    ("Data", "data"),
    ("Cases", "cases"),
    ("Method", "method"),
    ("Encoder", "encoder"),
    ("Weights", "initialization"),
    ("Device", "device"),
    ("Augmented", "augmentation"),
    ("Validation", "validation"),
    ("Run folder", "run"),
)


def escape(text: str) -> str:
    """What comes from files, as markup that shows it as it is."""
    return markup.escape(visible(text))


def _losses(row: "TrainRow") -> str:
    parts = [f"{name} {value:.3f}" for name, value in row.losses.items()]
    rate = row.lr.get("segmenter")
    return "  ".join(parts if rate is None else [*parts, f"lr {rate:.2g}"])


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
