"""How the grid of a scan becomes slices: in which order of axes, along which, and of what size.

Two kinds of axes must not be mixed up. A file stores its axes in any order and direction; results,
references and what is drawn are on that grid. Networks see the slices of the turned grid, whose
axes run to the patient's right, front and head (RAS), whatever the file is like. Turning is a view
of the same memory, so what is written into the turned view of an array lies on the file's grid.
"""

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from ecs_med.config import Preparation
from ecs_med.config.preparation import MAX_SIDE
from ecs_med.data.planes import InSpace, is_turned, slice_axis
from ecs_med.data.readers.grids import Affine, orientation_of
from ecs_med.errors import SettingsError

__all__ = [
    "Slicing",
    "mirror_axes",
    "pixel_sides_mm",
    "prepared_depth",
    "prepared_size",
    "slicing_of",
    "target_size",
]

Value = TypeVar("Value", bound=np.generic)


class _OnGrid(InSpace, Protocol):
    @property
    def affine(self) -> Affine | None: ...


@dataclass(frozen=True, slots=True)
class Slicing:
    """How one scan is sliced.

    Attributes:
        shape: Of the turned grid: `(H, W)` of a picture, `(X, Y, Z)` of a volume.
        along: Axis of the turned grid along which slices follow one another, 0 for pictures.
        order: Axis of the file by axis of the turned grid; empty for pictures.
        flipped: Whether that axis runs the other way in the file; likewise.
        size: Height and width of the slices that networks see, in pixels.
        depth: Number of the slices that networks see; that of the scan, unless it is resampled.
    """

    shape: tuple[int, ...]
    along: int
    order: tuple[int, ...]
    flipped: tuple[bool, ...]
    size: tuple[int, int]
    depth: int

    @property
    def axis(self) -> int:
        """Axis of the file along which slices follow one another, 0 for pictures."""
        return self.order[self.along] if self.order else 0

    @property
    def num_slices(self) -> int:
        """Slices of the scan, 1 for a picture."""
        return self.shape[self.along] if self.order else 1

    def turned(self, array: npt.NDArray[Value]) -> npt.NDArray[Value]:
        """An array on the grid of the file, seen with the axes that are sliced.

        Args:
            array: `(..., H, W)` or `(..., X, Y, Z)`.

        Returns:
            A view: what is written into it is written into `array`.
        """
        lead = array.ndim - len(self.order)
        axes = (*range(lead), *(lead + axis for axis in self.order))
        steps = (slice(None, None, -1 if flipped else 1) for flipped in self.flipped)
        place: tuple[Any, ...] = (..., *steps)
        seen: npt.NDArray[Value] = array.transpose(axes)[place]
        return seen

    def stack(self, array: npt.NDArray[Value]) -> npt.NDArray[Value]:
        """The slices of an array on the grid of the file, one after the other.

        Args:
            array: As for `turned`.

        Returns:
            `(D, ..., h, w)`, a view; D = 1 for a picture.
        """
        if not self.order:
            return array[None]
        return np.moveaxis(self.turned(array), self.along - len(self.order), 0)

    def across(self, index: int) -> int:
        """The layer of the file along `axis` that slice `index` is, and the other way round."""
        flipped = bool(self.order) and self.flipped[self.along]
        return self.num_slices - 1 - index if flipped else index


def slicing_of(scan: _OnGrid, preparation: Preparation) -> Slicing:
    """How a scan is sliced.

    Args:
        scan: A scan, or its header.
        preparation: The settings.

    Raises:
        SettingsError: If its slices would become larger than any network takes.
    """
    shape = scan.spatial_shape
    size = prepared_size(scan, preparation)
    if not scan.is_volume or scan.affine is None:
        order = tuple(range(len(shape))) if scan.is_volume else ()
        depth = shape[0] if order else 1
        return Slicing(shape, 0, order, (False,) * len(order), size, depth)
    axis = slice_axis(scan, preparation)
    depth = prepared_depth(scan, preparation)
    if not is_turned(scan, preparation.orientation):
        return Slicing(shape, axis, (0, 1, 2), (False,) * 3, size, depth)
    found = orientation_of(scan.affine)
    order = tuple(int(place) for place in np.argsort(found[:, 0]))
    return Slicing(
        shape=tuple(shape[place] for place in order),
        along=order.index(axis),
        order=order,
        flipped=tuple(bool(found[place, 1] < 0) for place in order),
        size=size,
        depth=depth,
    )


