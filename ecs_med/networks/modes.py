"""What holds for a network for a while: evaluation mode, frozen weights, activations not kept."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from ecs_med.devices import memory_format

__all__ = ["evaluating", "forward_without_keeping", "frozen", "in_layout", "is_plain"]


def in_layout(network: nn.Module) -> nn.Module:
    """`network` with weights in the memory format in which it runs, see `devices.memory_format`."""
    if all(weight.ndim < 5 for weight in network.parameters()):
        return network.to(memory_format=torch.channels_last)
    # `Module.to` refuses a format of volumes where a weight is one of slices.
    for weight in network.parameters():
        if weight.ndim in (4, 5):
            weight.data = weight.data.contiguous(memory_format=memory_format(weight))
    return network


def is_plain(images: torch.Tensor) -> bool:
    """Whether the images are computed on a CPU in float32, step by step."""
    return (
        images.device.type == "cpu"
        and images.dtype == torch.float32
        and not torch.is_autocast_enabled("cpu")
        and not torch.jit.is_tracing()  # type: ignore[attr-defined]
        and not torch.compiler.is_compiling()
    )


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """Evaluation mode inside, the former mode after."""
    if not network.training:  # Walking through some hundred modules takes milliseconds.
        yield
        return
    network.eval()
    try:
        yield
    finally:
        network.train()


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Gradients pass through `network`, but none are computed for its weights."""
    trained = [p for p in network.parameters() if p.requires_grad]
    network.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def forward_without_keeping(network: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """Logits of `network`, whose activations are computed again when gradients are asked for.

    Values and gradients are those of a plain forward pass to the last bit: dropout draws the same
    again, and running statistics are updated once. The weights must not change before the
    backward pass.

    Args:
        network: In training mode.
        inputs: `(B, C, *spatial)`.

    Returns:
        Logits `(B, N, *spatial)`.
    """

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _unchanged_buffers(network)

    logits: torch.Tensor = checkpoint(network, inputs, use_reentrant=False, context_fn=contexts)
    return logits


@contextmanager
def _unchanged_buffers(network: nn.Module) -> Iterator[None]:
    former = [(buffer, buffer.clone()) for buffer in network.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in former:
                # By way of `data`: autograd has seen the buffer and counts its changes.
                buffer.data.copy_(value)
