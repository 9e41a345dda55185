"""Hippocampus of the Medical Segmentation Decathlon."""

from ecs_med.config import AugmentationSettings
from ecs_med_benchmarks.protocol import Protocol

__all__ = ["Hippocampus"]


class Hippocampus(Protocol):
    """Task04 of the Medical Segmentation Decathlon (Antonelli et al. 2022).

    Layout: `imagesTr/`, `labelsTr/` and `dataset.json`: 260 MRI volumes of about 35 x 50 x 36
    voxels of 1 mm with anterior and posterior hippocampus. A volume is one case; 70/10/20 % are
    drawn by the seed, since the labels of imagesTs are not public. Volumes are segmented slice by
    slice. Licence: CC-BY-SA 4.0.

    The paper has no figures for it.
    """

    name: str = "hippocampus"
    """Task04_Hippocampus."""
    title: str = "MSD Hippocampus"
    """MRI, two classes and background."""
    is_published: bool = False
    """No published table."""
    budgets: tuple[str, ...] = ("10%", "15%", "20%", "30%", "50%")
    """As for the other medical data sets."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Three."""
    crop: int = 128
    """Slices are enlarged to this."""
    min_size: int | None = 128
    """The decoder works at a quarter of the resolution, too coarse for slices of 35 x 50 voxels."""
    batch: int = 8
    """As the default of `ecs-med train`."""
    iterations: int = 5_000
    """Short, so that the optimisers are those of short runs."""
    augmentation: AugmentationSettings = AugmentationSettings(flip=False, scale=(0.85, 1.2))
    """No flip: left and right are not alike in a head."""
