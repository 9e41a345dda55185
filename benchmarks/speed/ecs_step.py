"""Time one ECS step against a literal one, and compare their losses.

    python benchmarks/speed/ecs_step.py [--device cuda] [--size 128] [--batch 8] [--repeats 15]

Both have the same networks, weights, batch and precision and run in one process, in turn;
the medians are compared. Losses are compared in the first step with dropout off, because
a literal step draws it anew for every forward pass.

Where the time is saved, the losses being the same:
- S(x) of the corrector step is used again by the supervised step (S did not change),
- no gradients of C's weights are computed in the supervised step, where C stays,
- networks and images are in channels-last memory format, and the optimisers are fused.
Batch normalization sees each batch once per forward pass: S (x, x_u) instead of (x, x, x_u).
"""

import argparse
import copy
import json
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import torch
from torch import nn

from ecs_med.config import TrainConfig
from ecs_med.methods import Ecs, EcsSettings, optimizer_settings
from ecs_med.networks import build_corrector, build_segmenter, choose_initialization
from ecs_med.types import Batch
from literal_ecs import LiteralEcs

NUM_CLASSES = 2


def networks(
    config: TrainConfig,
    device: torch.device,
    *,
    num_classes: int = NUM_CLASSES,
    dropout: bool = True,
) -> list[nn.Module]:
    """Segmenter and corrector with the run's own initialization."""
    torch.manual_seed(0)
    first, second = choose_initialization(config)
    built = [
        build_segmenter(first, in_channels=3, num_classes=num_classes),
        build_corrector(second, in_channels=3, num_classes=num_classes),
    ]
    for network in built:
        for module in network.modules():
            if isinstance(module, nn.Dropout) and not dropout:
                module.p = 0.0
        network.to(device).train()
    return built


def literal(config: TrainConfig, pair: list[nn.Module]) -> LiteralEcs:
    """The literal step with the same optimisers' settings."""
    chosen = optimizer_settings(config)
    s, c = chosen["segmenter"], chosen["corrector"]
    return LiteralEcs(
        pair[0],
        pair[1],
        NUM_CLASSES,
        torch.optim.SGD(
            pair[0].parameters(), s.lr, momentum=s.momentum, weight_decay=s.weight_decay
        ),
        torch.optim.Adam(pair[1].parameters(), c.lr, c.betas, weight_decay=c.weight_decay),
    )


def ours(
    config: TrainConfig,
    pair: list[nn.Module],
    *,
    num_classes: int = NUM_CLASSES,
    autocast: torch.dtype | None = None,
) -> Ecs:
    """The method as training runs it."""
    for network in pair:
        network.to(memory_format=torch.channels_last)
    networks = dict(zip(("segmenter", "corrector"), pair, strict=True))
    optimizers = optimizer_settings(config)
    return Ecs(networks, EcsSettings(), optimizers, num_classes=num_classes, autocast=autocast)


def random_batch(
    size: int, side: int, device: torch.device, num_classes: int = NUM_CLASSES
) -> Batch:
    """Labelled and unlabelled images as the loader gives them."""
    torch.manual_seed(1)
    shape = (size, 3, side, side)
    images, unlabeled = torch.randn(shape, device=device), torch.randn(shape, device=device)
    last = torch.channels_last
    return Batch(
        images.contiguous(memory_format=last),
        torch.randint(0, num_classes, (size, side, side), device=device),
        unlabeled.contiguous(memory_format=last),
        torch.ones(size, side, side, dtype=torch.bool, device=device),
    )


def timed(step: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call."""
    started = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def compare_losses(
    config: TrainConfig, device: torch.device, batch: Batch
) -> tuple[dict[str, float], dict[str, float], float]:
    """Losses of the first step, ours and literal, and how far they are apart at most.

    Both are in channels-last layout here: Adam's first step moves every weight by the learning
    rate whatever the size of its gradient, so that rounding alone, which depends on the layout,
    moves the later losses by some 1e-5.
    """
    pair = networks(config, device, dropout=False)
    twin = copy.deepcopy(pair)
    for network in twin:
        network.to(memory_format=torch.channels_last)
    assert batch.unlabeled_images is not None
    expected = literal(config, twin).step(batch.images, batch.labels, batch.unlabeled_images)
    found = {k: v.item() for k, v in ours(config, pair).step(batch).losses.items()}
    return found, expected, max(abs(found[name] - expected[name]) for name in expected)


def measure(options: argparse.Namespace) -> dict[str, object]:
    """Losses of the first step without dropout, then times with dropout."""
    config = TrainConfig(data=Path("unused"), encoder_weights=options.encoder_weights)
    device = torch.device(options.device)
    batch = random_batch(options.batch, options.size, device)
    assert batch.unlabeled_images is not None
    # The literal step reads the usual memory format.
    tensors = (batch.images, batch.labels, batch.unlabeled_images)
    plain = [tensor.contiguous() for tensor in tensors]
    found, expected, difference = compare_losses(config, device, batch)
    pair = networks(config, device)
    slow, fast = literal(config, copy.deepcopy(pair)), ours(config, pair)
    seconds: dict[str, list[float]] = {"literal": [], "ecs_med": []}
    for repeat in range(options.repeats + 2):
        literal_seconds = timed(lambda: slow.step(*plain), device)
        our_seconds = timed(lambda: fast.step(batch), device)
        if repeat >= 2:
            seconds["literal"].append(literal_seconds)
            seconds["ecs_med"].append(our_seconds)
    ratios = [b / a for a, b in zip(seconds["literal"], seconds["ecs_med"], strict=True)]
    return {
        "ratio_median": round(statistics.median(ratios), 4),
        "ratio_min": round(min(ratios), 4),
        "ratio_max": round(max(ratios), 4),
        "literal_seconds_median": round(statistics.median(seconds["literal"]), 4),
        "ecs_med_seconds_median": round(statistics.median(seconds["ecs_med"]), 4),
        "largest_loss_difference": difference,
        "losses": found,
        "literal_losses": expected,
        "encoder": str(pair[0].name),
        "size": options.size,
        "batch": options.batch,
        "repeats": options.repeats,
        "device": str(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": platform.processor() or platform.machine(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def main() -> None:
    """Parse, measure, print JSON."""
    parser = argparse.ArgumentParser(description="One ECS step against a literal one.")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--encoder-weights", default="auto")
    print(json.dumps(measure(parser.parse_args()), indent=2))


if __name__ == "__main__":
    main()
