"""Computing activations again in the backward pass instead of keeping them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

__all__ = ["forward_without_keeping"]


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
