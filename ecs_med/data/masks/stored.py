"""Reading the values that a mask file stores, and counting them over many files."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ecs_med.data.masks.value_counts import pack_colors
from ecs_med.data.readers.nifti import read_stored_volume
from ecs_med.data.readers.pictures import decode_picture, to_rgb
from ecs_med.data.scans import is_volume_path
from ecs_med.errors import DataError, MaskValueError, UnreadableFileError

__all__ = ["MaskCensus", "StoredMask", "ValueCounts", "read_stored_mask", "take_census"]

_WHOLE = 1e-3
_GREY_SPREAD = 24
_GREY_SHARE = 0.99
_MAX_SPAN = 2**24
_CHUNK = 2**20
_MAX_COLORS = 50_000
_NEAR = 64


@dataclass(frozen=True, slots=True)
class StoredMask:
    """What a mask file holds, before it means anything.

    Attributes:
        values: Integers `(H, W)` or `(X, Y, Z)`, or colours `(H, W, 3)`.
        lossy: Whether the compression alters values (JPEG).
        affine: `(4, 4)` of a volume; `None` for a picture.
    """

    values: npt.NDArray[np.integer]
    lossy: bool = False
    affine: npt.NDArray[np.float64] | None = None

    @property
    def colored(self) -> bool:
        """Whether the values are colours."""
        return self.affine is None and self.values.ndim == 3


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
        near = sum(n for value, n in counts.items() if value < _NEAR or value > 255 - _NEAR)
        if total and near / total < self.least_bimodal:
            self.least_bimodal, self.least_bimodal_path = near / total, path

    @property
    def bimodal_share(self) -> float:
        """Share of all pixels within 64 of 0 or of 255."""
        near = sum(n for value, n in self.pixels.items() if value < _NEAR or value > 255 - _NEAR)
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
        unreadable: Errors of masks that could not be read.
    """

    exact: ValueCounts = field(default_factory=ValueCounts)
    lossy: ValueCounts = field(default_factory=ValueCounts)
    colored: ValueCounts = field(default_factory=ValueCounts)
    lossy_colors: bool = False
    zero_one: Path | None = None
    zero_255: Path | None = None
    one_and_255: Path | None = None
    unreadable: list[tuple[Path, DataError]] = field(default_factory=list)

    def add(self, mask: StoredMask, path: Path) -> None:
        """Count one mask."""
        if mask.colored:
            self.lossy_colors |= mask.lossy
            # Noise makes thousands of colours; what is beyond the cap is noise for certain.
            if len(self.colored.pixels) < _MAX_COLORS:
                codes, counts = np.unique(pack_colors(mask.values), return_counts=True)
                self.colored.add(dict(zip(codes.tolist(), counts.tolist(), strict=True)), path)
            return
        counts_of = _count_values(mask.values, path)
        (self.lossy if mask.lossy else self.exact).add(counts_of, path)
        if mask.lossy:
            return
        if 1 in counts_of and 255 in counts_of:
            self.one_and_255 = self.one_and_255 or path
        elif counts_of.keys() <= {0, 1} and 1 in counts_of:
            self.zero_one = self.zero_one or path
        elif counts_of.keys() <= {0, 255} and 255 in counts_of:
            self.zero_255 = self.zero_255 or path


def take_census(paths: Sequence[Path]) -> MaskCensus:
    """Read every mask once and count its values; what cannot be read is listed instead."""
    census = MaskCensus()
    for path in paths:
        try:
            census.add(read_stored_mask(path), path)
        except DataError as error:
            census.unreadable.append((path, error))
    return census


def read_stored_mask(path: Path) -> StoredMask:
    """Read a mask as it is stored.

    Palettes give their indices, except that of two entries with white first, whose
    brightness counts; equal colour channels are grey; alpha is dropped;
    floating-point values that are whole numbers (within 0.001) are integers.

    Raises:
        UnreadableFileError: If the file is damaged or holds several channels.
        MaskValueError: If values are not whole numbers.
    """
    if is_volume_path(path):
        stored, affine = read_stored_volume(path)
        if stored.shape[3] > 1:
            raise UnreadableFileError(
                path, f"holds {stored.shape[3]} channels where a mask has one",
                "store class numbers in a single volume",
            )  # fmt: skip
        return StoredMask(_whole_numbers(stored[..., 0], path), affine=affine)
    picture = decode_picture(path)
    image = picture.image
    if image.mode == "P" and not _is_white_first(image):
        return StoredMask(np.asarray(image), picture.lossy)
    if image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;"):
        return StoredMask(_whole_numbers(np.asarray(image), path), picture.lossy)
    if image.mode in ("LA", "La"):
        return StoredMask(np.asarray(image.getchannel(0)), picture.lossy)
    rgb = np.moveaxis(to_rgb(picture, path), 0, -1)
    if _is_grey(rgb, picture.lossy):
        return StoredMask(rgb[..., 1].copy(), picture.lossy)
    return StoredMask(rgb, picture.lossy)


def _is_white_first(image: Image.Image) -> bool:
    """Whether the palette is one of black and white in the wrong order, as optimisers write."""
    palette = image.getpalette("RGB") or []
    return palette[:6] == [255, 255, 255, 0, 0, 0] and not any(palette[6:])


def _is_grey(rgb: npt.NDArray[np.uint8], lossy: bool) -> bool:
    if lossy:
        spread = rgb.max(axis=-1) - rgb.min(axis=-1)
        return bool((spread <= _GREY_SPREAD).mean() >= _GREY_SHARE)
    return bool((rgb[..., 0] == rgb[..., 1]).all() and (rgb[..., 1] == rgb[..., 2]).all())


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
    low, high = int(values.min()), int(values.max())
    if high - low >= _MAX_SPAN:
        raise MaskValueError(
            f"{path}: holds values from {low} to {high}, which are no class numbers; "
            "check that this is a mask."
        )
    counts = np.zeros(high - low + 1, np.int64)
    flat = values.ravel(order="K")
    # bincount widens its input to 64 bits; in pieces, a large volume stays small.
    for start in range(0, flat.size, _CHUNK):
        piece = flat[start : start + _CHUNK].astype(np.int64) - low
        counts += np.bincount(piece, minlength=len(counts))
    return {low + int(index): int(counts[index]) for index in np.flatnonzero(counts)}
