"""Volumes through networks that see volumes, or slices with their neighbours."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from ecs_med.data.depth import native_slices
from ecs_med.inference.canvas import Canvas, view_of
from ecs_med.losses import corrected_probabilities

if TYPE_CHECKING:
    from ecs_med.inference.model import Model

__all__ = ["draw_volume", "slabs"]

Slab = tuple[int, torch.Tensor, torch.Tensor | None]


def slabs(model: "Model", slices: torch.Tensor, *, corrector: bool) -> Iterator[Slab]:
    """A volume through a network of volumes, of whose maps only those of some slices exist.

    To be called in inference mode, with the networks in evaluation mode.

    Args:
        model: Of volumes.
        slices: `(D, C, H, W)`, as prepared.
        corrector: Also let the corrector judge.

    Yields:
        The first slice, logits `(n, N, H, W)` and, with `corrector`, its probabilities
        `(n, N+1, H, W)`; from the first slice to the last.
    """
    waiting: dict[int, torch.Tensor] = {}
    for start, logits, judged in model.rows(slices.movedim(1, 0), corrector=corrector):
        if logits is not None and corrector:
            waiting[start] = logits
            continue
        if logits is None:
            assert judged is not None
            # Both are cut into the same rows, and logits come first.
            yield start, _by_slice(waiting.pop(start)), _by_slice(judged)
        else:
            yield start, _by_slice(logits), None


def draw_volume(model: "Model", canvas: Canvas) -> None:
    """Segment one volume by a network of volumes, and bring its maps to the scan's own slices."""
    case, slicing = canvas.case, canvas.case.slicing
    with torch.inference_mode(), model.evaluating():
        parts = _maps(model, canvas)
        num_classes = model.spec.num_classes
        for start, maps in native_slices(parts, len(case.slices), slicing.num_slices):
            for place, one in enumerate(maps.split(1), start=start):
                judged = one[:, num_classes:] if one.shape[1] > num_classes else None
                canvas.fill(place, one[:, :num_classes], judged)


def _maps(model: "Model", canvas: Canvas) -> Iterator[torch.Tensor]:
    """Scores of the classes and, where the corrector is asked, its probabilities behind them."""
    corrector = model.spec.corrects or canvas.view is not None
    for _, logits, judged in slabs(model, canvas.case.slices, corrector=corrector):
        if judged is None:
            yield logits
            continue
        if canvas.view == "prepared":
            canvas.look(view_of(logits, judged))
        scores = corrected_probabilities(logits, judged) if model.spec.corrects else logits
        # What is not looked at need not be brought anywhere.
        yield torch.cat([scores, judged], dim=1) if canvas.view == "native" else scores


def _by_slice(maps: torch.Tensor) -> torch.Tensor:
    """`(n, K, H, W)` of `(1, K, n, H, W)`."""
    return maps[0].movedim(1, 0)
