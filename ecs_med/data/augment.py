"""Random transforms of training slices: a caller's own, zoom, padding, crop, flip, jitter."""

import re
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import torch
from monai.transforms import (
    Compose,
    MapTransform,
    RandFlipd,
    Randomizable,
    RandRotate90d,
    RandSpatialCropd,
    RandZoomd,
    SpatialPadd,
    Transform,
)
from monai.utils import convert_to_tensor

from ecs_med.config import AugmentationSettings
from ecs_med.errors import SettingsError
from ecs_med.types import IGNORE_INDEX

__all__ = ["ColorJitterd", "apply_own_transform", "describe_transform", "training_transform"]


def training_transform(
    crop: int | tuple[int, int, int],
    settings: AugmentationSettings,
    *,
    has_colors: bool = True,
    mirror_axes: tuple[int, int] = (2, 1),
) -> Compose:
    """The transform from a whole slice, or a block of a volume, to a training crop.

    It takes and gives a mapping with `image` `(C, *spatial)`, `valid` `(1, *spatial)`, 1 in the
    slice and 0 in padding, and for labelled slices `labels` `(1, *spatial)`, `IGNORE_INDEX` in
    padding. Random draws follow `set_random_state`.

    Args:
        crop: Side of the square crop, or slices, rows and columns of a patch; what is smaller is
            padded around with 0. Patches are turned in the plane of their slices.
        settings: What is random; the zoom that of slices.
        has_colors: Whether three channels are red, green and blue.
        mirror_axes: Axes of slices, rows and columns along which `flip` and `flip_vertical`
            mirror; a crop of one slice is not mirrored along axis 0.

    Raises:
        SettingsError: If a patch is to be turned by quarters that is no square in the plane.
    """
    maps = ["image", "valid", "labels"]
    roi = (crop, crop) if isinstance(crop, int) else crop
    rows, columns = len(roi) - 2, len(roi) - 1
    if settings.rotate is True and roi[rows] != roi[columns]:
        raise SettingsError(
            f"`rotate` turns patches by quarters, and those of {' x '.join(map(str, roi))} voxels "
            "are no squares in the plane of the slices; leave it out, or give a smaller `crop`."
        )
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
        RandSpatialCropd(maps, roi_size=roi, random_size=False, allow_missing_keys=True),
    ]
    across, upright = (axis + len(roi) - 3 for axis in mirror_axes)
    if settings.flip and across >= 0:
        steps.append(RandFlipd(maps, prob=0.5, spatial_axis=across, allow_missing_keys=True))
    if settings.jitter:
        steps.append(ColorJitterd(["image"], settings.jitter, has_colors))
    # Compose seeds its transforms in order: what is new comes last, so that the draws of the others
    # stay what they were.
    if settings.flip_vertical is True:
        steps.append(RandFlipd(maps, prob=0.5, spatial_axis=upright, allow_missing_keys=True))
    if settings.rotate is True:
        plane = (rows, columns)
        steps.append(
            RandRotate90d(maps, prob=0.75, max_k=3, spatial_axes=plane, allow_missing_keys=True)
        )
    return Compose(steps)


class ColorJitterd(MapTransform, Randomizable):  # type: ignore[misc]
    """Random brightness, contrast and, in RGB pictures, saturation.

    Each factor is drawn from [1 - strength, 1 + strength]. Images are in 0..1.

    Args:
        keys: Keys of the images.
        strength: 0..1.
        has_colors: Whether three channels are red, green and blue.
    """

    def __init__(self, keys: list[str], strength: float, has_colors: bool = True) -> None:
        MapTransform.__init__(self, keys)
        self.strength = strength
        self.has_colors = has_colors
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
        if self.has_colors and image.shape[0] == 3:
            grey = image.mean(dim=0, keepdim=True)
            image = (image - grey) * self.saturation + grey
        return image.clamp(0, 1)


def apply_own_transform(
    transform: Callable[[Mapping[str, torch.Tensor]], Mapping[str, Any]],
    sample: Mapping[str, torch.Tensor],
    seed: int,
) -> dict[str, torch.Tensor]:
    """Apply a caller's transform to a whole slice, and hold it to what the rest relies on.

    Args:
        transform: Of MONAI's dictionary transforms, or any callable that takes and gives a mapping
            with the keys of `sample`. What it draws comes from its `R` (MONAI's `Randomizable`).
        sample: `image` `(C, H, W)`, floating point in 0..1, `valid` `(1, H, W)`, 1 where there is
            image, and for labelled slices `labels` `(1, H, W)`.
        seed: Of this sample.

    Returns:
        The same keys; labels are void where nothing is valid.

    Raises:
        SettingsError: If it drops a key, gives labels that are no whole numbers, or changes the
            shape of one of them alone.
    """
    if isinstance(transform, Randomizable):
        transform.set_random_state(seed=seed)
    given = transform(dict(sample))
    missing = sorted(sample.keys() - given.keys())
    if missing:
        raise SettingsError(
            f"`transform`: drops the key {missing[0]!r}; a transform of slices keeps "
            f"{', '.join(sorted(sample))}."
        )
    found = {key: convert_to_tensor(given[key], track_meta=False) for key in sample}
    height_width = tuple(found["image"].shape[1:])
    for key, value in found.items():
        expected = (sample[key].shape[0], *height_width)
        if tuple(value.shape) != expected:
            raise SettingsError(
                f"`transform`: gives {key!r} the shape {tuple(value.shape)} where its image needs "
                f"{expected}; transform image, labels and valid alike."
            )
        if key != "image" and not bool((value == value.round()).all()):
            raise SettingsError(
                f"`transform`: interpolates {key!r}; transform labels and valid with mode nearest."
            )
    if "labels" in found:
        found["labels"] = found["labels"].masked_fill(found["valid"] == 0, IGNORE_INDEX)
    return found


def describe_transform(transform: object) -> str:
    """A transform in words that are the same in every process.

    Example:
        >>> describe_transform(Compose([RandFlipd("image")]))
        'Compose(RandFlipd)'
    """
    if isinstance(transform, Compose):
        parts = ", ".join(describe_transform(part) for part in transform.transforms)
        return f"{type(transform).__name__}({parts})"
    if type(transform).__repr__ is object.__repr__:
        return type(transform).__name__
    return re.sub(r" at 0x[0-9a-f]+", "", repr(transform))