def prepared_depth(scan: InSpace, preparation: Preparation) -> int:
    """Number of the slices of a volume as networks see them.

    Raises:
        SettingsError: If they would become more than any network takes.
    """
    axis = slice_axis(scan, preparation)
    count, wanted = scan.spatial_shape[axis], preparation.slice_spacing_mm
    if wanted is None or scan.spacing_mm is None:
        return count
    found = max(1, round(count * scan.spacing_mm[axis] / wanted))
    if found > MAX_SIDE:
        raise SettingsError(
            f"{count:,} slices at {scan.spacing_mm[axis]:.3g} mm would become {found:,} at "
            f"`slice_spacing={wanted:g}`, and {MAX_SIDE:,} are the most that are taken; choose a "
            "larger `slice_spacing`."
        )
    return found


def prepared_size(scan: InSpace, preparation: Preparation) -> tuple[int, int]:
    """Height and width of the slices of a scan as networks see them, in pixels.

    Pixels are brought to `spacing_mm` first, and the longer side into its bounds then, by one
    interpolation.

    Raises:
        SettingsError: If they would become larger than any network takes.
    """
    if not scan.is_volume:
        return target_size(scan.spatial_shape[-2:], preparation.max_size, preparation.min_size)
    size = tuple(scan.spatial_shape[place] for place in _in_plane(scan, preparation))
    spacing, pixels = preparation.spacing_mm, pixel_sides_mm(scan, preparation)
    if spacing is None or pixels is None:
        return target_size(size, preparation.max_size, preparation.min_size)
    wanted = [max(1, round(n * side / spacing)) for n, side in zip(size, pixels, strict=True)]
    found = target_size(tuple(wanted), preparation.max_size, preparation.min_size)
    if max(found) > MAX_SIDE:
        raise SettingsError(
            f"Slices of {size[0]} x {size[1]} pixels of {pixels[0]:.3g} x {pixels[1]:.3g} mm would "
            f"have {found[0]:,} x {found[1]:,} at `spacing={spacing:g}`, and {MAX_SIDE:,} is the "
            "longest side that is taken; choose a larger `spacing`, or bound them by `max_size`."
        )
    return found


def mirror_axes(scan: InSpace, preparation: Preparation) -> tuple[int, int]:
    """Along which axes of a stack of slices `(D, H, W)` left and right, top and bottom lie.

    Of a volume they are those of the body: left and right, and foot and head or, in axial slices,
    back and front. In sagittal slices left and right are 0, from slice to slice. What is not in
    space is taken as it is stored, like a picture.

    Args:
        scan: A scan, or its header.
        preparation: The settings.
    """
    if not scan.is_volume or scan.directions is None or not scan.has_position:
        return 2, 1
    stored = [slice_axis(scan, preparation), *_in_plane(scan, preparation)]
    of_body = [scan.directions[axis] for axis in stored]
    return of_body.index(0), of_body.index(1 if of_body[0] == 2 else 2)


def pixel_sides_mm(scan: InSpace, preparation: Preparation) -> tuple[float, float] | None:
    """Height and width of a pixel of the slices of a scan; `None` for what is not in space."""
    if not scan.is_volume or scan.spacing_mm is None:
        return None
    rows, columns = _in_plane(scan, preparation)
    return scan.spacing_mm[rows], scan.spacing_mm[columns]


def _in_plane(scan: InSpace, preparation: Preparation) -> list[int]:
    """Axes of the file of a volume that become rows and columns."""
    axis = slice_axis(scan, preparation)
    found = [place for place in range(3) if place != axis]
    if scan.directions is not None and is_turned(scan, preparation.orientation):
        found.sort(key=scan.directions.__getitem__)
    return found


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
