"""All measurements of speed in one file and one page: `make bench`.

    python benchmarks/speed/bench.py [--only step,startup] [--output build/speed] [--anew]

What is in the output folder already, measured with the same options, is kept unless `--anew`.
`--check` measures what a shared machine can tell, with wide margins, writes nothing, and exits 1
with a sentence where a ratio is missed: `make bench-check`.
"""

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ecs_med.errors import EcsMedError
from ecs_med.files import write_text
from speed_suite.guard import missed
from speed_suite.page import page
from speed_suite.registry import MEASUREMENTS, Measurement, Options, chosen
from speed_suite.results import Results, Section, described, load_average


def measured(measurement: Measurement, options: Options) -> Section:
    """One section."""
    load, started = load_average(), time.perf_counter()
    measure, _ = measurement.load()
    rows = measure(options)
    seconds = round(time.perf_counter() - started, 1)
    return Section(
        **described(measurement.settings(options), load), seconds=seconds, rows=tuple(rows)
    )


def fill(
    output: Path,
    wanted: Sequence[Measurement],
    options: Options,
    *,
    anew: bool,
    remark: str | None = None,
) -> None:
    """Measure what `output` lacks; file and page are written after each."""
    file = output / "speed.json"

    def there() -> Results:
        # Asked anew each time: another process may have measured something else meanwhile.
        return Results.read(file) if file.is_file() else Results()

    for measurement in wanted:
        former = there().sections.get(measurement.name)
        if former and former.settings == measurement.settings(options) and not anew:
            print(f"{measurement.name}: kept, measured on {former.date}", flush=True)
            continue
        print(f"{measurement.name}: {measurement.title} ...", flush=True)
        section = measured(measurement, options)
        results = there()
        write(output, results, {**results.sections, measurement.name: section}, remark)
    results = there()
    write(output, results, results.sections, remark)
    print(f"{output / 'speed.md'}")


def write(
    output: Path, results: Results, sections: Mapping[str, Section], remark: str | None
) -> None:
    """File and page; a remark of former calls stays where there is no new one."""
    told = results.remark if remark is None else remark
    whole = Results(remark=told, sections=dict(sections))
    output.mkdir(parents=True, exist_ok=True)
    whole.write(output / "speed.json")
    write_text(output / "speed.md", page(whole, MEASUREMENTS))


def parsed(words: Sequence[str] | None) -> argparse.Namespace:
    """The options."""
    defaults = Options()
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", help=f"Of {', '.join(MEASUREMENTS)}.")
    parser.add_argument("--output", type=Path, default=Path("build/speed"))
    parser.add_argument("--check", action="store_true", help="Hold the guarded ratios; no file.")
    parser.add_argument("--remark", help="A sentence for the head of the page.")
    parser.add_argument("--anew", action="store_true", help="Measure again what is there.")
    for name, kind in (("size", int), ("batch", int), ("repeats", int), ("cases", int)):
        parser.add_argument(f"--{name}", type=kind, default=getattr(defaults, name))
    parser.add_argument("--methods", default="", help="Of the training steps; all otherwise.")
    parser.add_argument("--seconds", type=float, default=defaults.seconds)
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    """Measure; the exit code."""
    asked = parsed(words)
    import torch

    torch.set_num_threads(1)
    if asked.check:
        sentences = missed(tell=lambda line: print(line, flush=True))
        for sentence in sentences:
            print(f"bench-check: {sentence}", file=sys.stderr)
        return 1 if sentences else 0
    options = Options(
        asked.size, asked.batch, asked.repeats, asked.seconds, asked.methods, asked.cases
    )
    try:
        fill(asked.output, chosen(asked.only), options, anew=asked.anew, remark=asked.remark)
    except EcsMedError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
