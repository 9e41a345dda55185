"""The deterministic part of the data path: a scan becomes a stack of 2-D slices, and back."""

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from ecs_med.config import Preparation
from ecs_med.data.intensities import intensity_range
from ecs_med.data.planes import slice_axis
from ecs_med.data.readers import Scan, ScanHeader

__all__ = ["prepare_labels", "prepare_scan", "to_native"]


def prepare_scan(scan: Scan, preparation: Preparation) -> npt.NDArray[np.generic]:
    """Slice, bring intensities into range, and bring slices to the size of training.

    Args:
        scan: Picture `(C, H, W)` uint8 or volume `(C, X, Y, Z)` float32.
        preparation: The settings.

    Returns:
        `(D, C, H, W)`: a picture as uint8 in 0..255 with D = 1, a volume as float16 in 0..1.
    """
    if not scan.is_volume:
        stack = scan.array[None]
        size = target_size(stack.shape[-2:], preparation.max_size, preparation.min_size)
        if size == stack.shape[-2:]:
            return stack
        return _resized(torch.from_numpy(stack).float(), size).round().clamp(0, 255).byte().numpy()
    axis = slice_axis(scan, preparation.axis, preparation.plane)
    values = np.stack([_normalized(channel, preparation) for channel in scan.array])
    stack = np.ascontiguousarray(np.moveaxis(values, axis + 1, 0))
    size = target_size(stack.shape[-2:], preparation.max_size, preparation.min_size)
    return _resized(torch.from_numpy(stack), size).numpy().astype(np.float16)


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
    axis = slice_axis(scan, preparation.axis, preparation.plane)
    stack = np.moveaxis(labels, axis, 0) if scan.is_volume else labels[None]
    stack = np.ascontiguousarray(stack)
    size = target_size(stack.shape[-2:], preparation.max_size, preparation.min_size)
    if size != stack.shape[-2:]:
        whole = torch.from_numpy(stack)[:, None].float()
        stack = F.interpolate(whole, size=size, mode="nearest-exact")[:, 0].byte().numpy()
    return stack


def target_size(size: tuple[int, ...], longest: int, shortest: int = 0) -> tuple[int, int]:
    """Height and width after bringing the longer side into `shortest`..`longest`; 0: no bound."""
    height, width = size
    side = max(size)
    wanted = max(side, shortest)
    wanted = min(wanted, longest) if longest else wanted
    if wanted == side:
        return height, width
    factor = wanted / side
    return max(1, round(height * factor)), max(1, round(width * factor))


def to_native(maps: torch.Tensor, scan_shape: tuple[int, ...], axis: int) -> torch.Tensor:
    """Bring maps of slices back to the scan's own grid.

    Args:
        maps: `(D, K, h, w)`, floating point.
        scan_shape: `(H, W)` of a picture, or `(X, Y, Z)` of a volume.
        axis: As `slice_axis` gives it.

    Returns:
        `(K, *scan_shape)`, bilinear in the plane of the slices.
    """
    if len(scan_shape) == 2:
        return _resized(maps, (scan_shape[0], scan_shape[1]))[0]
    height, width = (n for i, n in enumerate(scan_shape) if i != axis)
    return torch.movedim(_resized(maps, (height, width)), 0, axis + 1)


def _resized(stack: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    if tuple(stack.shape[-2:]) == size:
        return stack
    shrinks = size[0] < stack.shape[-2] or size[1] < stack.shape[-1]
    return F.interpolate(stack, size=size, mode="bilinear", antialias=shrinks)


def _normalized(
    channel: npt.NDArray[np.float32], preparation: Preparation
) -> npt.NDArray[np.float32]:
    if preparation.window is not None:
        lower, upper = preparation.window
    else:
        lower, upper = intensity_range(channel, preparation.percentiles)
    if upper <= lower:
        return np.zeros_like(channel)
    scaled: npt.NDArray[np.float32] = np.clip((channel - lower) / (upper - lower), 0, 1)
    return scaled
