"""Reads thousands of wrong files, in processes of their own, and counts what became of them.

    python benchmarks/fuzz.py --files 2000 --output benchmarks/results/fuzz.json

    python benchmarks/fuzz.py --files 300 --kinds NIfTI,NRRD,MHA,MHD --alone --output volumes.json

Every file is read within a limit of ten seconds; memory is the rise of a process's peak above
what it was after importing, for which one whole file of each kind is read. The same seed makes the
same files. `--alone` gives each file a process of its own, forked from one that has imported all.
"""

import argparse
import json
import multiprocessing
import platform
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

LIMIT_SECONDS = 10
BATCH = 50


class _OutOfTime(BaseException):
    """Not an `Exception`, so that nothing on the way takes it for a damaged file."""


def main() -> None:
    """Read the files and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kinds", type=_words, default=(), help="how names of kinds begin")
    parser.add_argument("--alone", action="store_true", help="each file in a process of its own")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        from fuzz_samples import write_samples

        samples = Path(folder) / "samples"
        write_samples(samples)
        if arguments.alone:
            _warm_up(samples, arguments.kinds)
        started = time.perf_counter()
        batch = 1 if arguments.alone else BATCH
        for start in range(0, arguments.files, batch):
            numbers = range(start, min(start + batch, arguments.files))
            rows += _batch(numbers, arguments, samples)
            sys.stderr.write(f"{len(rows)} files\n")
        seconds = time.perf_counter() - started
        largest = max(path.stat().st_size for path in samples.rglob("*") if path.is_file())
    content = {"files": arguments.files, "seed": arguments.seed, "seconds": round(seconds, 1)}
    content |= {"largest_sample_bytes": largest, **_figures(rows), **_host()}
    arguments.output.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split(","))


def _batch(numbers: range, arguments: argparse.Namespace, samples: Path) -> list[dict[str, Any]]:
    """Some of the files, in a new process; one that a file ends, or blocks in C, is counted."""
    rows: list[dict[str, Any]] = []
    context = multiprocessing.get_context("fork" if arguments.alone else "spawn")
    while len(rows) < len(numbers):
        receiver, sender = context.Pipe(duplex=False)
        left = numbers[len(rows) :]
        process = context.Process(target=_work, args=(left, arguments, samples, sender))
        process.start()
        sender.close()
        rows += _received(receiver, left)
        process.kill()
        process.join()
    return rows


def _received(receiver: Any, numbers: range) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    kind = ""
    try:
        receiver.recv()  # imported
        for _ in numbers:
            kind = receiver.recv()
            if not receiver.poll(2 * LIMIT_SECONDS):
                rows.append({"kind": kind, "outcome": "hang", "said": "not to be interrupted"})
                break
            rows.append(receiver.recv())
    except EOFError:
        rows.append({"kind": kind, "outcome": "crash", "said": "the process ended"})
    return rows


def _work(numbers: range, arguments: argparse.Namespace, samples: Path, sender: Any) -> None:
    from fuzz_mutations import attempts, try_one
    from fuzz_samples import KINDS

    kinds = [kind for kind in KINDS if kind.name.startswith(arguments.kinds or "")]
    signal.signal(signal.SIGALRM, _ring)
    chosen = list(attempts(arguments.files, arguments.seed, kinds))
    scratch = Path(tempfile.mkdtemp(dir=samples.parent)) / "wrong"
    if not arguments.alone:
        _warm_up(samples, arguments.kinds)
    before = _peak_mb()
    sender.send(before)
    for number in numbers:
        attempt, started = chosen[number], time.perf_counter()
        sender.send(attempt.kind.name)
        row = {"kind": attempt.kind.name, "seed": attempt.seed}
        signal.alarm(LIMIT_SECONDS)
        try:
            result = try_one(attempt, samples, scratch)
            row |= {"outcome": result.outcome, "mutation": result.mutation}
            row |= {"said": result.said} if result.outcome == "bug" else {}
        except _OutOfTime:
            row |= {"outcome": "hang"}
            shutil.rmtree(scratch, ignore_errors=True)
        finally:
            signal.alarm(0)
        row["seconds"] = time.perf_counter() - started
        row["rise_mb"] = _peak_mb() - before
        sender.send(row)


def _warm_up(samples: Path, kinds: tuple[str, ...]) -> None:
    """Import what reading imports late: libraries are no part of a file's memory."""
    from fuzz_samples import KINDS

    for kind in KINDS:
        wanted = kind.name.startswith(kinds or "")
        if wanted and kind.form not in ("tar", "tar.gz", "bytes"):
            kind.read(_copied(samples / kind.folder, samples.parent / f"warm-{time.time_ns()}"))


def _copied(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target))


def _ring(*_: object) -> None:
    raise _OutOfTime


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _figures(rows: list[dict[str, Any]]) -> dict[str, Any]:
    outcomes = ("works", "refused", "bug", "hang", "crash")
    by_kind: dict[str, Counter[str]] = {}
    for row in rows:
        by_kind.setdefault(row["kind"], Counter())[row["outcome"]] += 1
    slowest = max(rows, key=lambda row: row.get("seconds", 0))
    largest = max(rows, key=lambda row: row.get("rise_mb", 0))
    totals = Counter(row["outcome"] for row in rows)
    return {
        "outcomes": {name: totals[name] for name in outcomes},
        "slowest_seconds": round(slowest["seconds"], 2),
        "slowest_kind": slowest["kind"],
        "largest_rise_mb_above_import": round(largest["rise_mb"]),
        "largest_rise_kind": largest["kind"],
        "by_kind": {name: dict(found) for name, found in sorted(by_kind.items())},
        "wrong": [row for row in rows if row["outcome"] not in ("works", "refused")],
    }


def _host() -> dict[str, str]:
    return {"python": platform.python_version(), "machine": platform.machine()}


if __name__ == "__main__":
    main()
