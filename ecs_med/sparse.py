"""Volumes of which some slices are labelled: which ones, and masks that show no others."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ecs_med.types import UNLABELED_INDEX, Case, Partition, UnlabeledCase

__all__ = ["LabeledCase", "SliceSelection", "SparseCase", "SparseMask"]

Labels = npt.NDArray[np.uint8]
Known = TypeVar("Known")


@dataclass(frozen=True, slots=True)
class SliceSelection:
    """Some layers of a volume, on the grid of its file.

    They are counted as they are stored, whatever the plane or orientation of training, so that the
    same selection means the same voxels for ever.

    Attributes:
        axis: Axis of the file that they lie across, 0 to 2.
        layers: Their numbers along it, from 0, ascending, each once; one at least.

    Example:
        >>> SliceSelection(2, (1, 4)).mask((8, 8, 5)).sum(axis=(0, 1)).tolist()
        [0, 64, 0, 0, 64]
    """

    axis: int
    layers: tuple[int, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.axis <= 2:
            raise ValueError(f"axis must be 0, 1 or 2, got {self.axis}")
        if not self.layers or list(self.layers) != sorted({*self.layers}) or self.layers[0] < 0:
            raise ValueError("layers must be ascending numbers from 0, each once, one at least")

    def mask(self, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """Where a grid of `shape` `(X, Y, Z)` lies in these layers.

        Raises:
            ValueError: If the grid has too few layers.
        """
        if self.layers[-1] >= shape[self.axis]:
            raise ValueError(f"there is no layer {self.layers[-1]} among {shape[self.axis]}")
        inside = np.zeros(shape, np.bool_)
        np.moveaxis(inside, self.axis, 0)[list(self.layers)] = True
        return inside

    def only(self, labels: Labels) -> Labels:
        """The labels in these layers, `UNLABELED_INDEX` in all others."""
        return np.where(self.mask(labels.shape), labels, np.uint8(UNLABELED_INDEX))

    def others(self, labels: Labels) -> Labels:
        """The labels in all other layers, `UNLABELED_INDEX` in these."""
        return np.where(self.mask(labels.shape), np.uint8(UNLABELED_INDEX), labels)


class SparseMask:
    """A mask of which only the labelled slices can be had.

    As in `HiddenReferences`, no attribute, iteration, index or text form gives the path of the
    file, so that no loader can be handed a whole mask by mistake: labels come out of `labels`
    alone, and there every voxel outside the selection has become `UNLABELED_INDEX`.

    Args:
        path: The whole mask.
        selection: What is labelled of it.
    """

    __slots__ = ("__path", "selection")

    def __init__(self, path: Path, selection: SliceSelection) -> None:
        self.__path = path
        self.selection = selection

    def labels(self, read: Callable[[Path], Labels]) -> Labels:
        """Labels of the selected slices.

        Args:
            read: Gives all labels of a mask on the grid of its image, `(X, Y, Z)`.
        """
        return self.selection.only(read(self.__path))

    def state(self, fingerprint: Callable[[list[Path]], Known]) -> Known:
        """What tells that the file has changed, such as its size and time."""
        return fingerprint([self.__path])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SparseMask):
            return NotImplemented
        return (self.__path, self.selection) == (other.__path, other.selection)

    def __hash__(self) -> int:
        return hash((self.__path, self.selection))

    def __repr__(self) -> str:
        return f"SparseMask({len(self.selection.layers)} slices)"


@dataclass(frozen=True, slots=True)
class SparseCase:
    """A labelled volume as training sees it when its budget is counted in slices.

    Attributes are those of `Case`, but for `mask`.
    """

    id: str
    images: tuple[Path, ...]
    mask: SparseMask
    patient: str | None = None
    partition: Partition | None = None
    frame: int | None = None
    annotated: tuple[str, ...] | None = None

    @classmethod
    def of(cls, case: Case, selection: SliceSelection) -> "SparseCase":
        """A case that has a mask, with only these slices labelled."""
        assert case.mask is not None
        mask = SparseMask(case.mask, selection)
        return cls(
            case.id, case.images, mask, case.patient, case.partition, case.frame, case.annotated
        )

    def without_mask(self) -> UnlabeledCase:
        """The same volume as an unlabelled one."""
        return UnlabeledCase(self.id, self.images, self.frame)


LabeledCase = Case | SparseCase
