"""Settings of what happens to training images at random."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ecs_med.config.base import Settings

__all__ = ["AugmentationSettings", "StrongSettings"]


class StrongSettings(Settings):
    """Strongly varied views of unlabelled images, for methods that learn from them.

    The defaults are those of FixMatch for segmentation as Yang et al. 2023 ("Revisiting Weak-to-
    Strong Consistency", UniMatch) state them. Colour is varied in RGB pictures alone.
    """

    jitter: float = Field(0.5, ge=0, le=1)
    """Strength of random brightness, contrast and saturation."""
    hue: float = Field(0.25, ge=0, le=0.5)
    """Largest rotation of the hue, in turns."""
    jitter_share: float = Field(0.8, ge=0, le=1)
    """Share of the images that are jittered."""
    grey_share: float = Field(0.2, ge=0, le=1)
    """Share of the RGB pictures that become grey."""
    blur_share: float = Field(0.5, ge=0, le=1)
    """Share of the images that are blurred, by a Gaussian of 0.1 to 2 pixels."""
    cutmix: float = Field(0.5, ge=0, le=1)
    """Share of the images that get a box of another image."""
    cutmix_area: tuple[float, float] = (0.02, 0.4)
    """Range of the share of the image that the box covers."""
    zoom: tuple[float, float] = (1.0, 1.0)
    """Range of the side of a random window, as a share of the image's, that is brought to its
    size."""

    @model_validator(mode="after")
    def _check_ranges(self) -> Self:
        for name in ("cutmix_area", "zoom"):
            low, high = getattr(self, name)
            if not 0 < low <= high <= 1:
                raise ValueError(f"{name} must be two numbers, 0 < lowest <= highest <= 1")
        return self


class AugmentationSettings(Settings):
    """Random transforms of training images; the default is the paper's crop and flip."""

    flip: bool = True
    """Mirror left and right with probability 1/2, of volumes those of the body."""
    flip_vertical: bool | Literal["auto"] = "auto"
    """Mirror top and bottom, of axial slices front and back, with probability 1/2; `auto`: where
    images are taken to have no up (pictures in colour that are no photographs), see
    `ecs_med.training.augmentation`."""
    rotate: bool | Literal["auto"] = "auto"
    """Turn by 0, 90, 180 or 270 degrees, each with probability 1/4; `auto`: as for
    `flip_vertical`."""
    scale: tuple[float, float] = (1.0, 1.0)
    """Range of the random zoom before cropping; `(0.5, 2.0)` is common."""
    jitter: float = Field(0.0, ge=0, le=1)
    """Strength of random brightness, contrast and, in RGB pictures, saturation."""
    strong: StrongSettings = StrongSettings()
    """Strongly varied views of unlabelled images, for methods that learn from them."""

    @model_validator(mode="after")
    def _check_scale(self) -> Self:
        if not 0.1 <= self.scale[0] <= self.scale[1] <= 10:
            raise ValueError("scale must be two numbers, 0.1 <= lowest <= highest <= 10")
        return self
