"""The deterministic part of the data path: a scan becomes a stack of 2-D slices, and back.

Slices are those of the turned grid, see `ecs_med.data.slicing`.
"""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from ecs_med.config import Preparation
from ecs_med.data.depth import resampled_labels, resampled_slices
from ecs_med.data.normalising import normalised_slabs
from ecs_med.data.readers import Scan, ScanHeader
from ecs_med.data.slicing import slicing_of

__all__ = ["native_bands", "prepare_labels", "prepare_scan", "to_native"]

LARGE = 2**24
"""From so many pixels on, maps of a picture are brought to its size a band at a time."""
_BAND_ROWS = 256


def prepare_scan(scan: Scan, preparation: Preparation) -> npt.NDArray[np.generic]:
    """Slice, bring intensities into range, and bring slices to the size of training.

    Args:
        scan: Picture `(C, H, W)` uint8 or volume `(C, X, Y, Z)` of any real numbers.
        preparation: The settings.

    Returns:
        `(D, C, H, W)`: a picture as uint8 in 0..255 with D = 1, a volume as float16 in 0..1.
    """
    slicing = slicing_of(scan, preparation)
    if not scan.is_volume:
        stack = scan.array[None]
        if slicing.size == stack.shape[-2:]:
            return stack
        return _resized_picture(stack, slicing.size).round().clamp(0, 255).byte().numpy()
    stack = np.empty((slicing.num_slices, len(scan.array), *slicing.size), np.float16)
    start = 0
    for slab in normalised_slabs(slicing.turned(scan.array), slicing.along, preparation):
        part = _resized(torch.from_numpy(slab), slicing.size)
        stack[start : start + len(slab)] = part.numpy()
        start += len(slab)
    return resampled_slices(stack, slicing.depth)


def prepare_labels(
    labels: npt.NDArray[np.uint8], scan: Scan | ScanHeader, preparation: Preparation
) -> npt.NDArray[np.uint8]:
    """Bring labels the same way as their scan; resized by nearest neighbour only.

    Args:
        labels: `(H, W)` or `(X, Y, Z)` on the scan's grid.
        scan: The scan they belong to, or its header.
        preparation: The settings.

    Returns:
        `(D, H, W)`, uint8.
    """
    slicing = slicing_of(scan, preparation)
    stack = np.ascontiguousarray(slicing.stack(labels))
    if slicing.size != stack.shape[-2:]:
        whole = torch.from_numpy(stack)[:, None].float()
        whole = F.interpolate(whole, size=slicing.size, mode="nearest-exact")
        stack = whole[:, 0].byte().numpy()
    return resampled_labels(stack, slicing.depth)


def to_native(maps: torch.Tensor, scan_shape: tuple[int, ...], axis: int) -> torch.Tensor:
    """Bring maps of slices back to the size of the scan, on its turned grid.

    Args:
        maps: `(D, K, h, w)`, floating point.
        scan_shape: `(H, W)` of a picture, or `(X, Y, Z)` of a volume, as of `Slicing.shape`.
        axis: As of `Slicing.along`.

    Returns:
        `(K, *scan_shape)`, bilinear in the plane of the slices.
    """
    if len(scan_shape) == 2:
        return _resized(maps, (scan_shape[0], scan_shape[1]))[0]
    height, width = (n for i, n in enumerate(scan_shape) if i != axis)
    return torch.movedim(_resized(maps, (height, width)), 0, axis + 1)


def native_bands(
    maps: torch.Tensor, scan_shape: tuple[int, ...], axis: int
) -> Iterator[tuple[slice, torch.Tensor]]:
    """As `to_native`, of large pictures a band of rows at a time, so that memory holds the maps.

    Args:
        maps: As of `to_native`.
        scan_shape: As of `to_native`.
        axis: As of `to_native`.

    Yields:
        The rows, and `(K, rows, W)`; of volumes and of other pictures all at once.
    """
    height = scan_shape[0]
    shrinks = any(have > want for have, want in zip(maps.shape[-2:], scan_shape, strict=False))
    if len(scan_shape) != 2 or math.prod(scan_shape) < LARGE or shrinks:
        yield slice(None), to_native(maps, scan_shape, axis)
        return
    wide = _resized(maps, (maps.shape[-2], scan_shape[1]))[0]
    for top in range(0, height, _BAND_ROWS):
        rows = torch.arange(top, min(top + _BAND_ROWS, height), device=wide.device)
        # Where rows lie among those of the maps, by their centres, as in `interpolate`.
        place = ((rows + 0.5) * (wide.shape[1] / height) - 0.5).clamp(min=0)
        above = place.long()
        below = (above + 1).clamp(max=wide.shape[1] - 1)
        share = (place - above).to(wide.dtype)[:, None]
        yield slice(top, top + len(rows)), torch.lerp(wide[:, above], wide[:, below], share)


def _resized_picture(stack: npt.NDArray[np.generic], size: tuple[int, int]) -> torch.Tensor:
    """As `_resized`, to the last bit; only a band of rows is floating point at full width."""
    whole = torch.from_numpy(stack)
    if size[0] >= stack.shape[-2] or size[1] >= stack.shape[-1]:
        return _resized(whole.float(), size)
    bands = [
        F.interpolate(band.float(), size=(band.shape[-2], size[1]), mode="bilinear", antialias=True)
        for band in whole.split(_BAND_ROWS, dim=-2)
    ]
    return _resized(torch.cat(bands, dim=-2), size)


def _resized(stack: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    if tuple(stack.shape[-2:]) == size:
        return stack
    shrinks = size[0] < stack.shape[-2] or size[1] < stack.shape[-1]
    # Class maps with the classes last in memory would take four times as long.
    return F.interpolate(stack.contiguous(), size=size, mode="bilinear", antialias=shrinks)
