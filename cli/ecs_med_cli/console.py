"""Speaking to a person on a terminal or, with `--json`, to a program that reads one object."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console, RenderableType
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from ecs_med.names import visible
from ecs_med_cli.declaration import in_options

if TYPE_CHECKING:
    from ecs_med.metrics import Scores

__all__ = ["PlainTable", "Terminal", "duration", "plain_table", "print_plain", "score_table"]


class Terminal:
    """Where a command prints.

    Args:
        as_json: Print one JSON object on stdout and everything else on stderr.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.console = Console(stderr=as_json)

    def say(self, sentence: str) -> None:
        """Print one line as it is: not wrapped or coloured, no markup, nothing hidden."""
        print_plain(self.console, sentence)

    def complain(self, sentence: str) -> None:
        """The same on stderr."""
        print_plain(Console(stderr=True), sentence)

    def show(self, table: Table) -> None:
        """Print a table."""
        self.console.print(table)

    def print_json(self, content: Mapping[str, Any]) -> None:
        """Print the one JSON object; in an encoding that lacks letters, with escapes for them."""
        holds_all = (sys.stdout.encoding or "").lower().startswith("utf")
        json.dump(content, sys.stdout, ensure_ascii=not holds_all)
        sys.stdout.write("\n")

    @contextlib.contextmanager
    def bar(self, task: str) -> Iterator[Callable[[int, int], None]]:
        """A bar on stderr, if that is a terminal; what it gives takes how many are done of all."""
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            row = bar.add_task(task, total=None)
            yield lambda done, total: bar.update(row, completed=done, total=total)

    def only_json(self) -> contextlib.AbstractContextManager[Any]:
        """Where a library prints, it would spoil the one JSON object."""
        if self.as_json:
            return contextlib.redirect_stdout(sys.stderr)
        return contextlib.nullcontext()


class PlainTable(Table):
    """A table whose texts are shown as they are: brackets no markup, control characters visible."""

    def add_row(self, *cells: RenderableType | None, **options: Any) -> None:
        """Add a row; options as of rich."""
        super().add_row(*(Text(visible(c)) if isinstance(c, str) else c for c in cells), **options)


def print_plain(console: Console, sentence: str) -> None:
    """Print one line on a console as `Terminal.say` does."""
    text = Text(visible(in_options(sentence)))
    console.print(text, soft_wrap=True, highlight=False)


def plain_table(*columns: str, left: int = 1, title: str | None = None) -> Table:
    """A table without lines.

    Args:
        *columns: Headings.
        left: Columns from the left that hold words; the others hold numbers.
        title: Line above it.
    """
    above = None if title is None else Text(visible(title))
    table = PlainTable(box=None, pad_edge=False, title=above, title_justify="left")
    for index, name in enumerate(columns):
        # A name that is too long goes on in the next line: its end tells it from others.
        side: Literal["left", "right"] = "left" if index < left else "right"
        table.add_column(Text(visible(name)), justify=side, overflow="fold")
    return table


def score_table(scores: "Scores", title: str | None = None) -> Table:
    """IoU, Dice and, where measured, surface distance per class, with the means."""
    distances = scores.hd95_mm_per_class
    missing = scores.hd95_num_missing_per_class or (0,) * len(scores.class_names)
    table = plain_table("class", "IoU", "Dice", *(("HD95 mm",) if distances else ()), title=title)
    for index, name in enumerate(scores.class_names):
        cells = [_number(scores.iou_per_class[index]), _number(scores.dice_per_class[index])]
        if distances:
            without = f" ({missing[index]} without)" if missing[index] else ""
            cells.append(_number(distances[index], 2) + without)
        table.add_row(name, *cells)
    table.add_section()
    table.add_row("mean", _number(scores.miou), _number(scores.dice), style="bold")
    foreground = _number(scores.foreground_iou), _number(scores.foreground_dice)
    table.add_row("mean without background", *foreground)
    table.add_row("mean of cases", "", _number(scores.dice_per_case))
    return table


def duration(seconds: float) -> str:
    """A time to read: `45 s`, `12 min`, `3 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def _number(value: float | None, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
