"""Steps as training takes them, beside the same compiled by PyTorch and in half precision.

    python benchmarks/speed/step_variants.py [--methods supervised,ecs] [--size 128] [--batch 8]
        [--output FILE.json]

All in turn in one process and one thread, the processor's time; compiling is timed by the clock.
What is found says whether `torch.compile` and bfloat16 pay on this processor.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from ecs_med.files import write_text
from ecs_med.memory import kept_heap
from ecs_med.networks.compiling import compile_networks
from speed_suite.results import described, load_average
from speed_suite.steppers import noise, pair
from speed_suite.timing import Spread, in_turns, ratio_of

Step = Callable[[], Mapping[str, float]]


def variants(name: str, size: int, batch: int) -> tuple[dict[str, Step], float]:
    """Steps by name, and the seconds that compiling took."""
    images = noise(batch, size)
    usual, compiled, half = (pair(name, images) for _ in range(3))
    obstacle = compile_networks(compiled.method.networks.values(), torch.device("cpu"))
    if obstacle is not None:
        sys.exit(obstacle)
    started = time.perf_counter()
    compiled.ours()
    seconds = time.perf_counter() - started

    def in_half() -> Mapping[str, float]:
        with torch.autocast("cpu", torch.bfloat16):
            return half.ours()

    return {"usual": usual.ours, "compiled": compiled.ours, "bfloat16": in_half}, seconds


def measured(name: str, size: int, batch: int, repeats: int) -> dict[str, Any]:
    """Of one method: medians, and ratios to the usual step."""
    steps, seconds = variants(name, size, batch)
    with kept_heap():
        found = in_turns(steps, repeats=repeats, warm_up=2)
    usual = found["usual"]
    return {
        "method": name,
        "seconds": {way: round(Spread.of(values).median, 4) for way, values in found.items()},
        "ratio": {
            way: round(ratio_of(values, usual).median, 3)
            for way, values in found.items()
            if way != "usual"
        },
        "seconds_to_compile": round(seconds, 1),
    }


def main() -> None:
    """Measure, and print or write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", default="supervised,ecs")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    settings = {"size": asked.size, "batch": asked.batch, "repeats": asked.repeats}
    content = {
        **described(settings, load_average()),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "steps": [
            measured(name, asked.size, asked.batch, asked.repeats)
            for name in asked.methods.split(",")
        ],
    }
    text = json.dumps(content, indent=1) + "\n"
    if asked.output:
        write_text(asked.output, text)
    print(text)


if __name__ == "__main__":
    main()
