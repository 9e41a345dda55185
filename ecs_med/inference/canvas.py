"""What is known of a scan while it is segmented, filled in chunk by chunk, and the result."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch

from ecs_med.data.cases import PreparedCase
from ecs_med.data.prepare import native_bands
from ecs_med.losses import certainty as largest_probability
from ecs_med.metrics import doubt_of_corrector, doubt_of_segmenter

__all__ = ["Canvas", "CorrectorView", "Segmentation", "view_of"]

Labels = npt.NDArray[np.uint8]

_FEW = 4
"""Maps that may lie between each other in memory; with more, each is brought together first."""


@dataclass(frozen=True, slots=True)
class CorrectorView:
    """What both networks say of prepared slices, on the grid of the slices, on the CPU.

    Attributes:
        segmented: Class by the segmenter, `(D, H, W)`, uint8.
        corrected: Class by the corrector, the same; the number of classes means "right".
        certainty: Highest probability of the corrector, float32 in 0..1.
        corrector_doubt: Bin of its 1 - P(right), int16; see `ecs_med.metrics.doubt`.
        segmenter_doubt: Bin of the segmenter's 1 - largest probability, likewise.
    """

    segmented: torch.Tensor
    corrected: torch.Tensor
    certainty: torch.Tensor
    corrector_doubt: torch.Tensor
    segmenter_doubt: torch.Tensor

    @classmethod
    def joined(cls, parts: Sequence["CorrectorView"]) -> "CorrectorView":
        """One view of the slices of several."""
        names = [field.name for field in fields(cls)]
        return cls(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True, slots=True)
class Segmentation:
    """What a model says about one scan, on the scan's own grid.

    Attributes:
        labels: Class of each pixel, `(H, W)` or `(X, Y, Z)`, uint8; where the model corrects
            (`ModelSpec.corrects`), with what the corrector puts in.
        certainty: Highest probability of the corrector, the same shape, float32 in 0..1;
            `None` where it was not asked for.
        correction: Class that the corrector gives, the same shape, uint8; the number of classes
            means "the segmenter's label is right here". `None` where certainty was not asked for.
        view: What the corrector says on the prepared grid; `None` where it was not asked for.
    """

    labels: Labels
    certainty: npt.NDArray[np.float32] | None = None
    correction: Labels | None = None
    view: CorrectorView | None = None


class Canvas:
    """What is known of one case, filled in chunk by chunk, on the grid of its file."""

    def __init__(self, case: PreparedCase, view: Literal["prepared", "native"] | None) -> None:
        shape = case.header.shape
        self.case = case
        self.view = view
        self._slicing = case.slicing
        self._labels = _slices_first(shape, self._slicing.axis, np.uint8)
        native = view == "native"
        self._certainty = _slices_first(shape, self._slicing.axis, np.float32) if native else None
        self._correction = _slices_first(shape, self._slicing.axis, np.uint8) if native else None
        self._views: list[CorrectorView] = []
        self._right = 0

    def look(self, view: CorrectorView) -> None:
        """Keep what the corrector says of the slices that come next."""
        self._views.append(view)

    def fill(self, start: int, scores: torch.Tensor, probabilities: torch.Tensor | None) -> None:
        """Put in the slices from `start` on, by scores of classes and the corrector's."""
        # Views of what is on the grid of the file, with the axes of the slices.
        axis, turned = self._slicing.along, self._slicing.turned
        place: tuple[slice, ...] = ()
        if self._labels.ndim == 3:
            place = (*[slice(None)] * axis, slice(start, start + len(scores)))
        labels = turned(self._labels)[place]
        if self._labels.ndim != 3 or not _fill_slices(np.moveaxis(labels, axis, 0), scores):
            for rows, native in native_bands(scores, labels.shape, axis):
                labels[rows] = _largest(native, 0).numpy()
        if probabilities is None or self._certainty is None or self._correction is None:
            return
        self._right = probabilities.shape[1] - 1
        correction, certainty = turned(self._correction)[place], turned(self._certainty)[place]
        for rows, native in native_bands(probabilities, labels.shape, axis):
            correction[rows] = _largest(native, 0).numpy()
            certainty[rows] = native.amax(0).clamp(0, 1).float().cpu().numpy()

    def fill_rows(
        self,
        rows: slice,
        logits: torch.Tensor | None,
        probabilities: torch.Tensor | None,
        *,
        corrects: bool,
    ) -> None:
        """Put in rows of a picture from maps on its own grid, `(K, rows, W)`; logits come first."""
        if logits is not None:
            self._labels[rows] = _largest(logits, 0).numpy()
        if probabilities is None:
            return
        found = _largest(probabilities, 0).numpy()
        if corrects:
            is_right = found == len(probabilities) - 1
            self._labels[rows] = np.where(is_right, self._labels[rows], found)
        if self._correction is not None and self._certainty is not None:
            self._right = len(probabilities) - 1
            self._correction[rows] = found
            self._certainty[rows] = probabilities.amax(0).clamp(0, 1).float().cpu().numpy()

    @property
    def takes_rows(self) -> bool:
        """Whether it is a picture that is segmented on its own grid."""
        shape = self.case.header.shape
        sides = tuple(self.case.slices.shape[-2:])
        return len(shape) == 2 and self.view != "prepared" and sides == tuple(shape)

    def result(self) -> Segmentation:
        """When every slice is in."""
        if (field := self.case.field) is not None:
            self._labels[~field] = 0
            if self._correction is not None:
                # What the corrector says is about pixels that it has not seen.
                self._correction[~field] = self._right
        view = CorrectorView.joined(self._views) if self._views else None
        return Segmentation(self._labels, self._certainty, self._correction, view)


