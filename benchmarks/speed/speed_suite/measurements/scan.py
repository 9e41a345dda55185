"""A folder, and a list, of many cases: what it takes to know them and to divide them.

Empty files, half of them images and half masks, a hundred of a patient; the folder is opened in a
process of its own, and so is a CSV list of the same cases. Seconds by the clock, and of the
processor in the note, of `open_data` with a rule for patients, of drawing a split by patients, and
of one where nobody's patient is known; memory is the peak of that process, imports and all. There
is no saved index: a second start lists the folder again, in the time of the first. Targets are
those for a million cases (`--cases 1000000`).
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from measured_process import HERE, called, megabytes
from speed_suite.registry import Options
from speed_suite.results import Row, single

MILLION = 1_000_000
LIMITS = {"index": 120.0, "memory": 2000.0, "split": 10.0, "again": 5.0}
LINKS = 30_000
"""Of one empty file: file systems count them in sixteen bits."""
CODE = """
import sys
from pathlib import Path
from speed_suite.measurements.scan import print_figures
print_figures(Path(sys.argv[1]))
"""


def measure(options: Options) -> Sequence[Row]:
    """Ten thousand cases and as many as are asked for."""
    rows: list[Row] = []
    for number in sorted({min(10_000, options.cases), options.cases}):
        with TemporaryDirectory(prefix="ecs-med-bench-") as name:
            root = Path(name) / "data"
            write_cases(root, number)
            for place in (root, root / "list.csv"):
                rows += _rows(f"{number:,} cases, {place.suffix or 'folder'}", place, number)
    return rows


def _rows(what: str, place: Path, number: int) -> Iterator[Row]:
    found = json.loads(called(HERE, CODE, place).splitlines()[-1])

    def row(part: str, name: str, unit: str = "s", limit: str = "") -> Row:
        cpu = found.get(f"{name}_cpu")
        note = "" if cpu is None else f"{cpu:.2f} s of the processor"
        asked = LIMITS[limit or name] if number >= MILLION else None
        return single(f"{what}: {part}", [found[name]], unit, note=note, limit=asked)

    yield row("index", "index")
    yield row("peak memory", "memory", "MB")
    yield row("split by patients", "split")
    yield row("split without patients", "alone", limit="split")
    yield row("index in the same process again", "again")


def write_cases(root: Path, number: int) -> None:
    """Empty images and masks, hard links of few files, and a list of them."""
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    with (root / "list.csv").open("w", encoding="utf-8") as table:
        table.write("image,mask,patient\n")
        for index in range(number):
            name = f"patient{index // 100:05d}_frame{index:07d}.png"
            for folder in ("images", "masks"):
                path = f"{root}/{folder}/{name}"
                if index % LINKS == 0:
                    Path(path).touch()
                    first = name
                else:
                    os.link(f"{root}/{folder}/{first}", path)
            table.write(f"images/{name},masks/{name},patient{index // 100:05d}\n")


def print_figures(root: Path) -> None:
    """Open `root` in this process, divide it, and open it once more; JSON."""
    from ecs_med.config import ReadingSettings
    from ecs_med.data.layout import open_data
    from ecs_med.splits import draw_split

    figures: dict[str, Any] = {}

    def timed(name: str, work: Callable[[], Any]) -> Any:
        wall, processor = time.perf_counter(), time.process_time()
        result = work()
        figures[name] = time.perf_counter() - wall
        figures[f"{name}_cpu"] = time.process_time() - processor
        return result

    rule = "column" if root.suffix else r"regex:(patient\d+)"
    settings = ReadingSettings(patient=rule)
    cases = timed("index", lambda: open_data(root, settings)).cases
    # Not `getrusage`, which counts what the process that started this one held.
    figures["memory"] = megabytes("VmHWM")
    timed("split", lambda: draw_split(cases, "10%", 0))
    alone = [replace(case, patient=None) for case in cases]
    timed("alone", lambda: draw_split(alone, "10%", 0))
    timed("again", lambda: open_data(root, settings))
    print(json.dumps(figures))
