"""Settings of what a run reads, how it is prepared, and how training images are varied."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ecs_med.config.base import Settings

__all__ = ["AugmentationSettings", "Preparation", "ReadingSettings"]


class ReadingSettings(Settings):
    """How files become cases, and stored values become classes and intensities."""

    layout: str = "auto"
    """Name of the layout, or `auto` to recognise it."""
    patient: str = "auto"
    """Where the patient of a case is known from: `none`, `folder` (the innermost one that is not
    part of the layout), `column` (of a list file), `regex:PATTERN` with one group searched in the
    path, or `auto` (the column where a list has one, else none)."""
    mask_values: tuple[int, ...] | None = None
    """Stored value of each class in order, such as `(0, 50, 100)`; `None` to understand it."""
    mask_threshold: int | None = Field(None, ge=1, le=255)
    """Two classes: stored values from here on are class 1; `None` to understand it."""
    mask_colors: tuple[tuple[int, int, int], ...] | None = None
    """RGB colour of each class in order, for colour-coded masks."""
    void_values: tuple[int, ...] | None = None
    """Stored values to ignore; `None`: 255 where the masks are label maps."""
    class_names: tuple[str, ...] | None = None
    """Names in class order, background first; `None`: from the data set, else numbered."""
    axis: Literal["auto", "0", "1", "2"] = "auto"
    """Array axis along which volumes are sliced; `auto`: the axis of coarsest spacing."""
    window: tuple[float, float] | None = None
    """CT window (lower, upper) in the units of the file (HU); `None`: percentiles."""
    percentiles: tuple[float, float] = (0.5, 99.5)
    """Percentiles of a volume's own intensities that become 0 and 1."""


class Preparation(Settings):
    """How a scan is brought into the form that networks see; part of every saved model."""

    max_size: int = 0
    """Longer side of a slice in pixels at most; larger slices are brought down to it, 0: never."""
    min_size: int = 0
    """Longer side of a slice in pixels at least; smaller slices are brought up to it, 0: never."""
    axis: Literal["auto", "0", "1", "2"] = "auto"
    """Array axis along which volumes are sliced; `auto`: the axis of coarsest spacing."""
    window: tuple[float, float] | None = None
    """CT window (lower, upper), or `None` for percentiles."""
    percentiles: tuple[float, float] = (0.5, 99.5)
    """Percentiles of a volume's own intensities that become 0 and 1."""


class AugmentationSettings(Settings):
    """Random transforms of training images; the default is the paper's crop and flip."""

    flip: bool = True
    """Mirror left and right with probability 1/2."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Range of the random zoom before cropping; `(0.5, 2.0)` is common."""
    jitter: float = Field(0.0, ge=0, le=1)
    """Strength of random brightness, contrast and, in RGB pictures, saturation."""

    @model_validator(mode="after")
    def _check_scale(self) -> Self:
        if not 0.1 <= self.scale[0] <= self.scale[1] <= 10:
            raise ValueError("scale must be two numbers, 0.1 <= lowest <= highest <= 10")
        return self
