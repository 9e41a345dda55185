"""Time one ECS step on volumes against a literal one, and compare their losses.

    python benchmarks/speed/ecs_step_3d.py [--network unet3d] [--size 48] [--batch 2] [--repeats 7]

Both have the same networks, weights and batch and run in one process, in turn; the medians are
compared, and the ratio of each turn; in seconds of the processor, which other programs do not slow
down as they do the clock.

Where time is saved, the losses being the same: S(x) of the corrector step is used again by the
supervised step, no gradients of C's weights are computed where C stays, optimisers are fused,
volumes are in channels-last memory format, but with `--plain`, and largest classes are not looked
for by `argmax`. Batches hold two, as those of training at least: in one thread, PyTorch has a slow
convolution for a single volume. Slices are measured by `bench.py --only step`.
"""

import argparse
import copy
import json
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime

import torch
from torch import nn

from ecs_med.methods import Ecs, EcsSettings
from ecs_med.networks import Initialization, build_segmenter
from ecs_med.networks.correctors import CorrectorPlan, corrector_kind
from ecs_med.types import Batch
from literal_ecs import LiteralEcs

NUM_CLASSES = 3
OPTIMIZERS = Ecs.default_optimizers(15_000)


def networks(name: str) -> dict[str, nn.Module]:
    """Segmenter and corrector with their first weights, for volumes of one channel."""
    torch.manual_seed(0)
    first = Initialization(name, "network")
    size = {"in_channels": 1, "num_classes": NUM_CLASSES}
    segmenter = build_segmenter(first, network=name, **size)
    plan = CorrectorPlan(segmenter, Initialization("none", "none"), network=name, **size)
    return {"segmenter": segmenter, "corrector": corrector_kind("network").build(plan)}


def literal(pair: dict[str, nn.Module]) -> LiteralEcs:
    """The literal step with the same optimisers' settings."""
    s, c = OPTIMIZERS["segmenter"], OPTIMIZERS["corrector"]
    segmenter, corrector = pair["segmenter"].parameters(), pair["corrector"].parameters()
    return LiteralEcs(
        pair["segmenter"],
        pair["corrector"],
        NUM_CLASSES,
        torch.optim.SGD(segmenter, s.lr, momentum=s.momentum, weight_decay=s.weight_decay),
        torch.optim.Adam(corrector, c.lr, c.betas, weight_decay=c.weight_decay),
    )


def random_batch(size: int, side: int) -> Batch:
    """Labelled and unlabelled volumes as the loader gives them."""
    torch.manual_seed(1)
    shape = (size, 1, side, side, side)
    labels = torch.randint(0, NUM_CLASSES, (size, side, side, side))
    valid = torch.ones(labels.shape, dtype=torch.bool)
    return Batch(torch.randn(shape), labels, torch.randn(shape), valid)


def timed(step: Callable[[], object]) -> float:
    """Seconds of the processor that one call takes."""
    started = time.process_time()
    step()
    return time.process_time() - started


def measure(options: argparse.Namespace) -> dict[str, object]:
    """Losses of the first step, then times."""
    pair = networks(options.network)
    batch = random_batch(options.batch, options.size)
    assert batch.unlabeled_images is not None
    slow = literal(copy.deepcopy(pair))
    fast = Ecs(pair, EcsSettings(), OPTIMIZERS, num_classes=NUM_CLASSES)
    plain = (batch.images, batch.labels, batch.unlabeled_images)
    if not options.plain:
        for network in pair.values():
            network.to(memory_format=torch.channels_last_3d)
        last = (t.contiguous(memory_format=torch.channels_last_3d) for t in plain[::2])
        batch = Batch(next(last), batch.labels, next(last), batch.unlabeled_valid)
    expected = slow.step(*plain)
    found = {name: loss.item() for name, loss in fast.step(batch).losses.items()}
    seconds: dict[str, list[float]] = {"literal": [], "ecs_med": []}
    for _ in range(options.repeats):
        seconds["literal"].append(timed(lambda: slow.step(*plain)))
        seconds["ecs_med"].append(timed(lambda: fast.step(batch)))
    ratios = [b / a for a, b in zip(seconds["literal"], seconds["ecs_med"], strict=True)]
    return {
        "ratio_median": round(statistics.median(ratios), 4),
        "ratio_min": round(min(ratios), 4),
        "ratio_max": round(max(ratios), 4),
        "literal_seconds_median": round(statistics.median(seconds["literal"]), 3),
        "ecs_med_seconds_median": round(statistics.median(seconds["ecs_med"]), 3),
        "largest_loss_difference": max(abs(found[name] - expected[name]) for name in expected),
        "losses": found,
        "network": options.network,
        "size": options.size,
        "batch": options.batch,
        "channels_last": not options.plain,
        "repeats": options.repeats,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "machine": platform.processor() or platform.machine(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def main() -> None:
    """Parse, measure, print JSON."""
    parser = argparse.ArgumentParser(description="One ECS step on volumes against a literal one.")
    parser.add_argument("--network", default="unet3d")
    parser.add_argument("--size", type=int, default=48)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--plain", action="store_true")
    print(json.dumps(measure(parser.parse_args()), indent=2))


if __name__ == "__main__":
    main()
