"""Reading the values that mask files store, counting them over many files, telling the counts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ecs_med.data.masks.colors import pack_colors
from ecs_med.data.masks.palettes import PaletteCensus
from ecs_med.data.masks.soft_edges import BLACK_TO, WHITE_FROM, EdgeCounts
from ecs_med.data.masks.structures import NamedCounts
from ecs_med.data.readers import StoredMask, reader_of
from ecs_med.errors import DataError, MaskValueError

__all__ = [
    "MaskCensus",
    "ValueCounts",
    "describe_values",
    "example",
    "joined",
    "read_stored_mask",
    "take_census",
    "value_range",
]

_NUM_SHOWN = 10
_WHOLE = 1e-3
_MAX_SPAN = 2**24
_CHUNK = 2**20
_MAX_COLORS = 50_000


@dataclass(slots=True)
class ValueCounts:
    """Pixels a value over several masks, with a file to show for each value.

    Attributes:
        num_masks: Number of masks counted.
        pixels: Number of pixels of each value (of packed colours for colours).
        example: First file in which a value was met.
        least_bimodal: Smallest share of pixels within 64 of 0 or of 255 among the masks.
        least_bimodal_path: The mask that has it.
    """

    num_masks: int = 0
    pixels: Counter[int] = field(default_factory=Counter)
    example: dict[int, Path] = field(default_factory=dict)
    least_bimodal: float = 1.0
    least_bimodal_path: Path | None = None

    def add(self, counts: dict[int, int], path: Path) -> None:
        """Add the pixels of one mask."""
        self.num_masks += 1
        for value in counts:
            self.example.setdefault(value, path)
        self.pixels.update(counts)
        total = sum(counts.values())
        near = _num_near_ends(counts)
        if total and near / total < self.least_bimodal:
            self.least_bimodal, self.least_bimodal_path = near / total, path

    @property
    def bimodal_share(self) -> float:
        """Share of all pixels within 64 of 0 or of 255."""
        near = sum(
            n for value, n in self.pixels.items() if value <= BLACK_TO or value >= WHITE_FROM
        )
        return near / max(1, self.pixels.total())


@dataclass(slots=True)
class MaskCensus:
    """Everything that is known of the values of many masks.

    Attributes:
        exact: Masks of whole numbers, stored losslessly.
        lossy: Grey masks stored as JPEG.
        colored: Colour-coded masks.
        lossy_colors: Whether a colour-coded mask is JPEG.
        zero_one: A mask with 1 and nothing else but 0, stored losslessly.
        zero_255: A mask with 255 and nothing else but 0, stored losslessly.
        one_and_255: A mask that holds both 1 and 255, stored losslessly.
        palettes: What indices mean in palette masks.
        unpaletted: Pixels of each value in the other masks of whole numbers.
        edges: Pixels of lossless masks that are neither near black nor near white.
        by_alpha: Masks in which transparency tells what is drawn.
        unlike_shown: Masks that viewers show with black and white exchanged.
        named: Masks that name their structures, which are counted in no other group before
            `ecs_med.data.masks.structures` says which value each name has.
        unreadable: Errors of masks that could not be read.
    """

    exact: ValueCounts = field(default_factory=ValueCounts)
    lossy: ValueCounts = field(default_factory=ValueCounts)
    colored: ValueCounts = field(default_factory=ValueCounts)
    lossy_colors: bool = False
    zero_one: Path | None = None
    zero_255: Path | None = None
    one_and_255: Path | None = None
    palettes: PaletteCensus = field(default_factory=PaletteCensus)
    unpaletted: Counter[int] = field(default_factory=Counter)
    edges: EdgeCounts = field(default_factory=EdgeCounts)
    by_alpha: list[Path] = field(default_factory=list)
    unlike_shown: list[Path] = field(default_factory=list)
    named: list[NamedCounts] = field(default_factory=list)
    unreadable: list[tuple[Path, DataError]] = field(default_factory=list)

    def add(self, mask: StoredMask, path: Path) -> None:
        """Count one mask."""
        if mask.by_alpha:
            self.by_alpha.append(path)
        if mask.unlike_shown:
            self.unlike_shown.append(path)
        if mask.colored:
            self.lossy_colors |= mask.lossy
            # Noise makes thousands of colours; what is beyond the cap is noise for certain.
            if len(self.colored.pixels) < _MAX_COLORS:
                codes, counts = np.unique(pack_colors(mask.values), return_counts=True)
                self.colored.add(dict(zip(codes.tolist(), counts.tolist(), strict=True)), path)
            return
        counts_of = _count_values(mask.values, path)
        if mask.names is not None:
            self.named.append(NamedCounts(path, mask.names, mask.overlaps, counts_of, mask.drawn))
            return
        (self.lossy if mask.lossy else self.exact).add(counts_of, path)
        if not mask.lossy:
            self._add_exact(mask, counts_of, path)

    def _add_exact(self, mask: StoredMask, counts_of: dict[int, int], path: Path) -> None:
        if 1 in counts_of and 255 in counts_of:
            self.one_and_255 = self.one_and_255 or path
        elif counts_of.keys() <= {0, 1} and 1 in counts_of:
            self.zero_one = self.zero_one or path
        elif counts_of.keys() <= {0, 255} and 255 in counts_of:
            self.zero_255 = self.zero_255 or path
        if mask.palette is not None:
            self.palettes.add(mask.palette, counts_of, path)
        else:
            self.unpaletted.update(counts_of)
        if any(BLACK_TO < value < WHITE_FROM for value in counts_of):
            self.edges.add(mask.values)


def _num_near_ends(counts: Mapping[int, int]) -> int:
    return sum(n for value, n in counts.items() if value <= BLACK_TO or value >= WHITE_FROM)


def take_census(paths: Sequence[Path], images: Sequence[Sequence[Path]] = ()) -> MaskCensus:
    """Read every mask once and count its values; what cannot be read is listed instead.

    Args:
        paths: The masks.
        images: What each is drawn on, for formats that have no grid of their own.
    """
    census = MaskCensus()
    for path, drawn_on in zip(paths, images or [()] * len(paths), strict=True):
        try:
            census.add(read_stored_mask(path, drawn_on), path)
        except DataError as error:
            census.unreadable.append((path, error))
    return census


def read_stored_mask(path: Path, images: Sequence[Path] = ()) -> StoredMask:
    """Read a mask as it is stored; values that are whole numbers (within 0.001) become integers.

    Args:
        path: The mask.
        images: What it is drawn on, for formats that have no grid of their own.

    Raises:
        UnreadableFileError: If the file is damaged or holds several channels.
        MaskValueError: If values are not whole numbers.
    """
    stored = reader_of([path]).read_stored_labels(path, images)
    return replace(stored, values=_whole_numbers(stored.values, path))


def _whole_numbers(values: npt.NDArray[Any], path: Path) -> npt.NDArray[np.integer]:
    if values.dtype == np.bool_:
        return values.astype(np.uint8)
    if values.dtype.kind in "iu":
        return values
    finite = np.isfinite(values)
    if not finite.all():
        raise MaskValueError(
            f"{path}: {int((~finite).sum())} of its values are NaN or infinite; export it again."
        )
    rounded = np.rint(values)
    off = np.abs(values - rounded) > _WHOLE
    if off.any():
        raise MaskValueError(
            f"{path}: {int(off.sum())} of its {values.size} values are not whole numbers, such as "
            f"{float(values[off][0]):.4g}; store class numbers (no probabilities, and resampling "
            "by nearest neighbour only)."
        )
    highest = float(np.abs(rounded).max(initial=0))
    if highest >= 2**53:
        raise MaskValueError(
            f"{path}: holds values up to {highest:.3g}, which are no class numbers; "
            "check that this is a mask."
        )
    return np.asarray(rounded, np.int64 if highest >= 2**31 else np.int32)


def _count_values(values: npt.NDArray[np.integer], path: Path) -> dict[int, int]:
    if values.size == 0:
        return {}
    low, high = value_range(values, path)
    counts = np.zeros(high - low + 1, np.int64)
    flat = values.ravel(order="K")
    # bincount widens its input to 64 bits; in pieces, a large volume stays small.
    for start in range(0, flat.size, _CHUNK):
        piece = flat[start : start + _CHUNK].astype(np.int64) - low
        counts += np.bincount(piece, minlength=len(counts))
    return {low + int(index): int(counts[index]) for index in np.flatnonzero(counts)}


def value_range(values: npt.NDArray[np.generic], path: Path) -> tuple[int, int]:
    """Lowest and highest of some stored values.

    Raises:
        MaskValueError: If they lie too far apart to be class numbers.
    """
    low, high = int(values.min()), int(values.max())
    if high - low >= _MAX_SPAN:
        raise MaskValueError(
            f"{path}: holds values from {low} to {high}, which are no class numbers; "
            "check that this is a mask."
        )
    return low, high


def example(group: ValueCounts) -> str:
    """A file of the group, as text."""
    return str(next(iter(group.example.values()), "a mask"))


def describe_values(counts: Mapping[int, int], *, colors: bool = False) -> str:
    """Values with their numbers of pixels, for a message: the most frequent ones, in order.

    Packed colours (`colors`) come in hexadecimal, the most frequent one first.
    """
    most = sorted(counts, key=lambda value: -counts[value])[:_NUM_SHOWN]
    shown = most if colors else sorted(most)
    names = [f"#{value:06x}" if colors else str(value) for value in shown]
    text = ", ".join(f"{n}: {counts[v]:,} pixels" for n, v in zip(names, shown, strict=True))
    more = len(counts) - _NUM_SHOWN
    return text + (f", and {more} more {'colours' if colors else 'values'}" if more > 0 else "")


def joined(values: Sequence[int]) -> str:
    """Values as an option takes them, such as `0,50,100`."""
    return ",".join(str(value) for value in values)
