"""Random transforms of training slices: zoom, padding, crop, flip, colour jitter."""

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.transforms import (
    Compose,
    MapTransform,
    RandFlipd,
    Randomizable,
    RandSpatialCropd,
    RandZoomd,
    SpatialPadd,
    Transform,
)

from ecs_med.config import AugmentationSettings
from ecs_med.types import IGNORE_INDEX

__all__ = ["ColorJitterd", "training_transform"]


def training_transform(crop: int, settings: AugmentationSettings) -> Compose:
    """The transform from a whole slice to a training crop.

    It takes and gives a mapping with `image` `(C, H, W)`, `valid` `(1, H, W)`, 1 in the slice
    and 0 in padding, and for labelled slices `labels` `(1, H, W)`, `IGNORE_INDEX` in padding.
    Random draws follow `set_random_state`.

    Args:
        crop: Side of the square crop; smaller slices are padded around with 0.
        settings: What is random.
    """
    maps = ["image", "valid", "labels"]
    steps: list[Transform] = []
    if settings.scale != (1.0, 1.0):
        steps.append(
            RandZoomd(
                maps,
                prob=1.0,
                min_zoom=settings.scale[0],
                max_zoom=settings.scale[1],
                mode=["bilinear", "nearest-exact", "nearest-exact"],
                keep_size=False,
                allow_missing_keys=True,
            )
        )
    steps += [
        SpatialPadd(["image", "valid"], spatial_size=crop, value=0),
        SpatialPadd(["labels"], spatial_size=crop, value=IGNORE_INDEX, allow_missing_keys=True),
        RandSpatialCropd(maps, roi_size=(crop, crop), random_size=False, allow_missing_keys=True),
    ]
    if settings.flip:
        steps.append(RandFlipd(maps, prob=0.5, spatial_axis=1, allow_missing_keys=True))
    if settings.jitter:
        steps.append(ColorJitterd(["image"], settings.jitter))
    return Compose(steps)


class ColorJitterd(MapTransform, Randomizable):  # type: ignore[misc]
    """Random brightness, contrast and, in RGB pictures, saturation.

    Each factor is drawn from [1 - strength, 1 + strength]. Images are in 0..1.

    Args:
        keys: Keys of the images.
        strength: 0..1.
    """

    def __init__(self, keys: list[str], strength: float) -> None:
        MapTransform.__init__(self, keys)
        self.strength = strength
        self.brightness = self.contrast = self.saturation = 1.0

    def randomize(self, data: Any | None = None) -> None:
        """Draw the three factors."""
        low, high = 1 - self.strength, 1 + self.strength
        self.brightness, self.contrast, self.saturation = self.R.uniform(low, high, size=3)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Draw and apply."""
        self.randomize()
        changed = dict(data)
        for key in self.key_iterator(changed):
            changed[key] = self._apply(changed[key])
        return changed

    def _apply(self, image: torch.Tensor) -> torch.Tensor:
        image = image * self.brightness
        grey = image.mean(dim=0, keepdim=True)
        image = (image - grey.mean()) * self.contrast + grey.mean()
        if image.shape[0] == 3:
            grey = image.mean(dim=0, keepdim=True)
            image = (image - grey) * self.saturation + grey
        return image.clamp(0, 1)
