"""What readers give: scans, their headers, stored masks, and what values of a result mean."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ecs_med.data.readers.grids import Affine, directions_of, spacing_of
from ecs_med.types import ScanKind

__all__ = ["ResultMeaning", "Scan", "ScanHeader", "StoredMask", "joined_channels"]


class _InSpace:
    __slots__ = ()
    affine: Affine | None
    kind: ScanKind

    @property
    def is_volume(self) -> bool:
        """Whether this is a volume."""
        return self.kind == "volume"

    @property
    def spacing_mm(self) -> tuple[float, float, float] | None:
        """Voxel sides in mm along the array axes; `None` without an affine."""
        return None if self.affine is None else spacing_of(self.affine)

    @property
    def directions(self) -> tuple[int, int, int] | None:
        """Axis of the body along which each array axis runs, see `directions_of`."""
        return None if self.affine is None else directions_of(self.affine)


@dataclass(frozen=True, slots=True)
class ScanHeader(_InSpace):
    """What the headers of a case's files say, before any pixel is decoded.

    Attributes:
        shape: `(H, W)` of a picture, `(X, Y, Z)` of a volume, `(T, H, W)` of a sequence.
        num_channels: 3 for pictures and sequences.
        affine: `(4, 4)`, voxel to RAS mm; `None` for what has no place in space.
        kind: What the scan is.
        has_position: Whether the affine is the file's own and not made up by its reader.
        other_affine: What the file says a second time of its place in space, where it does (the
            qform of a NIfTI file beside its sform).
    """

    shape: tuple[int, ...]
    num_channels: int
    affine: Affine | None
    kind: ScanKind
    has_position: bool = True
    other_affine: Affine | None = None

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """`shape`, as a `Scan` calls it."""
        return self.shape


@dataclass(frozen=True, slots=True)
class Scan(_InSpace):
    """The pixels of one case, on the grid of its files.

    Attributes:
        array: `(3, H, W)` uint8 for a picture, `(3, T, H, W)` uint8 for a sequence,
            `(C, X, Y, Z)` for a volume, axes as in the file: integers of up to 32 bits where the
            format stores them so (int16 of CT: half the memory), float32 else, all finite. Whoever
            calculates with voxels converts some slices at a time; sums of integers overflow.
        affine: `(4, 4)` float64, voxel to RAS mm; `None` for what has no place in space.
        kind: What the scan is.
        has_position: As in `ScanHeader`.

    Example:
        >>> import numpy as np
        >>> Scan(np.zeros((1, 4, 5, 6), np.float32), np.diag([2.0, 1, 1, 1]), "volume").spacing_mm
        (2.0, 1.0, 1.0)
    """

    array: npt.NDArray[np.generic]
    affine: Affine | None
    kind: ScanKind
    has_position: bool = True

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """As `ScanHeader.shape`."""
        return self.array.shape[1:]


@dataclass(frozen=True, slots=True)
class StoredMask:
    """What a mask file holds, before it means anything.

    Attributes:
        values: Numbers of the mask's spatial shape, or colours `(H, W, 3)`.
        kind: What the mask is drawn on.
        lossy: Whether the compression alters values (JPEG).
        colored: Whether the values are colours.
        affine: As in `Scan`.
        has_position: As in `ScanHeader`.
        orientation: The orientation tag of the file, which `values` have applied; `None`: it has
            none.
        palette: Packed colour (red in the highest byte) of each value that occurs, where a palette
            gives them; `None` for other masks.
        by_alpha: Whether transparency, and not colours, tells what is drawn.
        unlike_shown: Whether viewers show black and white exchanged, by a tag that the program
            that wrote the file does not mean.
        other_affine: As in `ScanHeader`.
        names: Name of each structure by the value that stands for it, where the file itself says
            so, as DICOM SEG and RTSTRUCT do; another file may give another value to the same name.
        overlaps: Of a file with `names`, values for pixels that lie in several structures, each
            with the values of these in the order of the file.
        drawn: Of a file with `names`, whether they are those of objects that somebody drew: what
            it does not name is not there, its numbers are its own, and `IGNORE_INDEX` is void.
    """

    values: npt.NDArray[Any]
    kind: ScanKind
    lossy: bool = False
    colored: bool = False
    affine: Affine | None = None
    has_position: bool = True
    orientation: int | None = None
    palette: Mapping[int, int] | None = None
    by_alpha: bool = False
    unlike_shown: bool = False
    other_affine: Affine | None = None
    names: Mapping[int, str] | None = None
    overlaps: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    drawn: bool = False


@dataclass(frozen=True, slots=True)
class ResultMeaning:
    """What the values of a label map mean, for formats that say so.

    Attributes:
        names: Class name by stored value, background first.
        codes: SNOMED codes by class name where the user gives them, see `codes_of` of DICOM.
    """

    names: Mapping[int, str]
    codes: Mapping[str, Mapping[str, Any]] | None = None


def joined_channels(arrays: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """The channels of several files as one array of a type that a `Scan` may have.

    Args:
        arrays: `(C, X, Y, Z)`, integers or floating point, of one grid.

    Returns:
        All channels; float32 where no integer of up to 32 bits holds every type.

    Example:
        >>> pair = [np.zeros((1, 2, 2, 2), kind) for kind in (np.int16, np.uint8)]
        >>> joined_channels(pair).shape, joined_channels(pair).dtype
        ((2, 2, 2, 2), dtype('int16'))
    """
    if len(arrays) == 1:
        return arrays[0]
    kind = np.result_type(*arrays)
    if kind.kind not in "iu" or kind.itemsize > 4:
        kind = np.dtype(np.float32)
    return np.concatenate(arrays, dtype=kind, casting="unsafe")
