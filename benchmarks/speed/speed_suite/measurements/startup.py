"""The start of the program: `--help` of every command.

A process of its own each time: the processor's time, user and system; that by the clock is in the
note. In turn with it runs `import typer` alone, the library that reads the command line.
"""

import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from speed_suite.registry import Options
from speed_suite.results import Row, compared
from speed_suite.timing import in_turns

LIMIT_SECONDS = 0.5
TYPER = (sys.executable, "-c", "import typer")


def measure(options: Options) -> Sequence[Row]:
    """A row for each command."""
    from ecs_med_cli.app import COMMANDS

    return [row_of(command, options) for command in ("", *COMMANDS)]


def row_of(command: str, options: Options) -> Row:
    """One command; empty: the program alone."""
    words = [sys.executable, "-m", "ecs_med_cli", *filter(None, [command]), "--help"]
    walls: list[float] = []
    works: dict[str, Callable[[], object]] = {
        "help": partial(_run, words, walls),
        "typer": partial(_run, TYPER, []),
    }
    found = in_turns(works, repeats=options.repeats, most_seconds=options.seconds, clock=_children)
    what = f"`ecs-med {command} --help`".replace("  ", " ")
    limit: dict[str, Any] = {"limit": LIMIT_SECONDS, "limits": "value"}
    note = f"{statistics.median(walls):.2f} s by the clock"
    return compared(what, found["help"], "`import typer`", found["typer"], note=note, **limit)


def _run(words: Sequence[str], walls: list[float]) -> None:
    started = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    walls.append(time.perf_counter() - started)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
