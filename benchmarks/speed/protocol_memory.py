"""Peak GPU memory of ECS by the paper's protocols, on random images of their size.

    python benchmarks/speed/protocol_memory.py [--device cuda] [--steps 5] [-o FILE.json]

VOC: crop 512, batch 14 + 14; Cityscapes: crop 768, batch 6 + 6; ResNet-50 and ResNet-34, bf16 where
the device has it. The paper reports 24 and 22 GB in float32. Random weights: memory does not depend
on their values. On a CPU only --side (a smaller crop) is of use, to see that the script runs.
"""

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from ecs_med.config import TrainConfig
from ecs_med.devices import autocast_dtype, choose_device, describe_device
from ecs_med_benchmarks.protocol import Protocol
from ecs_med_benchmarks.protocols import CITYSCAPES, VOC
from speed_suite.steppers import as_batch, build_method, first_networks, noise

NUM_CLASSES = {"voc": 21, "cityscapes": 19}
PUBLISHED_GB = {"voc": 24, "cityscapes": 22}


def timed(step: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def measure(
    protocol: Protocol, device: torch.device, precision: str, steps: int, side: int
) -> dict[str, Any]:
    """Peak memory and seconds of a step after the first."""
    settings = {**protocol.train_settings(), "data": ".", "encoder_weights": "none"}
    config, num_classes = TrainConfig.parse(settings), NUM_CLASSES[protocol.name]
    networks = first_networks(config, num_classes=num_classes)
    for network in networks.values():
        network.to(device)
    dtype = autocast_dtype(precision, device)
    method = build_method(config, networks, num_classes=num_classes, autocast=dtype)
    method.train_mode()
    batch = as_batch(noise(protocol.batch, side, num_classes, device), 0)
    losses = method.step(batch).losses
    seconds = [timed(lambda: method.step(batch), device) for _ in range(steps)]
    result: dict[str, Any] = {
        "protocol": protocol.name,
        "crop": side,
        "batch": protocol.batch,
        "precision": precision,
        "seconds_per_step": round(statistics.mean(seconds), 4),
        "finite": all(bool(torch.isfinite(loss)) for loss in losses.values()),
        "published_gb": PUBLISHED_GB[protocol.name],
    }
    if device.type == "cuda":
        result["peak_allocated_gb"] = round(torch.cuda.max_memory_allocated(device) / 2**30, 2)
        result["peak_reserved_gb"] = round(torch.cuda.max_memory_reserved(device) / 2**30, 2)
    return result


def main() -> None:
    """Measure both protocols and print or write JSON."""
    parser = argparse.ArgumentParser(description="Peak memory of ECS by the paper's protocols.")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="bf16", choices=("bf16", "fp32"))
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--side", type=int, help="Smaller crop, for a trial.")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    device = choose_device(options.device)
    results = []
    for protocol in (VOC, CITYSCAPES):
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
        side = options.side or protocol.crop
        results.append(measure(protocol, device, options.precision, options.steps, side))
    content = {
        "device": describe_device(device),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "date": datetime.now(UTC).date().isoformat(),
        "results": results,
    }
    text = json.dumps(content, indent=2)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
