"""What a strong view costs, beside a supervised step on as many images.

    python benchmarks/speed/strong_views.py [--batch 8] [--repeats 7] [--output result.json]

CPU seconds of this process with one thread, the least of all repeats; of a view, the mean of
eight. The step is one of the default network with `tf_efficientnet_lite0` on labelled images
alone: forward, loss and backward.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ecs_med.config import StrongSettings
from ecs_med.losses import cross_entropy
from ecs_med.networks import Initialization, build_segmenter
from ecs_med.views import StrongViews

SIDES = (96, 256)
NUM_VIEWS = 8
"""Of a batch at a time: how many images are blurred is drawn."""
KINDS = {"default": StrongSettings(), "with windows": StrongSettings(zoom=(0.5, 1.0))}


def least(work: Callable[[], object], repeats: int) -> float:
    """Least CPU seconds of one call, after one that does not count."""
    seconds = []
    for _ in range(repeats + 1):
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    return min(seconds[1:])


def measure(side: int, batch: int, repeats: int) -> dict[str, Any]:
    """Seconds of a step and of a view of each kind."""
    first = Initialization("tf_efficientnet_lite0", "none")
    network = build_segmenter(first, in_channels=3, num_classes=2).train()
    network.to(memory_format=torch.channels_last)
    images = torch.rand(batch, 3, side, side).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, 2, (batch, side, side))
    valid = torch.ones(batch, side, side, dtype=torch.bool)
    valid[:, : side // 8] = False

    step = least(lambda: cross_entropy(network(images), labels).backward(), repeats)
    row: dict[str, Any] = {"side": side, "batch": batch, "step_seconds": round(step, 4)}
    for name, settings in KINDS.items():
        make = StrongViews(settings, count=NUM_VIEWS)
        seconds = least(partial(make, images, valid, lambda values: values), repeats) / NUM_VIEWS
        row[name] = {"seconds": round(seconds, 4), "of_a_step": round(seconds / step, 4)}
    return row


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="CPU seconds of a strong view and of a step.")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    content = {
        "title": "CPU seconds of a strong view beside those of a supervised step",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {"processor": platform.processor() or platform.machine(), "threads": 1},
        "torch": torch.__version__,
        "rows": [measure(side, options.batch, options.repeats) for side in SIDES],
    }
    text = json.dumps(content, indent=2) + "\n"
    print(text, end="")
    if options.output:
        options.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
