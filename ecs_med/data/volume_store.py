"""Prepared volumes of which patches are read: blocks, and where each class has voxels."""

from collections.abc import Sequence

import numpy as np
import torch
from monai.transforms.utils import map_classes_to_indices

from ecs_med.data.store import PreparedSlice, SliceStore, Tensors
from ecs_med.sparse import LabeledCase
from ecs_med.types import UNLABELED_INDEX, UnlabeledCase

__all__ = ["VolumeStore"]

_MOST_VOXELS = 10_000
"""Voxels of a class that an entry lists, evenly spread over all that it has (as in nnU-Net)."""


class VolumeStore(SliceStore):
    """As `SliceStore`, for networks that see patches of volumes.

    Entries of labelled cases also hold `voxels_1`, ...: for each class other than 0 that occurs
    the places of some of its voxels, int64, in the order of memory; and those of volumes that are
    labelled in parts `voxels_labeled`, places of any class.
    """

    _kind = "volume"

    def shape(self, index: int) -> tuple[int, int, int]:
        """Slices, height and width of a prepared case."""
        depth, _, height, width = self.shape_of(index, "image")
        return depth, height, width

    def voxel_of_class(self, index: int, generator: np.random.Generator) -> Sequence[int] | None:
        """The place of a voxel of a class other than 0; `None` where the case has none.

        A class is drawn among those that occur, then one of its voxels, so that small structures
        are seen as often as large ones; what is void belongs to none.
        """
        assert self._scheme is not None
        found = sorted(c for c in self.classes(index) if 0 < c < self._scheme.num_classes)
        if not found:
            return None
        label = found[int(generator.integers(len(found)))]
        return self._one_of(index, f"voxels_{label}", generator)

    def voxel_with_label(self, index: int, generator: np.random.Generator) -> Sequence[int] | None:
        """The place of a labelled voxel of a volume that is labelled in parts; `None` of others."""
        if UNLABELED_INDEX not in self.classes(index):
            return None
        return self._one_of(index, "voxels_labeled", generator)

    def _one_of(
        self, index: int, name: str, generator: np.random.Generator
    ) -> Sequence[int] | None:
        voxels = self._read(self.cases[index], (name,)).get(name)
        if voxels is None:
            return None
        place = int(voxels[int(generator.integers(len(voxels)))])
        return [int(n) for n in np.unravel_index(place, self.shape(index))]

    def block(self, index: int, place: tuple[slice, ...], *, labels: bool) -> PreparedSlice:
        """Part of a case.

        Args:
            index: Of the case.
            place: Slices, rows and columns.
            labels: Whether to read the labels as well.

        Returns:
            Image `(C, D, H, W)`, and labels `(D, H, W)`.
        """
        case, (along, rows, columns) = self.cases[index], place
        image = self._read(case, ("image",), (along, slice(None), rows, columns))["image"]
        mask = self._read(case, ("labels",), place)["labels"] if labels else None
        return PreparedSlice(image.movedim(0, 1), mask)

    def _prepare(self, case: LabeledCase | UnlabeledCase) -> Tensors:
        content = dict(super()._prepare(case))
        if "labels" in content and self._scheme is not None:
            places = map_classes_to_indices(
                content["labels"][None],
                num_classes=self._scheme.num_classes,
                max_samples_per_class=_MOST_VOXELS,
            )
            for label, voxels in enumerate(places):
                if label and len(voxels):
                    content[f"voxels_{label}"] = torch.as_tensor(voxels, dtype=torch.int64)
            labeled = (content["labels"] < self._scheme.num_classes).flatten().nonzero()[:, 0]
            if UNLABELED_INDEX in content["classes"] and len(labeled):
                content["voxels_labeled"] = labeled[:: -(-len(labeled) // _MOST_VOXELS)]
        return content
