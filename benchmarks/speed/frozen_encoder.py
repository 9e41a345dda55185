"""What a step costs with a frozen encoder: CPU seconds, in turns with and without.

    OMP_NUM_THREADS=1 python benchmarks/speed/frozen_encoder.py --output frozen_encoder.json

Weights are random: they change no time.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import nn

from ecs_med.methods import Method, method_class
from ecs_med.networks import Initialization, build_corrector, build_segmenter
from ecs_med.networks.encoders import is_plain_vit
from ecs_med.networks.teacher import MeanTeacher
from ecs_med.types import Batch

NUM_CLASSES = 2
CORRECTOR = "tf_efficientnet_lite0"
METHODS = ("supervised", "fixmatch", "ecs")
ENCODERS = ("tf_efficientnet_lite0", "tf_efficientnet_lite2", "vit_small_patch14_dinov2")


def built(name: str, encoder: str, *, frozen: bool) -> Method:
    """The method as training runs it, with the optimisers of a short run."""
    torch.manual_seed(0)
    size = {"in_channels": 3, "num_classes": NUM_CLASSES}
    network = "vit" if is_plain_vit(encoder) else "deeplabv3plus"
    weights = Initialization(encoder, "none", frozen=frozen)
    networks: dict[str, nn.Module] = {
        "segmenter": build_segmenter(weights, **size, network=network)
    }
    if name == "ecs":
        networks["corrector"] = build_corrector(Initialization(CORRECTOR, "none"), **size)
    if name == "fixmatch":
        networks["teacher"] = MeanTeacher(networks["segmenter"], 0.99)
    for one in networks.values():
        one.to(memory_format=torch.channels_last)
    cls = method_class(name)
    optimizers = cls.default_optimizers(1000)
    return cls(networks, cls.settings_class(), optimizers, num_classes=NUM_CLASSES)


def random_batch(size: int, side: int) -> Batch:
    """Labelled and unlabelled images as the loader gives them."""
    images, unlabeled = (
        torch.randn(size, 3, side, side).contiguous(memory_format=torch.channels_last)
        for _ in range(2)
    )
    labels = torch.randint(0, NUM_CLASSES, (size, side, side))
    return Batch(images, labels, unlabeled, torch.ones_like(labels, dtype=torch.bool))


def in_turns(methods: Mapping[str, Method], batch: Batch, repeats: int) -> dict[str, float]:
    """Median CPU seconds of a step of each; the first one is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for repeat in range(repeats + 1):
        for name, method in methods.items():
            started = time.process_time()
            method.train_mode()
            method.step(batch)
            if repeat:
                seconds[name].append(time.process_time() - started)
    return {name: round(statistics.median(values), 4) for name, values in seconds.items()}


def main() -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    batch, rows = random_batch(options.batch, options.side), []
    for encoder in ENCODERS:
        for name in METHODS:
            pair = {str(frozen): built(name, encoder, frozen=frozen) for frozen in (False, True)}
            found = in_turns(pair, batch, options.repeats)
            free, frozen = found["False"], found["True"]
            row = {"encoder": encoder, "method": name, "free": free, "frozen": frozen}
            rows.append(row | {"ratio": round(frozen / free, 3)})
            print(json.dumps(rows[-1]), flush=True)
    result = {
        "title": "CPU seconds of a step with the segmenter's encoder free and frozen, medians",
        "side": options.side,
        "batch": options.batch,
        "repeats": options.repeats,
        "machine": platform.processor() or platform.machine(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "date": datetime.now(UTC).date().isoformat(),
        "rows": rows,
    }
    if options.output:
        options.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
