"""What a model says of a case, piece by piece, so that no more of it exists at once."""

from collections.abc import Iterator
from typing import NamedTuple

import torch

from ecs_med.data.cases import PreparedCase
from ecs_med.data.depth import with_context
from ecs_med.errors import DeviceMemoryError
from ecs_med.inference.model import Model
from ecs_med.inference.predictor import BATCH
from ecs_med.inference.volumes import slabs
from ecs_med.losses import corrected_probabilities

__all__ = ["Chunk", "doubt_map", "model_chunks"]


class Chunk(NamedTuple):
    """What a model says of some consecutive slices, or of rows of one, on the prepared grid."""

    start: int
    """Number of the first one."""
    probabilities: torch.Tensor
    """Of the segmenter, `(n, N, H, W)`."""
    judged: torch.Tensor | None
    """Of the corrector, `(n, N+1, H, W)`; `None` without one."""
    drawn: torch.Tensor
    """Probabilities of what is drawn, with corrections where the model corrects, `(n, N, H, W)`."""

    @property
    def labels(self) -> torch.Tensor:
        """Class that is drawn, `(n, H, W)`."""
        return self.drawn.argmax(dim=1)


def model_chunks(model: Model, case: PreparedCase) -> Iterator[Chunk]:
    """What a model says of a case, some slices at a time, so that no more of it exists at once.

    Raises:
        DeviceMemoryError: If the device has too little memory for them.
    """
    try:
        with torch.inference_mode(), model.evaluating():
            for start, logits, judged in _raw(model, case):
                probabilities = logits.softmax(dim=1)
                drawn = probabilities
                if judged is not None and model.spec.corrects:
                    drawn = corrected_probabilities(logits, judged)
                yield Chunk(start, probabilities, judged, drawn)
    except torch.OutOfMemoryError as error:
        raise DeviceMemoryError(
            f"{model.device} has too little memory for one of the candidates; use another `device`."
        ) from error


def doubt_map(chunk: Chunk) -> torch.Tensor:
    """(1 - P(right)) (1 - p of the background), `(n, H, W)`, 0..1: drawn and held for wrong."""
    assert chunk.judged is not None
    return (1 - chunk.judged[:, -1]) * (1 - chunk.probabilities[:, 0])


def _raw(
    model: Model, case: PreparedCase
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor | None]]:
    corrector = model.has_corrector
    if model.spec.spatial_dims == 3:
        yield from slabs(model, case.slices, corrector=corrector)
        return
    if len(case.slices) == 1 and model.goes_in_rows(case.slices.shape[-2:]):
        yield from _rows(model, case.slices[0])
        return
    for start in range(0, len(case.slices), BATCH):
        numbers = range(start, min(start + BATCH, len(case.slices)))
        part = with_context(case.slices, numbers, model.spec.context)
        logits = model.logits(part)
        yield start, logits, model.correct(part, logits) if corrector else None


def _rows(
    model: Model, picture: torch.Tensor
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor | None]]:
    """A large picture, of whose maps only some rows exist at once, from top to bottom."""
    waiting: dict[int, torch.Tensor] = {}
    for top, logits, judged in model.rows(picture, corrector=model.has_corrector):
        if logits is None:
            # Both are cut into the same rows, and logits come first.
            yield 0, waiting.pop(top), judged
        elif model.has_corrector:
            waiting[top] = logits
        else:
            yield 0, logits, None
