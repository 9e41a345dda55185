"""Training batches of networks that see volumes: patches, a third of them around a class's voxel.

As in nnU-Net, such a patch is centred on a voxel of a class that the volume has, as far as the
volume reaches; of a volume that is labelled in parts, all others are around a labelled voxel.
Unlabelled patches lie anywhere.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from ecs_med.config import AugmentationSettings
from ecs_med.data.batches import FOREGROUND_SHARE, LABELED, TrainingBatches
from ecs_med.data.store import PreparedSlice, SliceStore
from ecs_med.data.volume_store import VolumeStore

__all__ = ["PatchBatches", "patch_place"]


class PatchBatches(TrainingBatches):
    """As `TrainingBatches`, of patches `(C, D, H, W)`.

    Args:
        labeled: Labelled cases.
        unlabeled: Unlabelled cases, or `None`.
        patch: Slices, height and width of a patch in voxels; smaller volumes are padded around.
        augmentation: Random transforms; a zoom is that of the block from which a patch is made.
        **others: As of `TrainingBatches`.
    """

    def __init__(
        self,
        labeled: VolumeStore,
        unlabeled: VolumeStore | None,
        *,
        patch: tuple[int, int, int],
        augmentation: AugmentationSettings,
        **others: Any,
    ) -> None:
        self._patch, self._zoom = patch, augmentation.scale
        unzoomed = augmentation.model_copy(update={"scale": (1.0, 1.0)})
        super().__init__(labeled, unlabeled, crop=patch, augmentation=unzoomed, **others)

    def _draw_slice(
        self, store: SliceStore, stream: int, case: int, rng: np.random.Generator
    ) -> PreparedSlice:
        assert isinstance(store, VolumeStore)
        is_labeled = stream == LABELED
        low, high = self._zoom
        zoom = rng.uniform(low, high) if low < high else low
        block = [max(1, round(side / zoom)) for side in self._patch]
        around = None
        if is_labeled and rng.random() < FOREGROUND_SHARE:
            around = store.voxel_of_class(case, rng)
        if is_labeled and around is None:
            around = store.voxel_with_label(case, rng)
        place = patch_place(store.shape(case), block, around, rng)
        drawn = store.block(case, place, labels=is_labeled)
        return drawn if zoom == 1 else _zoomed(drawn, zoom)


def patch_place(
    shape: Sequence[int],
    block: Sequence[int],
    around: Sequence[int] | None,
    rng: np.random.Generator,
) -> tuple[slice, ...]:
    """Where a block lies in a volume.

    Args:
        shape: Of the volume.
        block: Sides of the block.
        around: A voxel in its middle, as far as the volume reaches; `None`: it lies anywhere.
        rng: Draws the place.

    Returns:
        A slice an axis; the whole axis where the volume is smaller than the block.
    """
    starts = []
    for axis, (size, side) in enumerate(zip(shape, block, strict=True)):
        room = max(size - side, 0)
        drawn = int(rng.integers(room + 1))
        starts.append(drawn if around is None else min(max(around[axis] - side // 2, 0), room))
    return tuple(slice(start, start + side) for start, side in zip(starts, block, strict=True))


def _zoomed(drawn: PreparedSlice, zoom: float) -> PreparedSlice:
    size = [max(1, round(side * zoom)) for side in drawn.image.shape[1:]]
    image = F.interpolate(drawn.image[None].float(), size, mode="trilinear")[0]
    labels = drawn.labels
    if labels is not None:
        labels = F.interpolate(labels[None, None].float(), size, mode="nearest-exact")[0, 0].byte()
    return PreparedSlice(image.to(torch.float32), labels)
