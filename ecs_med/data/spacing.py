"""One size of pixels for a data set, where those of its volumes differ much.

Networks do not know millimetres: an organ of twice the pixels is another thing to them. Where the
sides of pixels in the plane of the slices vary by more than `FACTOR` over the volumes of a data
set, all are resampled to the median side; where they do not, nothing is, since interpolation costs
detail. The bounds of the size in pixels are applied after that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Self

from ecs_med.config import Preparation
from ecs_med.config.preparation import MAX_SPACING
from ecs_med.data.planes import InSpace, slice_axis
from ecs_med.data.slicing import pixel_sides_mm

__all__ = ["FACTOR", "PixelSides", "SliceDistances"]

FACTOR = 1.5
"""Between the smallest and the largest side of a pixel; beyond it slices are resampled."""


@dataclass(frozen=True, slots=True)
class _Lengths:
    """Lengths of the voxels of a data set along some axes, and what follows from them.

    Attributes:
        smallest: In mm, over all volumes and these axes.
        largest: Likewise.
        median: Likewise.
    """

    smallest: float
    largest: float
    median: float

    @classmethod
    def _of(cls, lengths: Sequence[float]) -> Self | None:
        return cls(min(lengths), max(lengths), median(lengths)) if lengths else None

    @property
    def wanted(self) -> float | None:
        """The length that `auto` resamples to; `None`: it leaves them as they are."""
        if self.largest <= FACTOR * self.smallest:
            return None
        return min(self.median, MAX_SPACING)


class PixelSides(_Lengths):
    """Sides of the pixels of a data set's slices, along both axes."""

    __slots__ = ()

    @classmethod
    def of(cls, volumes: Iterable[InSpace], preparation: Preparation) -> Self | None:
        """What the headers of some volumes say; `None` where none of them is in space."""
        found = [pixel_sides_mm(volume, preparation) for volume in volumes]
        return cls._of([side for pixel in found if pixel is not None for side in pixel])

    def sentence(self) -> str:
        """What differs, and what is done about it.

        Example:
            >>> PixelSides(0.5, 1.0, 0.8).sentence()  # doctest: +NORMALIZE_WHITESPACE
            'Pixels of slices measure 0.5 to 1 mm, so all slices are resampled to pixels of 0.8 mm;
            `spacing=none` leaves them as they are.'
        """
        measured = f"Pixels of slices measure {self.smallest:.3g} to {self.largest:.3g} mm"
        if self.wanted is None:
            return f"{measured}, which is near enough to leave them as they are."
        return (
            f"{measured}, so all slices are resampled to pixels of {self.wanted:.3g} mm; "
            "`spacing=none` leaves them as they are."
        )


class SliceDistances(_Lengths):
    """Distances of the slices of a data set; for networks of volumes."""

    __slots__ = ()

    @classmethod
    def of(cls, volumes: Iterable[InSpace], preparation: Preparation) -> Self | None:
        """What the headers of some volumes say; `None` where none of them is in space."""
        return cls._of(
            [
                volume.spacing_mm[slice_axis(volume, preparation)]
                for volume in volumes
                if volume.is_volume and volume.spacing_mm is not None
            ]
        )

    def sentence(self) -> str:
        """What differs, and what is done about it.

        Example:
            >>> SliceDistances(1, 5, 2.5).sentence()  # doctest: +NORMALIZE_WHITESPACE
            'Slices lie 1 to 5 mm apart, so volumes are resampled to slices every 2.5 mm;
            `slice_spacing=none` leaves them as they are.'
        """
        return (
            f"Slices lie {self.smallest:.3g} to {self.largest:.3g} mm apart, so volumes are "
            f"resampled to slices every {self.wanted or self.median:.3g} mm; `slice_spacing=none` "
            "leaves them as they are."
        )
