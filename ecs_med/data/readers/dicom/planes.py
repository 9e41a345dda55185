"""Slices in space: what each says of itself, and whether several can be of one volume."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecs_med.errors import UnreadableFileError

__all__ = [
    "SAME_ORIENTATION",
    "Directions",
    "Plane",
    "Vector",
    "directions_of_planes",
    "ordered_planes",
    "require_alike",
]

Vector = tuple[float, ...]

SAME_ORIENTATION = 1e-3
"""Direction cosines that differ less are the same: headers are rounded."""


@dataclass(frozen=True, slots=True)
class Plane:
    """One slice: where it lies, and what its stored values stand for.

    Attributes:
        path: The file.
        frame: Which of its frames, from 0; `None` for a file of one.
        rows: Number of rows.
        columns: Number of columns.
        position: `(3,)`, centre of the first pixel in mm, to the left, back and head.
        orientation: `(6,)`, direction in which columns count up, then that of rows.
        spacing: `(2,)` mm from row to row, and from column to column.
        spacing_between: Distance of slices in mm, by the header's word.
        thickness: Of the slice in mm, which is no distance.
        slope: Real values are `slope * stored + intercept`.
        intercept: See `slope`.
        padding: Lowest and highest stored value that stand for "nothing here".
        dark_is_high: Whether high values are shown dark (MONOCHROME1).
        sop_instance_uid: Identifier of the file: never shown.
    """

    path: Path
    frame: int | None
    rows: int
    columns: int
    position: Vector | None = None
    orientation: Vector | None = None
    spacing: Vector | None = None
    spacing_between: float | None = None
    thickness: float | None = None
    slope: float = 1.0
    intercept: float = 0.0
    padding: tuple[int, int] | None = None
    dark_is_high: bool = False
    sop_instance_uid: str = ""

    def beside(self, other: "Plane") -> str:
        """File and frame, for a message that begins with the file of another slice."""
        if self.frame is not None and self.path == other.path:
            return f"frame {self.frame + 1}"
        together = self.path.parent == other.path.parent
        file = self.path.name if together else str(self.path)
        return file if self.frame is None else f"frame {self.frame + 1} of {file}"

    @property
    def itself(self) -> str:
        """How a sentence about it goes on after the file: empty, or the frame and a blank."""
        return "" if self.frame is None else f"its frame {self.frame + 1} "


@dataclass(frozen=True, slots=True)
class Directions:
    """Axes of slices in DICOM's space (left, back, head).

    Attributes:
        columns: `(3,)` unit vector along which columns count up.
        rows: `(3,)` unit vector along which rows count up.
    """

    columns: npt.NDArray[np.float64]
    rows: npt.NDArray[np.float64]

    @property
    def normal(self) -> npt.NDArray[np.float64]:
        """`(3,)` unit vector across the slices."""
        across: npt.NDArray[np.float64] = np.cross(self.columns, self.rows)
        return across / np.linalg.norm(across)


def require_alike(planes: Sequence[Plane]) -> None:
    """Refuse slices that cannot be of one volume.

    Raises:
        UnreadableFileError: If one does not say where it lies or has no values, or differs from the
            others in size, sides or orientation.
    """
    first = planes[0]
    for plane in planes:
        for value, name in (
            (plane.position, "ImagePositionPatient"),
            (plane.orientation, "ImageOrientationPatient"),
            (plane.spacing, "PixelSpacing"),
        ):
            if value is None:
                raise UnreadableFileError(
                    plane.path, f"{plane.itself}does not say where it lies: it has no {name}",
                    "export the series again with its geometry, or convert it to NIfTI",
                )  # fmt: skip
        if min(plane.spacing or ()) <= 0:
            raise UnreadableFileError(
                plane.path, f"{plane.itself}has pixels of no size (PixelSpacing)",
                "export it again",
            )  # fmt: skip
        if plane.slope == 0:
            raise UnreadableFileError(
                plane.path, f"{plane.itself}has a RescaleSlope of 0, so that all its values are "
                "one", "export it again",
            )  # fmt: skip
        difference = _difference(plane, first)
        if difference:
            raise UnreadableFileError(
                plane.path, f"{plane.itself}{difference} {first.beside(plane)}",
                "give the files of one series only",
            )  # fmt: skip


def _difference(plane: Plane, first: Plane) -> str:
    """What keeps a slice from being one of the same volume, up to the name of the other."""
    if (plane.rows, plane.columns) != (first.rows, first.columns):
        return (
            f"has {plane.columns} x {plane.rows} pixels, not the {first.columns} x {first.rows} of"
        )
    if not np.allclose(plane.spacing or (), first.spacing or (), rtol=1e-3, atol=0):
        return "has pixels of another size than"
    if not np.allclose(plane.orientation or (), first.orientation or (), 0, SAME_ORIENTATION):
        return "lies in another direction than"
    return ""


def directions_of_planes(planes: Sequence[Plane]) -> Directions:
    """The directions of most slices, at unit length.

    Raises:
        UnreadableFileError: If they are not perpendicular.
    """
    columns, rows = np.median([plane.orientation for plane in planes], axis=0).reshape(2, 3)
    lengths = np.linalg.norm(columns), np.linalg.norm(rows)
    if max(abs(lengths[0] - 1), abs(lengths[1] - 1), abs(columns @ rows)) > 10 * SAME_ORIENTATION:
        raise UnreadableFileError(
            planes[0].path, "its ImageOrientationPatient is no pair of perpendicular directions",
            "export the series again",
        )  # fmt: skip
    return Directions(columns / lengths[0], rows / lengths[1])


def ordered_planes(planes: Sequence[Plane], directions: Directions) -> tuple[Plane, ...]:
    """Slices in order along their normal."""
    heights = np.array([plane.position for plane in planes]) @ directions.normal
    return tuple(planes[index] for index in np.argsort(heights, kind="stable"))
