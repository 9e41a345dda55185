"""A large picture or a volume through a network in overlapping tiles, row of tiles by row of tiles.

What MONAI's sliding window gives, bit by bit, of which only the rows of one tile exist at a time.
Rows of a volume are its slices.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice, product

import torch
from monai.data.utils import compute_importance_map, dense_patch_slices
from torch.nn import functional as F

__all__ = ["OVERLAP", "Buffer", "tile_sides", "tiled_rows"]

OVERLAP = 0.25
"""Share of a tile that the next one covers again."""
_MULTIPLE = 32

Rows = tuple[int, torch.Tensor]
"""The first row, and the maps from there on, `(1, K, rows, ...)`."""


def tile_sides(size: Sequence[int], tile: int) -> list[int]:
    """Height and width of the tiles of a picture; those of a narrow one are a multiple of 32."""
    return [min(tile, -(-side // _MULTIPLE) * _MULTIPLE) for side in size]


def tiled_rows(
    network: Callable[[torch.Tensor], torch.Tensor],
    read: Callable[[int, int], torch.Tensor],
    size: Sequence[int],
    sides: Sequence[int],
    batch: int = 1,
) -> Iterator[Rows]:
    """Apply a network to a picture from top to bottom, or to a volume from slice to slice.

    Args:
        network: From `(B, C, *sides)` to maps of the same size.
        read: Gives rows from one to before another, `(1, C, rows, ...)`.
        size: Of all of it.
        sides: Of a tile; what is smaller is padded around with 0.
        batch: Tiles at a time.

    Yields:
        Rows that are final, weighted means over the tiles that cover them.
    """
    lacking = [max(side - length, 0) for side, length in zip(sides, size, strict=True)]
    before = [pad // 2 for pad in lacking]
    around = [n for b, pad in zip(before[::-1], lacking[::-1], strict=True) for n in (b, pad - b)]
    tops, *others = (_starts(n + pad, s) for n, pad, s in zip(size, lacking, sides, strict=True))
    inner = tuple(slice(b, b + length) for b, length in zip(before, size, strict=True))
    downwards = (*[0, 0] * len(others), 0)
    total = count = weight = torch.empty(0)
    for top, following in zip(tops, [*tops[1:], tops[-1] + sides[0]], strict=True):
        rows = F.pad(read(top, min(top + sides[0], size[0])), around)
        if not weight.numel():
            weight = compute_importance_map(
                tuple(sides), mode="gaussian", device=rows.device, dtype=rows.dtype
            )
            count = torch.zeros(rows.shape[2:], dtype=rows.dtype, device=rows.device)
        for places in _groups(_places(others, sides[1:]), batch):
            tiles = [rows[(slice(None), slice(None), *place)] for place in places]
            found = network(torch.cat(tiles) if len(tiles) > 1 else tiles[0])
            if not total.numel():
                shape = (1, found.shape[1], *rows.shape[2:])
                total = torch.zeros(shape, dtype=rows.dtype, device=rows.device)
            for place, maps in zip(places, found.split(1), strict=True):
                total[(slice(None), slice(None), *place)] += maps * weight
                count[place] += weight
        done = following - top
        final = total[:, :, :done] / count[:done]
        yield top, final[(slice(None), slice(None), *inner)]
        # What the next row of tiles adds to moves to the top.
        total = F.pad(total[:, :, done:], (*downwards, done))
        count = F.pad(count[done:], (*downwards, done))


class Buffer:
    """Rows that come in order, kept as long as somebody may still ask for them.

    Args:
        rows: From top to bottom.
    """

    def __init__(self, rows: Iterator[Rows]) -> None:
        self._rows = rows
        self._top = 0
        self._held = torch.empty(0)

    def read(self, top: int, bottom: int) -> torch.Tensor:
        """Rows from `top` to before `bottom`; none above `top` can be asked for afterwards."""
        held = [self._held[:, :, top - self._top :]] if self._held.numel() else []
        self._top = top
        while sum(part.shape[2] for part in held) < bottom - top:
            held.append(next(self._rows)[1])
        self._held = torch.cat(held, dim=2)
        return self._held[:, :, : bottom - top]


def _groups(places: Iterator[tuple[slice, ...]], size: int) -> Iterator[list[tuple[slice, ...]]]:
    while group := list(islice(places, size)):
        yield group


def _places(starts: Sequence[Sequence[int]], sides: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """Where the tiles of a row of tiles lie in it."""
    for corner in product(*starts):
        part = (slice(c, c + side) for c, side in zip(corner, sides, strict=True))
        yield (slice(None), *part)


def _starts(length: int, side: int) -> list[int]:
    """Where tiles begin along one direction."""
    interval = side if side == length else max(1, int(side * (1 - OVERLAP)))
    return [place[0].start for place in dense_patch_slices((length,), (side,), (interval,))]
