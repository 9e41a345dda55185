"""How scans are brought into the form that networks see: settings that every model keeps."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from ecs_med.config.base import Settings

__all__ = [
    "MAX_CROP",
    "MAX_SIDE",
    "MAX_SPACING",
    "Orientation",
    "Percentiles",
    "Plane",
    "Preparation",
    "Spacing",
    "Window",
]

Plane = Literal["sagittal", "coronal", "axial"]
"""A plane of the body; slices of it follow one another from side to side, from back to front, or
from feet to head."""

Orientation = Literal["RAS", "stored"]
"""Along which axes a volume is sliced: those of the body, to the patient's right, front and head,
or those of its file, whatever they are."""

MAX_SIDE = 2**15
"""Longest side of a slice in pixels; more is refused before any memory is asked for."""

MAX_CROP = 2**12
"""Longest side of what is enlarged, or trained on at once, likewise."""

MAX_SPACING = 1000.0
"""Longest side of a pixel in mm."""


def _spacing(value: Any) -> Any:
    if value in ("auto", "none"):
        return value
    try:
        side = 0.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        side = 0.0
    if not 0 < side <= MAX_SPACING:
        raise ValueError(f"give auto, none, or mm above 0 and at most {MAX_SPACING:g}")
    return side


def _ascending(pair: tuple[float, float]) -> tuple[float, float]:
    if not pair[0] < pair[1]:
        raise ValueError("the lower one comes first, and both differ")
    return pair


Spacing = Annotated[Literal["auto", "none"] | float, BeforeValidator(_spacing)]
"""Side of a pixel in mm that slices are resampled to; `none`: as they are."""
Percent = Annotated[float, Field(ge=0, le=100)]
Window = Annotated[tuple[float, float], AfterValidator(_ascending)]
"""Lower and upper intensity."""
Percentiles = Annotated[tuple[Percent, Percent], AfterValidator(_ascending)]
"""Likewise, as shares of all."""


class Preparation(Settings):
    """How a scan is brought into the form that networks see; part of every saved model."""

    max_size: int = Field(0, ge=0, le=MAX_SIDE)
    """Longer side of a slice in pixels at most; larger slices are brought down to it, 0: never."""
    min_size: int = Field(0, ge=0, le=MAX_CROP)
    """Longer side of a slice in pixels at least; smaller slices are brought up to it, 0: never."""
    orientation: Orientation = "RAS"
    """Along which axes volumes are sliced; one without a position is always sliced as stored."""
    plane: Literal["auto", "sagittal", "coronal", "axial"] = "auto"
    """In which volumes are sliced; `auto`: across the axis of clearly coarsest spacing, else in the
    `usual_plane`. As stored, the axes of the file count as those of RAS."""
    usual_plane: Plane = "axial"
    """In which volumes are sliced whose voxels are not clearly coarser along one axis."""
    spacing_mm: float | None = Field(None, gt=0, le=MAX_SPACING)
    """Side of the pixels to which slices of volumes are brought before `max_size` and `min_size`
    are applied, in mm; `None`: pixels stay as they are."""
    slice_spacing_mm: float | None = Field(None, gt=0, le=MAX_SPACING)
    """Distance of slices to which volumes are resampled, in mm; `None`: it stays as it is."""
    window: Window | None = None
    """CT window (lower, upper), or `None` for percentiles."""
    percentiles: Percentiles = (0.5, 99.5)
    """Percentiles of a volume's own intensities that become 0 and 1."""
    field_of_view: Literal["off", "auto"] = "off"
    """`auto`: the border around an endoscope's field, see `ecs_med.data.field_of_view`, is black to
    networks, void in references and the first class in predictions; `off`: the whole frame."""
