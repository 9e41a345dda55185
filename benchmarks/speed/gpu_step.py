"""An ECS step on a GPU: against the literal one, against the floor, its memory, and who waits.

    python benchmarks/speed/gpu_step.py --output gpu_step.json [--device cuda]

ResNet-50 segmenter, ResNet-34 corrector, 512 px, batch 14. Ours runs as training does on a GPU:
bf16 autocast where the GPU has it, channels last, fused optimisers, and a second time with
`compile`; the literal step in plain PyTorch and float32. To be kept to: four times the literal
steps per second, at least 0.4 of the floor, at most 14 GB. The floor is the step's floating-point
operations at the rate of a large product of matrices in the same precision. Synchronisations with
the host are counted in one step, by PyTorch's warnings about them. Other devices do for a trial of
the script.
"""

import argparse
import copy
import json
import sys
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ecs_med.config import TrainConfig
from ecs_med.devices import autocast_dtype, describe_device
from ecs_med.methods import Method, optimizer_settings
from ecs_med.networks.compiling import compile_networks
from ecs_med.types import Batch
from literal_ecs import LiteralEcs
from speed_suite.measurements.floor import count_flops
from speed_suite.steppers import (
    NUM_CLASSES,
    as_batch,
    build_method,
    first_networks,
    noise,
    plain_optimizer,
)
from speed_suite.timing import Spread, in_turns, ratio_of


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures, ready for JSON."""
    device = torch.device(options.device)
    config = TrainConfig(
        data=Path("unused"),
        method="ecs",
        network="deeplabv3plus",
        encoder=options.encoder,
        corrector_encoder=options.corrector_encoder,
        encoder_weights="none",
    )
    networks = {name: n.to(device).train() for name, n in first_networks(config).items()}
    images = noise(options.batch, options.size, device=device)
    literal = _literal(config, copy.deepcopy(networks))
    autocast = autocast_dtype(options.precision, device)
    ways = {"ours": build_method(config, copy.deepcopy(networks), autocast=autocast)}
    obstacle = "not asked for"
    if options.compile:
        compiled = build_method(config, networks, autocast=autocast)
        obstacle = compile_networks(compiled.networks.values(), device)
        ways |= {} if obstacle else {"compiled": compiled}
    batch = as_batch(images, 0)
    works = {name: _step(method, batch, device) for name, method in ways.items()}
    flops = count_flops(works["ours"])

    def plainly() -> None:
        literal.step(images.labeled, images.labels, images.weak)
        _wait(device)

    works["literal"] = plainly
    started = time.perf_counter()
    if "compiled" in works:
        works["compiled"]()
    compiling = time.perf_counter() - started
    memory = {name: _peak(step, device) for name, step in works.items()}
    works["product"] = _product(autocast, device, options.side)
    seconds = in_turns(works, repeats=options.repeats, warm_up=3, clock=time.perf_counter)
    floor = [flops / (2 * options.side**3 / taken) for taken in seconds["product"]]
    return {
        "speed_up": {n: ratio_of(seconds["literal"], seconds[n]).model_dump() for n in ways},
        "share_of_floor": {n: ratio_of(floor, seconds[n]).model_dump() for n in ways},
        "seconds": {name: Spread.of(taken).model_dump() for name, taken in seconds.items()},
        "seconds_to_compile": round(compiling, 1),
        "not_compiled": obstacle,
        "peak_gb": memory,
        "synchronisations": {
            name: _synchronisations(lambda m=method: m.step(batch), device)
            for name, method in ways.items()
        },
        "teraflop": round(flops / 1e12, 4),
        "precision": "bf16" if autocast is torch.bfloat16 else "fp32",
    }


def _step(method: Method, batch: Batch, device: torch.device) -> Callable[[], None]:
    method.train_mode()

    def step() -> None:
        method.step(batch)
        _wait(device)

    return step


def _literal(config: TrainConfig, networks: dict[str, nn.Module]) -> LiteralEcs:
    asked = optimizer_settings(config)
    segmenter, corrector = networks["segmenter"], networks["corrector"]
    return LiteralEcs(
        segmenter,
        corrector,
        NUM_CLASSES,
        plain_optimizer(segmenter, asked["segmenter"]),
        plain_optimizer(corrector, asked["corrector"]),
    )


def _product(autocast: torch.dtype | None, device: torch.device, side: int) -> Callable[[], None]:
    matrix = torch.randn(side, side, device=device, dtype=autocast or torch.float32)

    def product() -> None:
        torch.mm(matrix, matrix)
        _wait(device)

    return product


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _peak(step: Callable[[], None], device: torch.device) -> float | None:
    """Gigabytes that a step holds at most, both networks' weights among them."""
    if device.type != "cuda":
        return None
    step()
    torch.cuda.reset_peak_memory_stats(device)
    step()
    return round(torch.cuda.max_memory_allocated(device) / 1e9, 3)


def _synchronisations(step: Callable[[], object], device: torch.device) -> int | None:
    """How often a step makes the host wait for the GPU."""
    if device.type != "cuda":
        return None
    _wait(device)
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            step()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in caught)


def main(words: list[str] | None = None) -> None:
    """Parse, measure, write JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--encoder", default="resnet50")
    parser.add_argument("--corrector-encoder", default="resnet34")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--batch", type=int, default=14)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--side", type=int, default=8192, help="Of the matrices of the product.")
    options = parser.parse_args(words)
    found = measure(options)
    settings = {k: v for k, v in vars(options).items() if k != "output"}
    head = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": describe_device(torch.device(options.device)),
        "torch": torch.__version__,
        "settings": settings,
    }
    options.output.write_text(json.dumps({**head, **found}, indent=2) + "\n")
    sys.stdout.write(f"{options.output}\n")


if __name__ == "__main__":
    main()
