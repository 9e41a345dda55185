"""The start of the program: `--help` of every command, and `train` up to its first iteration.

A process of its own each time: the processor's time, user and system; that by the clock is in the
note. In turn with `--help` runs `import typer` alone, the library that reads the command line.
`train` is timed by the clock, on images that are prepared already, up to the last line that it
prints before its first iteration.
"""

import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from speed_suite.registry import Options
from speed_suite.results import Row, compared, single
from speed_suite.small_run import phantom
from speed_suite.timing import in_turns

LIMIT_SECONDS = 0.5
FIRST_LIMIT, NUM_IMAGES = 6.0, 1000
LAST_LINE = "Run folder"
TYPER = (sys.executable, "-c", "import typer")


def measure(options: Options) -> Sequence[Row]:
    """A row for each command, and one for `train`."""
    from ecs_med_cli.app import COMMANDS

    rows = [row_of(command, options) for command in ("", *COMMANDS)]
    with phantom(NUM_IMAGES) as folder:
        seconds = [_until_first_iteration(folder) for _ in range(options.repeats + 1)][1:]
    what = f"`ecs-med train` up to its first iteration, {NUM_IMAGES:,} prepared images"
    return [*rows, single(what, seconds, limit=FIRST_LIMIT)]


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


def _until_first_iteration(folder: Path) -> float:
    words = ["--data", folder / "data", "--run", folder / "run"]
    words += ["--labeled", "10%", "--iterations", "1000", "--device", "cpu"]
    command = [sys.executable, "-m", "ecs_med_cli", "train", *map(str, words)]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    started = time.perf_counter()
    with subprocess.Popen(command, env=environment, **pipes) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith(LAST_LINE):
                seconds = time.perf_counter() - started
                process.kill()
                process.wait()
                shutil.rmtree(folder / "run", ignore_errors=True)
                return seconds
    raise RuntimeError("".join(lines))


def _run(words: Sequence[str], walls: list[float]) -> None:
    started = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    walls.append(time.perf_counter() - started)


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
