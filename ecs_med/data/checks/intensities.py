"""Scans of which networks see next to nothing: nearly constant, or beside their window."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecs_med.data.intensities import FEW, signal_share
from ecs_med.data.readers import Scan
from ecs_med.types import Problem

__all__ = ["intensity_problems"]

NARROW = 0.01
"""Values that fill less than this share of a window look all alike through it."""


def intensity_problems(
    path: Path, scan: Scan, window: tuple[float, float] | None = None
) -> list[Problem]:
    """What the intensities of a scan leave networks to see, where that is hardly anything.

    Args:
        path: The file that is named.
        scan: Its pixels.
        window: The window through which volumes are looked at, if one was asked for.
    """
    if not scan.array.size:
        return []
    if scan.array.min() == scan.array.max():
        message, remedy = "every pixel has the same value", "Check the export"
        return [Problem("warning", message, remedy, path)]
    if not scan.is_volume:
        # Three colours are one content; several files of a picture may leave the third one empty.
        most = max(scan.array, key=signal_share)
        return [*_nearly_constant(path, most, "of its pixels")]
    found: list[Problem] = []
    for number, channel in enumerate(scan.array, start=1):
        whose = f"of channel {number}" if len(scan.array) > 1 else "of its voxels"
        found += _nearly_constant(path, channel, whose)
        found += _beside_window(path, channel, window) if window is not None else ()
    return found


def _nearly_constant(path: Path, channel: npt.NDArray[Any], whose: str) -> Iterator[Problem]:
    share = signal_share(channel)
    if share == 0:
        remedy = "Check the export, or leave the channel out of all cases"
        yield Problem("warning", f"all {whose} has the same value", remedy, path)
    elif share < FEW:
        common = float(np.median(channel))
        yield Problem(
            "warning",
            f"{1 - share:.2%} {whose} have the same value, {common:g}",
            "Check the export, and crop image and mask to what they show if that is so little",
            path,
        )


def _beside_window(
    path: Path, channel: npt.NDArray[Any], window: tuple[float, float]
) -> Iterator[Problem]:
    low, high = float(channel.min()), float(channel.max())
    lower, upper = window
    seen = min(high, upper) - max(low, lower)
    if low == high or seen >= NARROW * (upper - lower):
        return
    limits, values = f"{lower:g} to {upper:g}", f"{low:g} to {high:g}"
    remedy = "Give a `window` in the units of the file, or leave it out"
    if seen <= 0:
        message = f"its values, {values}, lie outside of the `window` {limits}: nothing is seen"
        yield Problem("error", message, remedy, path)
    else:
        message = f"its values, {values}, fill {seen / (upper - lower):.2%} of `window` {limits}"
        yield Problem("warning", message, remedy, path)
