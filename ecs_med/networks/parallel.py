"""Batch normalization, dropout, noise and means over the batch of all processes."""

import torch
import torch.distributed
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from ecs_med.distributed import (
    global_memory,
    mean_over_processes,
    own_rows,
    sum_over_processes,
    world_size,
)

__all__ = ["GlobalBatchNorm", "GlobalDropout", "batch_mean", "make_parallel", "noise_like"]


class GlobalBatchNorm(nn.Module):
    """Batch normalization with the statistics of the global batch, on CPU and GPU alike.

    `torch.nn.SyncBatchNorm` has no CPU implementation. Names in the state dict are those of the
    layer it stands for, so checkpoints fit both.

    Args:
        layer: The batch normalization to take over, with its parameters and buffers; what timm's
            fused layers do after normalising (dropout, activation) is kept.
    """

    running_mean: torch.Tensor
    running_var: torch.Tensor
    num_batches_tracked: torch.Tensor

    def __init__(self, layer: _BatchNorm) -> None:
        super().__init__()
        self.weight = layer.weight
        self.bias = layer.bias
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(layer, name))
        self.eps = layer.eps
        self.momentum = layer.momentum
        self.drop = getattr(layer, "drop", None) or nn.Identity()
        self.act = getattr(layer, "act", None) or nn.Identity()
        self.training = layer.training

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise `(B, C, *spatial)` over batch and space of all processes."""
        if not self.training or world_size() == 1:
            y = F.batch_norm(
                x,
                self.running_mean,
                self.running_var,
                self.weight,
                self.bias,
                self.training,
                self.momentum or 0.0,
                self.eps,
            )
        else:
            y = self._normalize(x)
        result: torch.Tensor = self.act(self.drop(y))
        return result

    def _normalize(self, x: torch.Tensor) -> torch.Tensor:
        axes = [axis for axis in range(x.ndim) if axis != 1]
        shape = [1, -1, *([1] * (x.ndim - 2))]
        values = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        # Every process has as many pixels: parts of the global batch are of equal size.
        count = x.numel() // x.shape[1] * world_size()
        mean = sum_over_processes(values.sum(axes)) / count
        centred = values - mean.view(shape)
        # Two messages rather than E[x^2] - E[x]^2, which cancels.
        variance = sum_over_processes(centred.square().sum(axes)) / count
        scale = torch.rsqrt(variance + self.eps) * self.weight
        with torch.no_grad():
            momentum = self.momentum or 0.0
            self.running_mean.lerp_(mean.detach(), momentum)
            self.running_var.lerp_(variance.detach() * (count / max(1, count - 1)), momentum)
            self.num_batches_tracked += 1
        return (centred * scale.view(shape) + self.bias.view(shape)).to(x.dtype)


class GlobalDropout(nn.Dropout):
    """Dropout that draws the mask of the global batch and uses its own rows.

    All processes seed an iteration alike, so plain dropout would drop the same in each of them.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        """Drop elements of `(B, *rest)` with probability `p`, scaling the others up."""
        if not self.training or world_size() == 1:
            return super().forward(input)
        return input * own_rows(global_memory(input).bernoulli_(1 - self.p).div_(1 - self.p))


def noise_like(values: torch.Tensor) -> torch.Tensor:
    """Standard normal noise: this process's rows of the noise for the global batch.

    Args:
        values: `(B, *rest)`.

    Returns:
        The same shape, type and device.
    """
    return own_rows(global_memory(values).normal_())


def batch_mean(values: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Mean over the rows of the global batch, with its gradient; 0 where no row counts.

    Args:
        values: `(B, *rest)`, floating point; parts of the global batch are of equal size.
        counts: `(B,)`, bool: the rows that count.

    Returns:
        `(*rest)`, the same in every process.
    """
    total = (values * counts.view(-1, *[1] * (values.ndim - 1))).sum(dim=0)
    if world_size() > 1:
        total = sum_over_processes(total) / world_size()
    return total / mean_over_processes(counts.sum()).clamp(min=1 / world_size())


def make_parallel(network: nn.Module) -> nn.Module:
    """Put `GlobalBatchNorm` and `GlobalDropout` in place, where there are several processes.

    Args:
        network: Changed in place; names and values of its state stay.

    Returns:
        The network.
    """
    if world_size() == 1:
        return network
    for name, child in network.named_children():
        if isinstance(child, _BatchNorm):
            setattr(network, name, GlobalBatchNorm(child))
        elif isinstance(child, nn.Dropout):
            setattr(network, name, GlobalDropout(child.p, inplace=False))
        else:
            make_parallel(child)
    return network
