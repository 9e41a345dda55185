"""What a validation with a corrector costs, against a former version installed in a folder.

Trains a few iterations with a validation after each, in turns with both versions, and takes the
CPU seconds between the end of an iteration and the scores; the median over all of them counts.
The share "in between" is that of a validation on eight cases, the fewest that a run decides on.

    pip install --no-deps --target former <the former version>
    python benchmarks/speed/validation_time.py DATA --former former --output result.json
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ITERATIONS = 4
CASES_IN_BETWEEN = 8


class Stopwatch:
    """A listener of either version, which looks at the clock of the process alone."""

    def __init__(self) -> None:
        self.started_at = 0.0
        self.seconds: list[float] = []

    def trained(self, _: object) -> None:
        """An iteration is done, a validation begins."""
        self.started_at = time.process_time()

    def validated(self, _: object) -> None:
        """A validation is done."""
        self.seconds.append(time.process_time() - self.started_at)

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def measure(settings: dict[str, Any]) -> list[float]:
    """CPU seconds of each validation of a run with the version that this process finds."""
    from ecs_med.training.train import train

    stopwatch = Stopwatch()
    train(settings, stopwatch)  # type: ignore[arg-type]
    return stopwatch.seconds


def measure_apart(settings: dict[str, Any], former: Path | None) -> list[float]:
    """The same in a process of its own, with the former version or this one."""
    own_path = os.environ.get("PYTHONPATH", "")
    path = own_path if former is None else str(former)
    command = [sys.executable, __file__, "--settings", json.dumps(settings)]
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    seconds: list[float] = json.loads(done.stdout.splitlines()[-1])
    return seconds


def compare(data: Path, former: Path, crop: int, rounds: int) -> dict[str, Any]:
    """Validations of both versions on one data set, in turns."""
    found: dict[str, list[float]] = {"former": [], "now": [], "in_between": []}
    with tempfile.TemporaryDirectory() as folder:
        for index in range(rounds):
            for name, seconds in found.items():
                settings: dict[str, Any] = {
                    "data": str(data),
                    "labeled": "10%",
                    "batch": 2,
                    "crop": crop,
                    "iterations": ITERATIONS,
                    "evaluate_every": 1,
                    "run": f"{folder}/{name}-{index}",
                    "cache": f"{folder}/cache-{name}",
                }
                if name == "in_between":
                    settings["validation_cases"] = CASES_IN_BETWEEN
                seconds += measure_apart(settings, former if name == "former" else None)
    medians = {name: statistics.median(seconds) for name, seconds in found.items()}
    return {
        "data": data.name,
        "crop": crop,
        "num_validations": rounds * ITERATIONS,
        "cpu_seconds": {name: round(value, 2) for name, value in medians.items()},
        "share_of_former": round(medians["now"] / medians["former"], 3),
        "share_in_between": round(medians["in_between"] / medians["former"], 3),
    }


def main() -> None:
    """Compare, or measure one run for a comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="*")
    parser.add_argument("--former", type=Path, help="folder in which a former version is installed")
    parser.add_argument("--crop", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--settings", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.settings:
        print(json.dumps(measure(json.loads(arguments.settings))))
        return
    result = {
        "title": "CPU seconds of a validation with a corrector, median",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {"processor": platform.processor() or platform.machine(), "threads": 1},
        "comparisons": [
            compare(data, arguments.former, arguments.crop, arguments.rounds)
            for data in arguments.data
        ],
    }
    text = json.dumps(result, indent=2) + "\n"
    print(text)
    if arguments.output:
        arguments.output.write_text(text)


if __name__ == "__main__":
    main()
