"""Time forward and backward of a segmenter with and without quick dilated depthwise convolutions.

    python benchmarks/speed/depthwise.py [--encoder tf_efficientnet_lite0] [--sizes 96 128 352]

Both networks have the same weights and images and take turns in one process, one thread, on the
CPU; medians of the processor's time are compared, and logits and gradients held to each other.
"""

import argparse
import copy
import json
import statistics
import time

import torch
from torch import nn

from ecs_med.networks import Initialization, build_segmenter
from ecs_med.networks.depthwise import WideDepthwiseConv2d
from ecs_med.networks.quick import quicken
from ecs_med_benchmarks.machine import machine_in_words


def pair(encoder: str) -> list[nn.Module]:
    """The segmenter as its library builds it, and the quick one; without dropout."""
    torch.manual_seed(0)
    first = Initialization(encoder, "none")
    plain = build_segmenter(first, in_channels=3, num_classes=2)
    for module in plain.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    networks = [plain, quicken(copy.deepcopy(plain))]
    return [network.to(memory_format=torch.channels_last).train() for network in networks]


def step(network: nn.Module, images: torch.Tensor) -> tuple[float, torch.Tensor]:
    """Seconds of forward and backward, and all that came of them in one vector."""
    network.zero_grad(set_to_none=True)
    started = time.process_time()
    logits = network(images)
    logits.square().mean().backward()
    seconds = time.process_time() - started
    gradients = [p.grad.flatten() for p in network.parameters() if p.grad is not None]
    return seconds, torch.cat([logits.detach().flatten(), *gradients])


def compare(networks: list[nn.Module], size: int, batch: int, repeats: int) -> dict[str, object]:
    """One line of the results."""
    images = torch.randn(batch, 3, size, size).contiguous(memory_format=torch.channels_last)
    (_, plain), (_, quick) = (step(network, images) for network in networks)
    taken = [[step(network, images)[0] for network in networks] for _ in range(repeats)]
    seconds = [statistics.median(own) for own in zip(*taken, strict=True)]
    return {
        "size": size,
        "plain_seconds": round(seconds[0], 4),
        "quick_seconds": round(seconds[1], 4),
        "ratio": round(seconds[1] / seconds[0], 3),
        "largest_difference": float((plain - quick).abs().max() / plain.abs().max()),
    }


def main() -> None:
    """Print the results as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", default="tf_efficientnet_lite0")
    parser.add_argument("--sizes", type=int, nargs="+", default=[96, 128, 352])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=9)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    networks = pair(asked.encoder)
    layers = sum(isinstance(module, WideDepthwiseConv2d) for module in networks[1].modules())
    found = {
        "encoder": asked.encoder,
        "batch": asked.batch,
        "layers": layers,
        "machine": machine_in_words(),
        "torch": torch.__version__,
        "threads": 1,
        "rows": [compare(networks, size, asked.batch, asked.repeats) for size in asked.sizes],
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