def view_of(logits: torch.Tensor, probabilities: torch.Tensor) -> CorrectorView:
    """What both networks say of slices: N logits of the segmenter, N+1 of the corrector's."""
    segmented = _largest(logits, 1)
    return CorrectorView(
        segmented=segmented,
        corrected=_largest(probabilities, 1),
        certainty=largest_probability(probabilities).cpu(),
        corrector_doubt=doubt_of_corrector(probabilities).cpu(),
        segmenter_doubt=doubt_of_segmenter(logits, segmented).cpu(),
    )


def _fill_slices(labels: Labels, scores: torch.Tensor) -> bool:
    """Put the largest class into `labels`, `(D, H, W)`, where the scores' own grid tells it."""
    largest = _largest(scores, 1)
    if largest.shape == labels.shape:
        labels[...] = largest.numpy()
    elif largest.any():
        return False
    else:  # Between pixels where the first class is the largest one it is so, too.
        labels[...] = 0
    return True


def _largest(maps: torch.Tensor, dim: int) -> torch.Tensor:
    """The first of the largest along `dim`, uint8, on the CPU.

    Map by map, and without masks, which PyTorch writes bytes through slowly: a tenth of the time of
    `argmax` for two or three classes on a CPU.
    """
    if maps.shape[dim] > _FEW:
        maps = maps.contiguous()
    best, *others = maps.unbind(dim)
    labels = torch.zeros(best.shape, dtype=torch.uint8, device=maps.device)
    for label, scores in enumerate(others, start=1):
        if label > 1:
            best = torch.maximum(best, others[label - 2])
        # The last one that is larger than all before it.
        torch.maximum(labels, (scores > best).byte().mul_(label), out=labels)
    return labels.cpu()


def _slices_first(shape: tuple[int, ...], axis: int, kind: type[np.generic]) -> npt.NDArray[Any]:
    """An array of that shape whose slices lie one after the other in memory."""
    order = (axis, *(i for i in range(len(shape)) if i != axis))
    return np.moveaxis(np.empty([shape[i] for i in order], kind), 0, axis)
