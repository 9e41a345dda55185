"""The one way from a case's files to what networks see and what they are scored against."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

from ecs_med.config import Preparation
from ecs_med.data.field_of_view import find_field
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.reading import read_labels
from ecs_med.data.prepare import prepare_labels, prepare_scan
from ecs_med.data.readers import Scan, ScanHeader, read_scan
from ecs_med.data.slicing import Slicing, slicing_of
from ecs_med.sparse import SparseCase
from ecs_med.types import IGNORE_INDEX, UNLABELED_INDEX, Case, UnlabeledCase

__all__ = ["PreparedCase", "prepare_case"]


@dataclass(frozen=True, slots=True)
class PreparedCase:
    """A case, ready for the networks.

    Attributes:
        header: Grid of the scan, axes as in its file.
        slices: `(D, C, H, W)`, uint8 in 0..255 or float16 in 0..1, one after the other as
            `slicing` says, whichever way the axes of the file run.
        preparation: How they were made from the scan.
        reference: Labels on the scan's grid, `(H, W)` or `(X, Y, Z)`, uint8; `None` without a mask.
        scan: The pixels as they were read; `None` where the slices come from a cache.
        field: Where an endoscope sees, `(H, W)`; `None`: everywhere, or it is not known, since the
            slices come from a cache, whose references are void outside.
    """

    header: ScanHeader
    slices: torch.Tensor
    preparation: Preparation
    reference: npt.NDArray[np.uint8] | None = None
    scan: Scan | None = None
    field: npt.NDArray[np.bool_] | None = None

    @classmethod
    def of_scan(
        cls,
        scan: Scan,
        preparation: Preparation,
        reference: npt.NDArray[np.uint8] | None = None,
    ) -> Self:
        """Prepare a scan that is read already."""
        field = None
        seen = scan
        if preparation.field_of_view == "auto" and not scan.is_volume:
            field = find_field(scan.array.astype(np.uint8, copy=False))
        if field is not None:
            seen = replace(scan, array=scan.array * field)
            if reference is not None:
                reference = np.where(field, reference, np.uint8(IGNORE_INDEX))
        stack = prepare_scan(seen, preparation)
        return cls(
            header=ScanHeader(
                shape=scan.spatial_shape,
                num_channels=scan.array.shape[0],
                affine=scan.affine,
                kind=scan.kind,
                has_position=scan.has_position,
            ),
            # Those of a volume are its own; a picture's may be the scan itself, read-only even.
            slices=torch.from_numpy(stack) if scan.is_volume else torch.tensor(stack),
            preparation=preparation,
            reference=reference,
            scan=scan,
            field=field,
        )

    @property
    def slicing(self) -> Slicing:
        """Between the file's axes and the slices."""
        return slicing_of(self.header, self.preparation)

    @property
    def axis(self) -> int:
        """Axis of the file along which slices follow one another, 0 for pictures."""
        return self.slicing.axis

    @property
    def labels(self) -> torch.Tensor | None:
        """The reference on the grid of the slices, `(D, H, W)`, uint8; `None` without a mask."""
        if self.reference is None:
            return None
        return torch.tensor(prepare_labels(self.reference, self.header, self.preparation))

    @property
    def seen(self) -> torch.Tensor:
        """Where an endoscope sees, on the grid of the slices, `(D, H, W)`, uint8, 1 or 0."""
        shown = np.ones(self.header.shape, np.uint8) if self.field is None else self.field
        return torch.tensor(prepare_labels(shown.astype(np.uint8), self.header, self.preparation))

    def spread(self, most: int) -> tuple[range, torch.Tensor | None]:
        """Numbers of at most so many slices, evenly spread, and their labels."""
        step = math.ceil(len(self.slices) / most)
        labels = self.labels
        return range(0, len(self.slices), step), None if labels is None else labels[::step]

    def only(self, index: int) -> "PreparedCase":
        """The case as if the scan had a single slice: the one of that index in `slices`."""
        if len(self.header.shape) == 2:
            return self
        slicing = self.slicing
        axis, layer = slicing.axis, slicing.across(index)
        shape = tuple(1 if i == axis else side for i, side in enumerate(self.header.shape))
        return replace(
            self,
            header=replace(self.header, shape=shape),
            slices=self.slices[index : index + 1],
            reference=None if self.reference is None else _cut(self.reference, axis, layer),
            scan=None,
        )


def prepare_case(
    case: Case | SparseCase | UnlabeledCase,
    preparation: Preparation,
    scheme: LabelScheme | None = None,
    mask: Path | None = None,
    *,
    keep_unlabeled: bool = False,
) -> PreparedCase:
    """Read a case and bring it into the form that networks see.

    Args:
        case: A mask of its own is read where there is a `scheme`.
        preparation: How scans are prepared.
        scheme: How stored mask values become classes; `None`: read no mask.
        mask: Read instead of the case's own; a hidden mask, for reports.
        keep_unlabeled: Whether pixels that nobody has annotated are `UNLABELED_INDEX` in the
            reference, for training; else they are void.

    Raises:
        DataError: If a file cannot be read, or image and mask do not belong on one grid.
    """
    scan = read_scan(case.images, case.frame)
    reference = None
    if scheme is not None:
        reference = _reference(case, scheme, mask, keep_unlabeled)
    return PreparedCase.of_scan(scan, preparation, reference)


def _reference(
    case: Case | SparseCase | UnlabeledCase,
    scheme: LabelScheme,
    mask: Path | None,
    keep_unlabeled: bool,
) -> npt.NDArray[np.uint8] | None:
    def read(path: Path) -> npt.NDArray[np.uint8]:
        return read_labels(
            case.images,
            path,
            scheme,
            case.frame,
            keep_unlabeled=keep_unlabeled,
            annotated=None if isinstance(case, UnlabeledCase) else case.annotated,
        )

    if mask is None and isinstance(case, SparseCase):
        labels = case.mask.labels(read)
        if not keep_unlabeled:
            labels[labels == UNLABELED_INDEX] = IGNORE_INDEX
        return labels
    if mask is None and isinstance(case, Case):
        mask = case.mask
    return None if mask is None else read(mask)


def _cut(values: npt.NDArray[np.uint8], axis: int, layer: int) -> npt.NDArray[np.uint8]:
    place = slice(layer, layer + 1)
    return values[tuple(place if i == axis else slice(None) for i in range(values.ndim))]
