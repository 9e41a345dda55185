"""Networks that PyTorch compiles, a part at a time.

A whole network would not do: some methods ask for the features of the first half and go on with
them (`networks.halves`), and there nothing that is compiled as a whole is called. So its direct
parts are: encoder, decoder, head.
"""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager

import torch
from torch import nn

from ecs_med.distributed import world_size

__all__ = ["compile_networks", "failure_of_compiling", "uncompiled"]

_MOST_KINDS = 64
"""Compiled versions of `Module.__call__`, which all parts share: a part times its modes."""


def compile_networks(networks: Iterable[nn.Module], device: torch.device) -> str | None:
    """Have the parts of networks compiled when they are first called, by TorchInductor.

    Names and values of their state stay, and copies of them are not compiled. What is compiled is
    kept in TorchInductor's cache on disk, from which other runs on the same shapes take it.

    Args:
        networks: On `device`.
        device: Where they are trained.

    Returns:
        Why they are not compiled, in words that follow "since"; `None` where they are.
    """
    if world_size() > 1:
        return "statistics of batch normalisation are exchanged between processes"
    reason = _obstacle(device)
    if reason is None:
        torch._dynamo.config.recompile_limit = _MOST_KINDS
        # TorchDynamo itself looks there, at features that one part gives to the next.
        warnings.filterwarnings("ignore", "The .grad attribute of a Tensor that is not a leaf")
        for part in dict.fromkeys(part for network in networks for part in _parts(network)):
            # Dropout draws what it draws otherwise.
            part.compile(dynamic=False, options={"fallback_random": True})
    return reason


def failure_of_compiling(error: Exception) -> str | None:
    """The first line of an error that compiling a part ended in; `None` for other errors."""
    is_compiling = type(error).__module__.startswith(("torch._dynamo", "torch._inductor"))
    return _first_line(error) if is_compiling else None


def uncompiled() -> AbstractContextManager[None]:
    """Inside, what is compiled runs as it did before: for images of many sizes."""
    stance: AbstractContextManager[None] = torch.compiler.set_stance("force_eager")
    return stance


def _parts(network: nn.Module) -> Iterator[nn.Module]:
    children = list(network.children())
    if isinstance(network, nn.Sequential):
        yield network
        return
    for child in children:
        # One alone is a network in a wrapper, such as a mean teacher; lists are never called.
        if len(children) == 1 or isinstance(child, (nn.ModuleList, nn.ModuleDict)):
            yield from _parts(child)
        elif any(True for _ in child.children()):  # a single layer is quick as it is
            yield child


def _obstacle(device: torch.device) -> str | None:
    """Why nothing can be compiled here, found by compiling very little."""
    values = torch.ones(4, device=device, requires_grad=True)
    try:
        torch.compile(_double)(values).backward()
    except Exception as error:  # compilers, drivers and Triton have their own
        return f"PyTorch cannot compile here ({_first_line(error)})"
    return None


def _first_line(error: Exception) -> str:
    inner = getattr(error, "inner_exception", error)
    lines = [line.strip() for line in str(inner).splitlines() if line.strip()]
    return lines[0] if lines else type(inner).__name__


def _double(values: torch.Tensor) -> torch.Tensor:
    return (2 * values).relu().sum()
