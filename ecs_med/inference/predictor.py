"""From a scan to labels on the scan's own grid and, on demand, what the corrector says of them.

Everything that segments goes through here: files, scores, galleries. A volume goes through in
chunks of slices, so that its class maps at full size never exist at once; consecutive pictures of
one size share a forward pass.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import torch

from ecs_med.data.cases import PreparedCase
from ecs_med.data.prepare import native_bands
from ecs_med.data.readers import Scan, ScanHeader, read_scan
from ecs_med.errors import SettingsError
from ecs_med.losses import certainty as largest_probability
from ecs_med.losses import corrected_probabilities
from ecs_med.metrics import doubt_of_corrector, doubt_of_segmenter

if TYPE_CHECKING:
    from ecs_med.inference.model import Model

__all__ = [
    "BATCH",
    "CorrectorView",
    "Segmentation",
    "check_corrector",
    "check_scan",
    "look_at_slices",
    "segment",
    "segment_case",
    "segment_cases",
]

BATCH = 8
"""Slices at a time. 16 take a tenth less time at 96 to 128 pixels on a CPU, but change the last
bits of logits and so the label of a few pixels."""

Item = TypeVar("Item")
Labels = npt.NDArray[np.uint8]


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


def segment(
    model: "Model",
    scan: "Scan | Path | str | Sequence[Path | str]",
    *,
    certainty: bool = False,
    batch: int = BATCH,
) -> Segmentation:
    """Segment one picture or volume.

    Args:
        model: A trained model.
        scan: The picture or volume, or the file or files that hold it.
        certainty: Also ask the corrector.
        batch: Slices at a time.

    Raises:
        SettingsError: If `certainty` is asked of a model without a corrector, or the model was
            trained on scans of another kind.
        UnreadableFileError: If a file cannot be read.

    Example:
        >>> import ecs_med
        >>> found = ecs_med.segment(ecs_med.load_model(run), folder / "test/images/p006_0.png")
        >>> found.labels.shape, str(found.labels.dtype)
        ((32, 32), 'uint8')
    """
    if not isinstance(scan, Scan):
        scan = read_scan(scan)
    check_scan(model, scan, "the scan")
    case = PreparedCase.of_scan(scan, model.spec.preparation)
    return segment_case(model, case, certainty=certainty, batch=batch)


def segment_case(
    model: "Model", case: PreparedCase, *, certainty: bool = False, batch: int = BATCH
) -> Segmentation:
    """Segment one prepared case; as `segment`.

    Raises:
        SettingsError: If `certainty` is asked of a model without a corrector.
    """
    if certainty:
        check_corrector(model)
    canvas = _Canvas(case, "native" if certainty else None)
    _draw(model, [canvas], batch)
    return canvas.result()


def segment_cases(
    model: "Model",
    items: Iterable[tuple[Item, PreparedCase]],
    *,
    corrector: bool = False,
    batch: int = BATCH,
) -> Iterator[tuple[Item, PreparedCase, Segmentation]]:
    """Segment case after case, each once.

    Args:
        model: A trained model, or the one in training.
        items: Anything that names a case, with the case; consumed lazily.
        corrector: Also give the corrector's view on the prepared grid, for scores.
        batch: Pictures or slices at a time.

    Yields:
        Each item, its case and its labels, in the order of `items`.
    """
    waiting: list[tuple[Item, _Canvas]] = []
    for item, case in items:
        # Only single slices of one size share a batch.
        shape = waiting[0][1].case.slices.shape if waiting else case.slices.shape
        if len(waiting) == batch or (waiting and (shape[0] > 1 or shape != case.slices.shape)):
            yield from _segmented(model, waiting, batch)
            waiting = []
        waiting.append((item, _Canvas(case, "prepared" if corrector else None)))
    yield from _segmented(model, waiting, batch)


def look_at_slices(model: "Model", slices: torch.Tensor, *, batch: int = BATCH) -> CorrectorView:
    """Both networks on prepared slices, without a way back to the scan's grid.

    Args:
        model: With a corrector.
        slices: `(D, C, H, W)`.
        batch: Slices at a time.
    """
    parts = []
    with torch.inference_mode():
        for part in slices.split(batch):
            logits = model.logits(part)
            parts.append(_view(logits, model.correct(part, logits)))
    return CorrectorView.joined(parts)


def check_corrector(model: "Model") -> None:
    """Refuse to ask a model without a corrector for certainty.

    Raises:
        SettingsError: One sentence that names the model and the remedy.
    """
    if not model.has_corrector:
        raise SettingsError(
            f"{model.run}: a model trained with '{model.spec.method}' has no corrector and so no "
            "certainty map; leave out `certainty`, or train with a method that has one."
        )


def check_scan(model: "Model", scan: Scan | ScanHeader, name: Path | str) -> None:
    """Refuse a scan of another kind, or with other channels, than the model was trained on.

    Raises:
        SettingsError: One sentence that begins with `name`.
    """
    channels = scan.array.shape[0] if isinstance(scan, Scan) else scan.num_channels
    given, needed = (scan.kind, channels), (model.spec.kind, model.spec.in_channels)
    if given == needed:
        return
    wrong, right = f"a {scan.kind}", f"{model.spec.kind}s"
    if scan.kind == model.spec.kind:
        wrong, right = (
            f"{what} of {count} channel{'' if count == 1 else 's'}"
            for what, (_, count) in ((wrong, given), (right, needed))
        )
    raise SettingsError(
        f"{name}: is {wrong}, but {model.run} was trained on {right}; "
        "name a model for such scans with `model`."
    )


class _Canvas:
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
        if self._labels.ndim == 3 and not _largest(scores, 1).any():
            # Between pixels where the first class is the largest one it is so, too.
            labels[...] = 0
        else:
            for rows, native in native_bands(scores, labels.shape, axis):
                labels[rows] = _largest(native, 0).numpy()
        if probabilities is None or self._certainty is None or self._correction is None:
            return
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
        view = CorrectorView.joined(self._views) if self._views else None
        return Segmentation(self._labels, self._certainty, self._correction, view)


def _draw(model: "Model", canvases: Sequence[_Canvas], batch: int) -> None:
    """Segment one case of many slices, or several of one slice each, which one batch holds."""
    alone = canvases[0] if len(canvases) == 1 else None
    if alone and alone.takes_rows and model.goes_in_rows(alone.case.header.shape):
        _draw_rows(model, alone)
        return
    slices = alone.case.slices if alone else torch.cat([c.case.slices for c in canvases])
    with torch.inference_mode(), model.evaluating():
        for start in range(0, len(slices), batch):
            part = slices[start : start + batch]
            scores = logits = model.logits(part)
            probabilities = None
            if canvases[0].view or model.spec.corrects:
                probabilities = model.correct(part, logits)
                if model.spec.corrects:
                    scores = corrected_probabilities(logits, probabilities)
            # At full size, the maps of one slice fit into the cache of a processor.
            step = len(part) if alone and model.device.type != "cpu" else 1
            for index in range(0, len(part), step):
                own = slice(index, index + step)
                canvas, place = (alone, start + index) if alone else (canvases[index], 0)
                judged = None if probabilities is None else probabilities[own]
                if canvas.view == "prepared" and judged is not None:
                    canvas.look(_view(logits[own], judged))
                canvas.fill(place, scores[own], judged)


def _draw_rows(model: "Model", canvas: _Canvas) -> None:
    """Segment a large picture on its own grid, of whose maps only a row of tiles exists."""
    with torch.inference_mode(), model.evaluating():
        corrects = model.spec.corrects
        rows = model.rows(canvas.case.slices[0], corrector=corrects or canvas.view is not None)
        for top, logits, probabilities in rows:
            maps = [None if found is None else found[0] for found in (logits, probabilities)]
            height = next(found.shape[1] for found in maps if found is not None)
            canvas.fill_rows(slice(top, top + height), *maps, corrects=corrects)


def _segmented(
    model: "Model", waiting: Sequence[tuple[Item, _Canvas]], batch: int
) -> Iterator[tuple[Item, PreparedCase, Segmentation]]:
    if not waiting:
        return
    # Inference mode must not stay on while a consumer of the generator runs.
    _draw(model, [canvas for _, canvas in waiting], batch)
    for item, canvas in waiting:
        yield item, canvas.case, canvas.result()


def _view(logits: torch.Tensor, probabilities: torch.Tensor) -> CorrectorView:
    segmented = _largest(logits, 1)
    return CorrectorView(
        segmented=segmented,
        corrected=_largest(probabilities, 1),
        certainty=largest_probability(probabilities).cpu(),
        corrector_doubt=doubt_of_corrector(probabilities).cpu(),
        segmenter_doubt=doubt_of_segmenter(logits, segmented).cpu(),
    )


def _largest(maps: torch.Tensor, dim: int) -> torch.Tensor:
    # Comparing map by map takes a quarter of the time of `argmax` on a CPU.
    first, *others = maps.unbind(dim)
    labels = torch.zeros(first.shape, dtype=torch.uint8, device=maps.device)
    best = first.clone() if len(others) > 1 else first
    for label, scores in enumerate(others, start=1):
        labels.masked_fill_(scores > best, label)
        if label < len(others):
            torch.maximum(best, scores, out=best)
    return labels.cpu()


def _slices_first(shape: tuple[int, ...], axis: int, kind: type[np.generic]) -> npt.NDArray[Any]:
    """An array of that shape whose slices lie one after the other in memory."""
    order = (axis, *(i for i in range(len(shape)) if i != axis))
    return np.moveaxis(np.empty([shape[i] for i in order], kind), 0, axis)
