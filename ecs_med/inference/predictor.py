"""From a scan to labels on the scan's own grid and, on demand, what the corrector says of them.

Everything that segments goes through here: files, scores, galleries. A volume goes through in
chunks of slices, so that its class maps at full size never exist at once; consecutive pictures of
one size share a forward pass.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch

from ecs_med.data.cases import PreparedCase
from ecs_med.data.depth import with_context
from ecs_med.data.readers import Scan, ScanHeader, read_scan
from ecs_med.errors import SettingsError
from ecs_med.inference.canvas import Canvas, Segmentation, view_of
from ecs_med.inference.volumes import draw_volume
from ecs_med.losses import corrected_probabilities

if TYPE_CHECKING:
    from ecs_med.inference.model import Model

__all__ = [
    "BATCH",
    "check_corrector",
    "check_scan",
    "most_together",
    "segment",
    "segment_case",
    "segment_cases",
    "segment_together",
    "slices_at_once",
]

BATCH = 8
"""Slices at a time, at most."""
PIXELS = 3 * 2**17
"""Of the slices that go through a network at once on a CPU: less take more time, 4 % for 2^18, and
more take memory for its maps and no less time."""

Item = TypeVar("Item")


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
    canvas = Canvas(case, "native" if certainty else None)
    _draw(model, [canvas], batch)
    return canvas.result()


def segment_together(
    model: "Model", cases: Sequence[PreparedCase], *, certainty: bool = False
) -> list[Segmentation]:
    """Segment several prepared cases, pictures of one size in one pass; as `segment_case`.

    Args:
        model: A trained model.
        cases: One, or no more than `most_together` of one shape.
        certainty: Also ask the corrector.
    """
    canvases = [Canvas(case, "native" if certainty else None) for case in cases]
    if canvases:
        _draw(model, canvases, BATCH)
    return [canvas.result() for canvas in canvases]


def most_together(model: "Model", case: PreparedCase) -> int:
    """How many cases of the shape of this one go through a model at once; 1: it goes alone."""
    alone = len(case.slices) > 1 or model.spec.spatial_dims == 3
    if alone or model.goes_in_rows(case.header.shape):
        return 1
    return slices_at_once(model, case.slices, BATCH)


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
    waiting: list[tuple[Item, Canvas]] = []
    for item, case in items:
        # Only single slices of one size share a batch.
        shape = waiting[0][1].case.slices.shape if waiting else case.slices.shape
        if len(waiting) == batch or (waiting and (shape[0] > 1 or shape != case.slices.shape)):
            yield from _segmented(model, waiting, batch)
            waiting = []
        waiting.append((item, Canvas(case, "prepared" if corrector else None)))
    yield from _segmented(model, waiting, batch)


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


def slices_at_once(model: "Model", slices: torch.Tensor, most: int) -> int:
    """How many slices, `(D, C, H, W)`, to give to a network together: at most `most`."""
    if model.device.type != "cpu":
        return most
    return max(1, min(most, PIXELS // (slices.shape[-2] * slices.shape[-1])))


def _draw(model: "Model", canvases: Sequence[Canvas], batch: int) -> None:
    """Segment one case of many slices, or several of one slice each, which one batch holds."""
    alone = canvases[0] if len(canvases) == 1 else None
    if alone and alone.takes_rows and model.goes_in_rows(alone.case.header.shape):
        _draw_rows(model, alone)
        return
    if model.spec.spatial_dims == 3:
        for canvas in canvases:
            draw_volume(model, canvas)
        return
    context = model.spec.context
    cases = [canvas.case.slices for canvas in canvases]
    slices = (
        alone.case.slices if alone else torch.cat([with_context(c, [0], context) for c in cases])
    )
    with torch.inference_mode(), model.evaluating():
        batch = slices_at_once(model, slices, batch)
        for start in range(0, len(slices), batch):
            part = slices[start : start + batch]
            if alone and context:
                part = with_context(slices, range(start, start + len(part)), context)
            probabilities = None
            if canvases[0].view or model.spec.corrects:
                logits, probabilities = model.logits_and_judgement(part)
            else:
                logits = model.logits(part)
            scores = logits
            if model.spec.corrects and probabilities is not None:
                scores = corrected_probabilities(logits, probabilities)
            # At full size, the maps of one slice fit into the cache of a processor.
            step = len(part) if alone and model.device.type != "cpu" else 1
            for index in range(0, len(part), step):
                own = slice(index, index + step)
                canvas, place = (alone, start + index) if alone else (canvases[start + index], 0)
                judged = None if probabilities is None else probabilities[own]
                if canvas.view == "prepared" and judged is not None:
                    canvas.look(view_of(logits[own], judged))
                canvas.fill(place, scores[own], judged)


def _draw_rows(model: "Model", canvas: Canvas) -> None:
    """Segment a large picture on its own grid, of whose maps only a row of tiles exists."""
    with torch.inference_mode(), model.evaluating():
        corrects = model.spec.corrects
        rows = model.rows(canvas.case.slices[0], corrector=corrects or canvas.view is not None)
        for top, logits, probabilities in rows:
            maps = [None if found is None else found[0] for found in (logits, probabilities)]
            height = next(found.shape[1] for found in maps if found is not None)
            canvas.fill_rows(slice(top, top + height), *maps, corrects=corrects)


def _segmented(
    model: "Model", waiting: Sequence[tuple[Item, Canvas]], batch: int
) -> Iterator[tuple[Item, PreparedCase, Segmentation]]:
    if not waiting:
        return
    # Inference mode must not stay on while a consumer of the generator runs.
    _draw(model, [canvas for _, canvas in waiting], batch)
    for item, canvas in waiting:
        yield item, canvas.case, canvas.result()
