"""What a protocol fixes: how every method is trained and scored on one data set."""

import math
from typing import Any, Literal, Self

from pydantic import Field

from ecs_med.config import AugmentationSettings, OptimizerSettings, Settings
from ecs_med.errors import SettingsError

__all__ = ["Protocol"]

_SMALLEST_CROP = 32
_FEWEST_ITERATIONS = 4


class Protocol(Settings):
    """Settings that all methods of a benchmark share.

    Every method takes equally many steps from the same first weights on the same labelled images
    of a seed.
    """

    name: str
    """As `ecs-med benchmark` calls it, and as `published.csv` calls the data set."""
    title: str
    """As people call the data set."""
    is_published: bool
    """Whether it is the protocol of the paper, so that the paper's tables can be reproduced."""
    budgets: tuple[str, ...]
    """Labelled budgets, as `labeled` takes them."""
    seeds: tuple[int, ...] = tuple(range(10))
    """Each draws a labelled subset, the same for every method."""
    crop: int = Field(ge=_SMALLEST_CROP)
    """Side of the square training crop in pixels, zero-padded where the image is smaller."""
    max_size: int = Field(0, ge=0)
    """Longer side in pixels to which larger images are brought down before cropping; 0: never."""
    min_size: int | None = Field(None, ge=0)
    """Longer side in pixels to which smaller images are brought up; 0: never; `None`: 128, or
    `max_size` where that is less."""
    tile: int | None = None
    """Longer slices are segmented in overlapping tiles of this side, in pixels; `None`: 1,024."""
    batch: int = Field(ge=2)
    """Labelled images per iteration, and as many unlabelled ones."""
    iterations: int = Field(ge=1)
    """Optimisation steps of every run."""
    encoder: str = "auto"
    """Encoder of the segmenter."""
    corrector_encoder: str = "auto"
    """Encoder of the corrector."""
    encoder_weights: str = "auto"
    """First weights of the encoders: `imagenet`, `none`, a file, or `auto`, those at hand."""
    keep: Literal["best", "last"] = "best"
    """Which model of a run is tested: the best on validation, or the last one."""
    augmentation: AugmentationSettings = AugmentationSettings(flip_vertical=False, rotate=False)
    """Random transforms of labelled and unlabelled images alike; mirrored left and right alone, as
    in the literature, whatever the images show."""
    optimizers: dict[str, OptimizerSettings] = Field(default_factory=dict)
    """By network; where one is left out, the method decides by the length of the run."""
    image_threshold: float = Field(0.6, ge=0, le=1)
    """s4GAN: score above which a whole image is selected (Mittal et al. 2019)."""

    def train_settings(self) -> dict[str, Any]:
        """Fields of `TrainConfig` that this protocol decides."""
        own = {"name", "title", "is_published", "budgets", "seeds", "image_threshold"}
        settings = self.model_dump(mode="json", exclude=own, exclude_none=True)
        selection = {"threshold": self.image_threshold}
        return {**settings, "method_settings": {"s4gan": selection, "s4gan+mlmt": selection}}

    def scaled(self, scale: float) -> Self:
        """A trial of the same shape: fewer iterations, smaller crops and images.

        Args:
            scale: Factor on the iterations and on the pixels of crops and images, above 0 and at
                most 1.

        Raises:
            SettingsError: If it lies outside.

        Example:
            >>> trial = Protocol(name="x", title="X", is_published=False, budgets=("1/8",),
            ...                  crop=512, batch=14, iterations=22_000).scaled(0.02)
            >>> trial.crop, trial.max_size, trial.iterations
            (64, 72, 440)
        """
        if not 0 < scale <= 1:
            raise SettingsError(f"`scale` is above 0 and at most 1, not {scale:g}.")
        if scale == 1:
            return self
        side = math.sqrt(scale)
        crop = max(_SMALLEST_CROP, round(self.crop * side / 32) * 32)
        # Published sizes vary about the crop; images are brought down as much as the crop is.
        longest = max(self.max_size or self.crop, self.crop)
        return self.model_copy(
            update={
                "iterations": max(_FEWEST_ITERATIONS, round(self.iterations * scale)),
                "crop": crop,
                "max_size": max(crop, round(longest * side)),
                "min_size": self.min_size and min(self.min_size, crop),
                "tile": None,
            }
        )
