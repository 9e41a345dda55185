"""How the values that masks store map onto classes, in both directions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import model_validator

from ecs_med.config import OutsideMask, Settings
from ecs_med.config.reading import StoredValue
from ecs_med.data.masks.census import describe_values, joined, value_range
from ecs_med.data.masks.colors import Color, pack_colors, rgb_of
from ecs_med.data.masks.structures import Structures
from ecs_med.data.readers import StoredMask
from ecs_med.errors import MaskValueError
from ecs_med.types import IGNORE_INDEX, UNLABELED_INDEX

__all__ = ["LabelScheme", "default_class_names"]

MAX_CLASSES = 254
"""Class indices are uint8; 255 is void and 254 is kept for values that are no class."""

_UNKNOWN = 254
_NUM_SHOWN = 10


def default_class_names(num_classes: int) -> tuple[str, ...]:
    """Names where the data set gives none.

    Example:
        >>> default_class_names(2), default_class_names(3)
        (('background', 'foreground'), ('background', 'class 1', 'class 2'))
    """
    if num_classes == 2:
        return ("background", "foreground")
    return ("background", *(f"class {index}" for index in range(1, num_classes)))


class LabelScheme(Settings):
    """Maps stored mask values onto class indices 0..N-1 and `IGNORE_INDEX`.

    One of `values`, `threshold` and `colors` is set; where none is given, the
    stored values are the class indices.
    """

    class_names: tuple[str, ...]
    """Names in class order, background first; their number is the number of classes."""
    values: tuple[StoredValue, ...] | None = None
    """Stored value of each class."""
    threshold: StoredValue | None = None
    """Two classes: stored values from here on are class 1."""
    colors: tuple[Color, ...] | None = None
    """RGB colour of each class, 0..255."""
    void_values: tuple[StoredValue, ...] = ()
    """Stored values that mean void; colours have none."""
    unlabeled_values: tuple[StoredValue, ...] = ()
    """Stored values of pixels that nobody has annotated, as around scribbles and under nnU-Net's
    `ignore` label: void too, but what they show may be learned as unlabelled images are."""
    nearest: bool = False
    """Whether values or colours that are no class become the nearest class, as lossy
    compression asks for, instead of being refused."""
    outside: OutsideMask = "ask"
    """What voxels of a volume are that its mask does not cover."""
    structures: Structures | None = None
    """Which of `values` each structure has in masks that name theirs; `None`: there were none."""

    @model_validator(mode="before")
    @classmethod
    def _count_from_zero(cls, fields: Any) -> Any:
        if isinstance(fields, Mapping):
            given = [name for name in ("values", "threshold", "colors") if fields.get(name)]
            if len(given) > 1:
                raise ValueError(f"{given[0]} and {given[1]} exclude each other")
            if not given:
                names = fields.get("class_names", ())
                count = len(names) if isinstance(names, list | tuple) else 0
                return {**fields, "values": tuple(range(count))}
        return fields

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if not 2 <= self.num_classes <= MAX_CLASSES:
            raise ValueError(f"2 to {MAX_CLASSES} classes, got {self.num_classes}")
        if self.threshold is not None and self.num_classes != 2:
            raise ValueError(f"a threshold makes 2 classes, got {self.num_classes} names")
        table: Sequence[object] | None = self.values if self.values is not None else self.colors
        if table is not None and len(table) != self.num_classes:
            raise ValueError(f"{len(table)} stored values for {self.num_classes} class names")
        if table is not None and len(set(table)) != len(table):
            raise ValueError("two classes share one stored value")
        if set(self.values or ()) & set(self.void_values):
            raise ValueError("a stored value is both a class and void")
        if set(self.unlabeled_values) & {*(self.values or ()), *self.void_values}:
            raise ValueError("a stored value is both unlabelled and a class or void")
        if self.unlabeled_values and (self.colors is not None or self.nearest):
            raise ValueError("masks that are colour-coded or JPEG have no unlabelled value")
        return self

    @property
    def num_classes(self) -> int:
        """Number of classes, background included."""
        return len(self.class_names)

    def labels_of(
        self, stored: StoredMask, path: Path, *, keep_unlabeled: bool = False
    ) -> npt.NDArray[np.uint8]:
        """Class indices of a mask; of a palette mask by its colours, where colours tell classes.

        Arguments, result and errors as of `encode`.

        Args:
            stored: As it was read.
            path: Its file.
            keep_unlabeled: Whether pixels that nobody has annotated are told from other void ones,
                by `UNLABELED_INDEX`.
        """
        values, colored = stored.values, stored.colored
        if self.structures is not None and stored.names is not None:
            values = self.structures.numbered(stored, path)
        if self.colors is not None and stored.palette is not None:
            color_of = np.zeros((256, 3), np.uint8)
            color_of[list(stored.palette)] = [rgb_of(code) for code in stored.palette.values()]
            values, colored = color_of[values], True
        labels = self.encode(values, path, colored=colored, lossy=stored.lossy)
        if keep_unlabeled and self.unlabeled_values:
            labels[np.isin(values, self.unlabeled_values)] = UNLABELED_INDEX
        return labels

    def encode(
        self,
        raw: npt.NDArray[np.generic],
        path: Path,
        *,
        colored: bool = False,
        lossy: bool = False,
    ) -> npt.NDArray[np.uint8]:
        """Class indices of stored values.

        Args:
            raw: `(H, W)` or `(X, Y, Z)` integers, or `(H, W, 3)` colours.
            path: The mask's file, for messages.
            colored: Whether `raw` holds colours.
            lossy: Whether the compression of the file alters values.

        Returns:
            Spatial shape of `raw`, uint8: class indices, `IGNORE_INDEX` where void.

        Raises:
            MaskValueError: If values are no class; names the file, the counts and the option.
        """
        if self.colors is not None:
            rgb = raw if colored else np.repeat(raw[..., None], 3, axis=-1)
            return self._encode_colors(rgb, self.colors, path)
        if colored:
            codes, counts = np.unique(pack_colors(raw), return_counts=True)
            found = describe_values(dict(zip(codes, counts, strict=True)), colors=True)
            raise MaskValueError(
                f"{path}: is colour-coded ({found}); give the colour of every class with "
                "`mask_colors`, or store class numbers."
            )
        if raw.dtype.kind == "f" and not np.array_equal(raw, np.rint(raw)):
            raise MaskValueError(
                f"{path}: holds values that are not whole numbers; export it again."
            )
        if raw.size == 0:
            return np.zeros(raw.shape, np.uint8)
        low, high = value_range(raw, path)
        if (self.threshold or 0) > 1 and (low, high) == (0, 1) and not lossy:
            # Noise of lossy files may end at 1 as well, so they are let through.
            raise MaskValueError(
                f"{path}: holds the values 0 and 1, where the masks of this data set are read "
                f"with a threshold of {self.threshold}; store 0 and 255, or set `mask_threshold=1`."
            )
        table = self._table(low, high)
        labels = np.empty_like(raw, np.uint8)
        # In pieces, because indices take 8 bytes each, and along the slowest axis, which is the
        # last one of volumes as they come from NIfTI files.
        slow_last = raw.flags.f_contiguous
        for part, values in zip(*(a.T if slow_last else a for a in (labels, raw)), strict=True):
            part[...] = table[values.astype(np.intp) - low]
        if (labels == _UNKNOWN).any():
            raise self._unknown(raw, labels, path)
        return labels

    def decode(self, labels: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
        """Stored values of class indices, for writing predictions.

        A list of values maps back onto itself, so that a prediction reads like the
        data set's own masks. Two-class masks of 0 and 255 (or 65535), thresholds
        and colours keep class indices: a label map of 0 and 1 is what tools expect.

        Args:
            labels: Class indices of any shape, `IGNORE_INDEX` where void.

        Returns:
            Same shape; uint8 where all values fit, else int32. Void becomes the
            first of `void_values`, or `IGNORE_INDEX`.
        """
        stored = self.values
        if stored is None or stored in ((0, 255), (0, 65535)):
            stored = tuple(range(self.num_classes))
        void = self.void_values[0] if self.void_values else IGNORE_INDEX
        fits = min(*stored, void) >= 0 and max(*stored, void) <= 255
        table = np.full(256, void, np.uint8 if fits else np.int32)
        table[: len(stored)] = stored
        decoded: npt.NDArray[np.integer] = table[labels]
        return decoded

    def _table(self, low: int, high: int) -> npt.NDArray[np.uint8]:
        """Class index of each stored value from `low` to `high`."""
        span = np.arange(low, high + 1)
        if self.threshold is not None:
            table = (span >= self.threshold).astype(np.uint8)
        elif self.nearest:
            # Void values have noise around them as well, so they compete with the classes.
            known = np.array([*(self.values or ()), *self.void_values])
            nearest = np.abs(span[:, None] - known[None]).argmin(axis=1)
            table = np.where(nearest < self.num_classes, nearest, IGNORE_INDEX).astype(np.uint8)
        else:
            table = np.full(len(span), _UNKNOWN, np.uint8)
            for index, value in enumerate(self.values or ()):
                if low <= value <= high:
                    table[value - low] = index
        for value in (*self.void_values, *self.unlabeled_values):
            if low <= value <= high:
                table[value - low] = IGNORE_INDEX
        return table

    def _encode_colors(
        self, rgb: npt.NDArray[np.generic], colors: tuple[Color, ...], path: Path
    ) -> npt.NDArray[np.uint8]:
        codes, inverse, counts = np.unique(
            pack_colors(rgb), return_inverse=True, return_counts=True
        )
        known = np.array(colors, np.int64)
        found = np.stack([codes >> 16, codes >> 8 & 255, codes & 255], axis=-1)
        distance = np.stack([np.abs(found - color).max(axis=-1) for color in known], axis=-1)
        table = distance.argmin(axis=-1).astype(np.uint8)
        strange = distance.min(axis=-1) > 0
        if strange.any() and not self.nearest:
            strange_counts = dict(zip(codes[strange], counts[strange], strict=True))
            found_colors = describe_values(strange_counts, colors=True)
            raise MaskValueError(
                f"{path}: holds colours that are no class ({found_colors}); correct the mask, "
                "or give the colour of every class with `mask_colors`."
            )
        labels: npt.NDArray[np.uint8] = table[inverse].reshape(rgb.shape[:-1])
        return labels

    def _unknown(
        self, raw: npt.NDArray[np.generic], labels: npt.NDArray[np.uint8], path: Path
    ) -> MaskValueError:
        values, counts = np.unique(raw, return_counts=True)
        found = describe_values(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        strange = [int(value) for value in np.unique(raw[labels == _UNKNOWN])]
        remedy = "correct the mask, or "
        if len(strange) <= _NUM_SHOWN:
            table = joined(sorted({*(self.values or ()), *strange}))
            remedy += f"give the stored value of every class with `mask_values={table}`"
        elif self.num_classes == 2 and value_range(raw, path) == (0, 255):
            remedy += "if all masks are black and white with noise or soft edges give "
            remedy += "`mask_threshold=128`"
        else:
            remedy = "so many values are noise, or no classes: store class numbers as PNG"
        return MaskValueError(
            f"{path}: holds {_listed(strange)}, no class of this data set (found {found}); "
            f"{remedy}."
        )


def _listed(values: Sequence[int]) -> str:
    shown = ", ".join(str(value) for value in values[:_NUM_SHOWN])
    more = ", ..." if len(values) > _NUM_SHOWN else ""
    return f"the value {shown}" if len(values) == 1 else f"the values {shown}{more}"
