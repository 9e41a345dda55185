"""Data-parallel training under `torchrun`: the same function on one process or on several.

Every process holds the same weights and a part of the global batch. Three things make the result
that of one process with the whole batch: losses divide by counts over all processes
(`mean_over_processes`), gradients are averaged before the optimiser moves (`average_gradients`),
and batch normalization and dropout see the global batch (`ecs_med.networks.parallel`).

Gradients are reduced by hand, not by `DistributedDataParallel`: a step of ECS runs several forward
passes before a backward one and sends gradients through a network that must not move, which its
hooks do not allow (pytorch#175024). With one process every function here returns at once.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed
from torch import nn

from ecs_med.errors import SettingsError

__all__ = [
    "any_process",
    "as_main_process_says",
    "average_gradients",
    "gather_rows",
    "global_memory",
    "is_main_process",
    "local_rank",
    "main_process_first",
    "mean",
    "mean_over_processes",
    "own_rows",
    "process_group",
    "rank",
    "share",
    "sum_over_processes",
    "wait_for_all",
    "world_size",
]

Result = TypeVar("Result")

_PATIENCE = timedelta(hours=3)
"""Other processes wait for the main one while it validates."""


def world_size() -> int:
    """Number of processes; 1 outside of `process_group`."""
    ready = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_world_size() if ready else 1


def rank() -> int:
    """Number of this process, from 0."""
    return torch.distributed.get_rank() if world_size() > 1 else 0


def local_rank() -> int:
    """Number of this process on its machine, from 0: that of its GPU."""
    return int(os.environ.get("LOCAL_RANK", "0")) if world_size() > 1 else 0


def is_main_process() -> bool:
    """Whether this is the process that writes and talks."""
    return rank() == 0


@contextmanager
def process_group(device: str) -> Iterator[None]:
    """Join the processes that `torchrun` has started; nothing where it has not.

    Args:
        device: The setting `device`; CUDA uses NCCL, everything else gloo.

    Raises:
        SettingsError: If they do not find each other.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2 or world_size() > 1:
        yield
        return
    import ignite.distributed as idist

    cuda = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    try:
        idist.initialize("nccl" if cuda else "gloo", timeout=_PATIENCE)
    except (RuntimeError, ValueError, AssertionError) as error:
        raise SettingsError(
            f"The processes of torchrun did not find each other ({' '.join(str(error).split())}); "
            "start them by `torchrun --nproc-per-node N -m ecs_med_cli train ...`."
        ) from error
    try:
        yield
    finally:
        idist.finalize()


def main_process_first(work: Callable[[], Result]) -> Result:
    """Do `work` in the main process, then in the others, which find its caches filled."""
    if is_main_process():
        result = work()
        wait_for_all()
        return result
    wait_for_all()
    return work()


def mean_over_processes(value: torch.Tensor) -> torch.Tensor:
    """Mean of a detached value over the processes; with one process the value itself.

    A loss that divides its local sum by the mean of the local counts becomes, once averaged over
    the processes, the global sum divided by the global count.
    """
    size = world_size()
    if size == 1:
        return value
    total = value.detach().to(torch.float64 if value.device.type == "cpu" else torch.float32)
    total = total.clone()
    torch.distributed.all_reduce(total)
    return (total / size).to(value.dtype if value.is_floating_point() else torch.float32)


def sum_over_processes(value: torch.Tensor) -> torch.Tensor:
    """Sum over the processes, with its gradient; with one process the value itself.

    For losses that are no mean over pixels: every process gets the same value, and as it depends
    on each process's part, gradients of all of them come back to each.
    """
    if world_size() == 1:
        return value
    total: torch.Tensor = _Sum.apply(value)
    return total


class _Sum(torch.autograd.Function):
    """Every process gets the sum, so that each one's gradient is the sum of all of theirs."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor) -> torch.Tensor:
        total = value.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(total)
        return total


def share(of: torch.Tensor, among: torch.Tensor) -> torch.Tensor:
    """Share of `of` among the elements in `among`; NaN where there are none.

    Args:
        of: Bool, any shape.
        among: Bool, the same shape.
    """
    return mean(of.long(), among)


def mean(values: torch.Tensor, among: torch.Tensor) -> torch.Tensor:
    """Mean of `values` over the elements in `among`; NaN where there are none."""
    return mean_over_processes((values * among).sum()) / mean_over_processes(among.sum())


def any_process(flag: bool, device: torch.device) -> bool:
    """Whether `flag` is set in any process; all of them get the same answer."""
    if world_size() == 1:
        return flag
    value = torch.tensor([float(flag)], device=device)
    torch.distributed.all_reduce(value, op=torch.distributed.ReduceOp.MAX)
    return bool(value.item())


def as_main_process_says(text: str | None, device: torch.device) -> str | None:
    """The text that the main process gives, in every process; all of them have to call this.

    Args:
        text: Whatever, but in the main process.
        device: Where the processes' tensors lie.
    """
    if world_size() == 1:
        return text
    told = [text]
    torch.distributed.broadcast_object_list(told, src=0, device=device)
    return told[0]


def average_gradients(network: nn.Module) -> None:
    """Replace every gradient of `network` by its mean over the processes, in one message."""
    size = world_size()
    if size == 1:
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    if not gradients:
        return
    message = torch.cat([gradient.reshape(-1) for gradient in gradients])
    torch.distributed.all_reduce(message)
    parts = (message / size).split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view(gradient.shape))


def global_memory(values: torch.Tensor) -> torch.Tensor:
    """Memory for the global batch, of which `values` are some rows.

    Random numbers are drawn in memory order, as on the whole batch in one process.
    """
    wide = values.new_empty((len(values) * world_size(), *values.shape[1:]))
    if values.ndim == 4 and not values.is_contiguous():
        return wide.to(memory_format=torch.channels_last)
    if values.ndim == 5 and not values.is_contiguous():
        return wide.to(memory_format=torch.channels_last_3d)
    return wide


def own_rows(wide: torch.Tensor) -> torch.Tensor:
    """This process's rows of the global batch."""
    rows = len(wide) // world_size()
    return wide[rank() * rows : (rank() + 1) * rows]


def gather_rows(values: torch.Tensor) -> torch.Tensor:
    """The global batch, of which `values` are this process's rows; without a gradient."""
    if world_size() == 1:
        return values
    sent = values.detach().contiguous()
    parts = [torch.empty_like(sent) for _ in range(world_size())]
    torch.distributed.all_gather(parts, sent)
    return torch.cat(parts)


def wait_for_all() -> None:
    """Go on when every process has come here."""
    if world_size() > 1:
        torch.distributed.barrier()
