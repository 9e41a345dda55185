"""A training step in one process and divided between several: efficiency, and what is sent.

    python benchmarks/speed/data_parallel.py --output data_parallel.json [--processes 2]

The same batch of noise, whole in one process, then in equal parts under `torchrun` (gloo, one
thread a process; each wants a core of its own). Efficiency is the seconds of the one step, by
the clock, over those of the divided one times the processes. Every collective is counted with its
bytes; they do not depend on how many processes take part, so that counts of a large network tell
what many GPUs would send: see docs/speed.md.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import torch.distributed

from ecs_med.config import TrainConfig
from ecs_med.distributed import is_main_process, process_group, rank, wait_for_all, world_size
from ecs_med.memory import kept_heap
from ecs_med.methods import method_class, method_settings, optimizer_settings
from ecs_med.networks.modes import in_layout
from ecs_med.networks.parallel import make_parallel
from ecs_med.networks.quick import quicken
from ecs_med.types import Batch
from ecs_med_benchmarks.machine import machine_in_words
from speed_suite.steppers import NUM_CLASSES, first_networks

PASSED_ON = ("method", "encoder", "size", "batch", "steps")


@dataclass
class Sent:
    """Collectives of some steps, and the bytes of the tensors that were given to them."""

    calls: int = 0
    num_bytes: int = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count what goes through `all_reduce` and `all_gather` inside, forward and backward."""
        former = torch.distributed.all_reduce, torch.distributed.all_gather

        def counted(collective: Any, place: int) -> Any:
            def call(*args: Any, **options: Any) -> Any:
                self.calls += 1
                self.num_bytes += args[place].nbytes
                return collective(*args, **options)

            return call

        torch.distributed.all_reduce = counted(former[0], 0)
        torch.distributed.all_gather = counted(former[1], 1)
        try:
            yield
        finally:
            torch.distributed.all_reduce, torch.distributed.all_gather = former


def work(options: argparse.Namespace) -> None:
    """Steps in this process of the group; the main one writes what they took."""
    torch.set_num_threads(1)
    with process_group("cpu"):
        config = TrainConfig(
            data=Path("unused"),
            method=options.method,
            network="deeplabv3plus",
            encoder=options.encoder,
            encoder_weights="none",
        )
        networks = first_networks(config)
        for network in networks.values():
            in_layout(make_parallel(quicken(network)))
        method = method_class(config.method)(
            networks, method_settings(config), optimizer_settings(config), num_classes=NUM_CLASSES
        )
        method.train_mode()
        batch, seconds, sent = _part(options.batch, options.size), [], Sent()
        method.step(batch)
        with sent.counting(), kept_heap():
            for _ in range(options.steps):
                wait_for_all()
                started = time.perf_counter()
                method.step(batch)
                seconds.append(time.perf_counter() - started)
        if is_main_process():
            found = {
                "seconds": seconds,
                "collectives": sent.calls / options.steps,
                "bytes": sent.num_bytes / options.steps,
                "parameters": sum(p.numel() for n in networks.values() for p in n.parameters()),
            }
            options.output.write_text(json.dumps(found))


def _part(size: int, side: int) -> Batch:
    """What this process sees of a batch of noise."""
    generator = torch.Generator().manual_seed(1)
    images, unlabeled = torch.randn((2, size, 3, side, side), generator=generator)
    labels = torch.randint(0, NUM_CLASSES, (size, side, side), generator=generator)
    own = slice(rank() * size // world_size(), (rank() + 1) * size // world_size())
    last = torch.channels_last
    return Batch(
        images[own].contiguous(memory_format=last),
        labels[own],
        unlabeled[own].contiguous(memory_format=last),
        torch.ones_like(labels[own], dtype=torch.bool),
    )


def measured(options: argparse.Namespace, processes: int) -> dict[str, Any]:
    """What the steps of so many processes took."""
    answer = options.output.with_suffix(f".{processes}")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    words = [f"--{name}={getattr(options, name)}" for name in PASSED_ON]
    command = [*launch, f"--nproc-per-node={processes}", __file__, "--worker"]
    subprocess.run(
        [*command, f"--output={answer}", *words],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=True,
    )
    found: dict[str, Any] = json.loads(answer.read_text())
    answer.unlink()
    return found


def main(words: list[str] | None = None) -> None:
    """Measure, write JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--method", default="ecs")
    parser.add_argument("--encoder", default="tf_efficientnet_lite0")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=7)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(words)
    if options.worker:
        work(options)
        return
    alone, divided = measured(options, 1), measured(options, options.processes)
    one, several = (statistics.median(found["seconds"]) for found in (alone, divided))
    result = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine_in_words(),
        "torch": torch.__version__,
        "settings": {n: getattr(options, n) for n in (*PASSED_ON, "processes")},
        "efficiency": one / (options.processes * several),
        "alone": alone,
        "divided": divided,
    }
    options.output.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(f"{options.output}\n")


if __name__ == "__main__":
    main()
