"""Slices of a volume at other distances, there and back, and slices with their neighbours."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

Value = TypeVar("Value", bound=np.generic)

__all__ = [
    "depth_weights",
    "native_slices",
    "neighbors",
    "resampled_labels",
    "resampled_slices",
    "with_context",
]


def depth_weights(old: int, new: int) -> torch.Tensor:
    """By what each of `old` slices counts in each of `new` ones.

    Returns:
        `(new, old)`, rows sum to 1: linear between the centres of slices; where slices become
        fewer, a triangle as wide as the new distance, so that none is left out.
    """
    identity = torch.eye(old)[None, None]
    size = (new, old)
    return F.interpolate(identity, size, mode="bilinear", antialias=new < old)[0, 0]


def resampled_slices(stack: npt.NDArray[Value], depth: int) -> npt.NDArray[Value]:
    """Intensities `(D, C, H, W)` as `depth` slices; the stack itself where it has as many."""
    if depth == len(stack):
        return stack
    found = np.empty((depth, *stack.shape[1:]), stack.dtype)
    for place, row in enumerate(depth_weights(len(stack), depth).numpy()):
        used = np.flatnonzero(row)
        values = stack[used].astype(np.float32)
        found[place] = np.tensordot(row[used], values, axes=1)
    return found


def resampled_labels(stack: npt.NDArray[np.uint8], depth: int) -> npt.NDArray[np.uint8]:
    """Labels `(D, H, W)` as `depth` slices, each that of the nearest centre."""
    if depth == len(stack):
        return stack
    nearest = np.floor((np.arange(depth) + 0.5) * len(stack) / depth).astype(int)
    chosen: npt.NDArray[np.uint8] = stack[np.clip(nearest, 0, len(stack) - 1)]
    return chosen


def native_slices(
    parts: Iterable[torch.Tensor], depth: int, num_slices: int
) -> Iterator[tuple[int, torch.Tensor]]:
    """Bring maps of resampled slices back to the slices of the scan, as they come.

    Args:
        parts: Maps of the resampled slices, `(n, K, H, W)`, one part after the other.
        depth: Slices of all parts together.
        num_slices: Of the scan.

    Yields:
        The number of the first slice of the scan, and maps `(m, K, H, W)`; of all slices in order.
    """
    weights = depth_weights(depth, num_slices) if depth != num_slices else None
    done = top = 0
    held: torch.Tensor | None = None
    for part in parts:
        if weights is None:
            yield done, part
            done += len(part)
            continue
        held = part if held is None else torch.cat([held, part])
        first = done
        ready = []
        while done < num_slices:
            used = weights[done].nonzero()[:, 0]
            if int(used[-1]) >= top + len(held):
                break
            own = weights[done, used].to(held)
            ready.append(torch.einsum("n,nkhw->khw", own, held[used - top]))
            done += 1
        if ready:
            yield first, torch.stack(ready)
        if done < num_slices:
            needed = int(weights[done].nonzero()[0, 0])
            held, top = held[needed - top :], needed


def neighbors(number: int, num_slices: int, context: int) -> list[int]:
    """A slice with `context` slices before and behind it; at the ends the edge repeats.

    Example:
        >>> neighbors(0, 5, 1), neighbors(3, 4, 2)
        ([0, 0, 1], [1, 2, 3, 3, 3])
    """
    around = range(number - context, number + context + 1)
    return [min(max(place, 0), num_slices - 1) for place in around]


def with_context(slices: torch.Tensor, numbers: Iterable[int], context: int) -> torch.Tensor:
    """Slices with their neighbours as further channels.

    Args:
        slices: Of one scan, `(D, C, H, W)`.
        numbers: Which ones.
        context: Neighbours on either side, 0: none.

    Returns:
        `(B, (2 context + 1) C, H, W)`: all channels of the first neighbour, then of the next.
    """
    chosen = [neighbors(number, len(slices), context) for number in numbers]
    places = torch.tensor(chosen, device=slices.device)
    return slices[places].flatten(1, 2)
