"""What networks that never saw a mask say of it, on the grid on which they see its image."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ecs_med.acquisition.chunks import model_chunks
from ecs_med.audit.overlap import Overlap
from ecs_med.audit.softmin import PixelScores
from ecs_med.data.cases import PreparedCase
from ecs_med.data.depth import with_context
from ecs_med.inference.model import Model
from ecs_med.inference.predictor import BATCH

__all__ = ["Judged", "judge_mask"]

Labels = npt.NDArray[np.uint8]
Maps = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Judged:
    """A given mask beside the expected one.

    Attributes:
        given: Labels `(D, H, W)`; void and unlabelled pixels are no class.
        expected: What the model draws, `(D, H, W)`.
        overlap: Of the given mask and the probabilities of what the model draws.
        segmenter: Of p(given label), with corrections where the model corrects.
        corrector: Of P(right) of the given mask; `None` without a corrector.
        doubt: 1 - p(given label), `(H, W)`, of the slice that was asked for; 0 where void.
    """

    given: Labels
    expected: Labels
    overlap: Overlap
    segmenter: PixelScores
    corrector: PixelScores | None
    doubt: Maps | None = None


def judge_mask(model: Model, case: PreparedCase, doubt_of: int | None = None) -> Judged:
    """Hold the given mask of a prepared case against a model that was trained without it.

    Maps of probabilities exist for some slices, or some rows of a picture, at a time.

    Args:
        model: Of the fold that leaves the case out.
        case: With its reference.
        doubt_of: Slice of which the map of doubt is kept.

    Raises:
        DeviceMemoryError: If the device has too little memory for the case.
    """
    given = case.labels
    assert given is not None
    num_classes = model.spec.num_classes
    scores = PixelScores(len(given), num_classes)
    overlap = Overlap(given.shape[1] * given.shape[2], num_classes)
    expected = torch.zeros_like(given)
    doubt = torch.zeros(given.shape[1:]) if doubt_of is not None else None
    top = 0
    for chunk in model_chunks(model, case):
        drawn = chunk.labels.to(torch.uint8).cpu()
        place = _place(chunk.start, top, drawn)
        top = _below(top, drawn, given)
        known = given[place]
        classes = known.clamp(max=num_classes - 1).long().unsqueeze(1)
        right = chunk.drawn.cpu().gather(1, classes)[:, 0]
        overlap.add(chunk.drawn, known)
        scores.add(chunk.start, right, known, drawn)
        expected[place] = drawn
        if doubt is not None and doubt_of is not None and 0 <= doubt_of - chunk.start < len(drawn):
            inside = (known < num_classes)[doubt_of - chunk.start]
            doubt[place[1]] = (1 - right[doubt_of - chunk.start]) * inside
    corrector = None
    if model.has_corrector:
        corrector = PixelScores(len(given), num_classes)
        # Of what is void nothing is known: the corrector sees there what the model draws.
        filled = torch.where(given < num_classes, given, expected)
        for start, first, sure in _right(model, case, filled):
            place = _place(start, first, sure)
            corrector.add(start, sure, given[place], expected[place])
    kept = None if doubt is None else doubt.numpy()
    return Judged(given.numpy(), expected.numpy(), overlap, scores, corrector, kept)


def _place(start: int, top: int, maps: torch.Tensor) -> tuple[slice, slice]:
    """Of maps `(n, rows, W)` in all slices."""
    return slice(start, start + len(maps)), slice(top, top + maps.shape[1])


def _below(top: int, maps: torch.Tensor, given: torch.Tensor) -> int:
    """Where the next rows begin: a large picture comes in rows, all else in whole slices."""
    return (top + maps.shape[1]) % given.shape[1]


def _right(
    model: Model, case: PreparedCase, labels: torch.Tensor
) -> Iterator[tuple[int, int, torch.Tensor]]:
    """The first slice, the first row, and P(right) of labels from there on, `(n, rows, W)`."""
    with torch.inference_mode(), model.evaluating():
        slices = case.slices
        if model.spec.spatial_dims == 3:
            for start, judged in model.judged_rows(slices.movedim(1, 0), labels):
                yield start, 0, judged[0, -1].cpu()
        elif len(slices) == 1 and model.goes_in_rows(slices.shape[-2:]):
            for top, judged in model.judged_rows(slices[0], labels[0]):
                yield 0, top, judged[:, -1].cpu()
        else:
            for start in range(0, len(slices), BATCH):
                numbers = range(start, min(start + BATCH, len(slices)))
                part = with_context(slices, numbers, model.spec.context)
                yield start, 0, model.judge(part, labels[start : numbers.stop])[:, -1].cpu()
