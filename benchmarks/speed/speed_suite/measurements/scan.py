"""A folder, and a list, of many cases: what it takes to know them and to divide them.

Empty files, half of them images and half masks, a hundred of a patient; the folder is opened in a
process of its own, and so is a CSV list of the same cases. Seconds by the clock, and of the
processor in the note, of `open_data` with a rule for patients, of drawing a split by patients, and
of one where nobody's patient is known; memory is the peak of that process, imports and all. Another
process then opens the same again, which finds a saved index where there are 50,000 cases or more.
Targets are those for a million cases (`--cases 1000000`).
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import open_data
from ecs_med.types import Case
from measured_process import HERE, called, megabytes
from speed_suite.registry import Options
from speed_suite.results import Row, single

MILLION = 1_000_000
LIMITS = {"index": 120.0, "memory": 2000.0, "split": 10.0, "again": 5.0}
LINKS = 30_000
"""Of one empty file: file systems count them in sixteen bits."""
SETTLED_SECONDS = 3.0
"""So long before its start nothing may have changed where an index is to be kept."""
CODE = """
import os, sys
from pathlib import Path
from speed_suite.measurements import scan
os.environ["XDG_CACHE_HOME"] = sys.argv[3]
getattr(scan, sys.argv[1])(Path(sys.argv[2]))
"""


def measure(options: Options) -> Sequence[Row]:
    """Ten thousand cases and as many as are asked for."""
    rows: list[Row] = []
    for number in sorted({min(10_000, options.cases), options.cases}):
        with TemporaryDirectory(prefix="ecs-med-bench-") as name:
            root = Path(name) / "data"
            write_cases(root, number)
            time.sleep(SETTLED_SECONDS)
            for place in (root, root / "list.csv"):
                rows += _rows(f"{number:,} cases, {place.suffix or 'folder'}", place, number)
    return rows


def _rows(what: str, place: Path, number: int) -> Iterator[Row]:
    cache = place.with_name("cache") if place.is_dir() else place.parent.with_name("cache")
    texts = [called(HERE, CODE, f"print_{part}", place, cache) for part in ("figures", "again")]
    found = {name: value for text in texts for name, value in json.loads(text).items()}

    def row(part: str, name: str, unit: str = "s", limit: str = "") -> Row:
        cpu = found.get(f"{name}_cpu")
        note = "" if cpu is None else f"{cpu:.2f} s of the processor"
        asked = LIMITS[limit or name] if number >= MILLION else None
        return single(f"{what}: {part}", [found[name]], unit, note=note, limit=asked)

    yield row("index", "index")
    yield row("peak memory", "memory", "MB")
    yield row("split by patients", "split")
    yield row("split without patients", "alone", limit="split")
    yield row("index when started again", "again")
    yield row("peak memory then", "memory_again", "MB", limit="memory")


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
    """Open `root` in this process and divide it; JSON."""
    from ecs_med.splits import draw_split

    figures: dict[str, Any] = {}
    cases = _timed(figures, "index", lambda: _opened(root))
    # Not `getrusage`, which counts what the process that started this one held.
    figures["memory"] = megabytes("VmHWM")
    _timed(figures, "split", lambda: draw_split(cases, "10%", 0))
    alone = [replace(case, patient=None) for case in cases]
    _timed(figures, "alone", lambda: draw_split(alone, "10%", 0))
    print(json.dumps(figures))


def print_again(root: Path) -> None:
    """Open `root` in a process that starts after another one did; JSON."""
    figures: dict[str, Any] = {}
    _timed(figures, "again", lambda: _opened(root))
    print(json.dumps({**figures, "memory_again": megabytes("VmHWM")}))


def _opened(root: Path) -> tuple[Case, ...]:
    rule = "column" if root.suffix else r"regex:(patient\d+)"
    return open_data(root, ReadingSettings(patient=rule)).cases


def _timed(figures: dict[str, Any], name: str, work: Callable[[], Any]) -> Any:
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    figures[name] = time.perf_counter() - wall
    figures[f"{name}_cpu"] = time.process_time() - processor
    return result
