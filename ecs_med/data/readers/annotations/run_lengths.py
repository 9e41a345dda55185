"""Masks that are stored as lengths of runs: background first, then region, and so on."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.annotations.regions import Mask, Shape

__all__ = ["coco_mask", "cvat_mask", "packed_counts", "run_lengths", "unpacked_counts"]

_SHIFT = 48
"""Of the letters that hold five bits each and, above these, whether more follow."""


def coco_mask(counts: object, size: object, shape: Shape) -> Mask:
    """A mask of COCO, whose runs go down each column.

    Args:
        counts: Numbers, or the text that holds them packed.
        size: Height and width, as the file gives them beside.
        shape: Height and width of the picture.

    Raises:
        ValueError: If the counts are damaged, or the size is not that of the picture.
    """
    if not isinstance(size, list) or [*size] != [*shape]:
        raise ValueError(f"has runs of a mask of size {size}, and its picture is {[*shape]}")
    runs = unpacked_counts(counts) if isinstance(counts, str) else counts
    return _expanded(runs, shape[0] * shape[1]).reshape(shape[::-1]).T


def cvat_mask(runs: Sequence[int], window: tuple[int, int, int, int], shape: Shape) -> Mask:
    """A mask of CVAT, whose runs go along the rows of a part of the picture.

    Args:
        runs: Their lengths.
        window: Left, top, width and height of that part.
        shape: Height and width of the picture.

    Raises:
        ValueError: If the counts are damaged, or the part does not lie in the picture.
    """
    left, top, width, height = window
    fits = left >= 0 and top >= 0 and min(width, height) > 0
    if not fits or left + width > shape[1] or top + height > shape[0]:
        raise ValueError(f"has a mask at {list(window)}, which is not inside its picture")
    mask = np.zeros(shape, np.bool_)
    part = _expanded(list(runs), width * height).reshape(height, width)
    mask[top : top + height, left : left + width] = part
    return mask


def unpacked_counts(text: str) -> list[int]:
    """Lengths of runs from the compressed text of COCO.

    Each number is written as groups of five bits, lowest first, with a sign; from the fourth on
    it is the difference to the one two places before.

    Raises:
        ValueError: If a letter is none of them, or the text ends within a number.

    Example:
        >>> unpacked_counts("52203")
        [5, 2, 2, 2, 5]
    """
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - _SHIFT
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError("has compressed runs with letters that belong to none")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + (counts[-2] if len(counts) > 2 else 0))
        value = shift = 0
    if shift:
        raise ValueError("has compressed runs that end in the middle of a number")
    return counts


def run_lengths(pixels: npt.NDArray[np.bool_]) -> list[int]:
    """Lengths of the runs of pixels, one after the other, those of background first.

    Example:
        >>> run_lengths(np.array([True, True, False, True]))
        [0, 2, 1, 1]
    """
    flat = pixels.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths: list[int] = np.diff(np.concatenate([[0], changes, [flat.size]])).tolist()
    return [0, *lengths] if flat.size and flat[0] else lengths


def packed_counts(counts: Sequence[int]) -> str:
    """The compressed text of COCO for lengths of runs; what `unpacked_counts` undoes.

    Example:
        >>> packed_counts([5, 2, 2, 2, 5])
        '52203'
    """
    letters: list[str] = []
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        while True:
            bits, value = value & 31, value >> 5
            # Nothing follows once the sign bit of these five says what all higher ones are.
            ends = value == (-1 if bits & 16 else 0)
            letters.append(chr(_SHIFT + (bits if ends else bits | 32)))
            if ends:
                break
    return "".join(letters)


def _expanded(runs: Any, total: int) -> npt.NDArray[np.bool_]:
    """The pixels of runs, one after the other."""
    if not isinstance(runs, list) or not all(type(run) is int and run >= 0 for run in runs):
        raise ValueError("has runs that are no list of lengths")
    if sum(runs) != total:
        raise ValueError(f"has runs of {sum(runs):,} pixels together, where there are {total:,}")
    is_region = np.arange(len(runs)) % 2 == 1
    return np.repeat(is_region, np.array(runs, np.int64))
