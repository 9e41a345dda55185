"""Batch normalization, dropout, noise and means over the batch of all processes."""

from typing import Any

import torch
import torch.distributed
from torch import nn
from torch.autograd.function import once_differentiable
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
        values = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        mean, variance = _global_statistics(values.detach())
        count = values.numel() // values.shape[1] * world_size()
        with torch.no_grad():
            momentum = self.momentum or 0.0
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * (count / max(1, count - 1)), momentum)
            self.num_batches_tracked += 1
        y: torch.Tensor = _Normalized.apply(
            values, self.weight, self.bias, mean, variance, self.eps, count
        )
        return y.to(x.dtype)


def _global_statistics(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance of each channel, from one message.

    Of parts of equal size the variance is the mean of theirs and the variance of their means, which
    does not cancel as E[x^2] - E[x]^2 does.
    """
    mean, variance = torch.batch_norm_update_stats(values, None, None, 0.0)
    own = torch.stack([mean, variance])
    parts = [torch.empty_like(own) for _ in range(world_size())]
    torch.distributed.all_gather(parts, own)
    means, variances = torch.stack(parts, dim=1)
    return means.mean(0), variances.mean(0) + means.var(0, unbiased=False)


class _Normalized(torch.autograd.Function):
    """Values by statistics that they share with those of other processes."""

    @staticmethod
    def forward(
        ctx: Any,
        values: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor,
        mean: torch.Tensor,
        variance: torch.Tensor,
        eps: float,
        count: int,
    ) -> torch.Tensor:
        ctx.save_for_backward(values, weight, mean, variance)
        ctx.eps, ctx.count = eps, count
        return F.batch_norm(values, mean, variance, weight, bias, False, 0.0, eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        values, weight, mean, variance = ctx.saved_tensors
        of_values, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            *(gradients[0], values, weight, mean, variance, None, None),
            *(False, ctx.eps, [True, True, True]),
        )
        if ctx.needs_input_grad[0]:
            # What values do by way of the statistics, in which those of all processes have a part.
            sums = torch.stack([of_weight, of_bias])
            torch.distributed.all_reduce(sums)
            scale = torch.rsqrt(variance + ctx.eps)
            slope = -weight * scale.square() * sums[0] / ctx.count
            offset = -weight * scale * sums[1] / ctx.count - slope * mean
            shape = [1, -1, *([1] * (values.ndim - 2))]
            of_values.addcmul_(values, slope.view(shape)).add_(offset.view(shape))
        return of_values, of_weight, of_bias, None, None, None, None


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
