"""Some slices of a case alone, for reports and scores."""

from typing import TYPE_CHECKING

import torch

from ecs_med.data.cases import PreparedCase
from ecs_med.data.depth import with_context
from ecs_med.inference.canvas import CorrectorView, Segmentation, view_of
from ecs_med.inference.predictor import BATCH, segment_case, slices_at_once
from ecs_med.inference.volumes import slabs

if TYPE_CHECKING:
    from ecs_med.inference.model import Model

__all__ = ["look_at_slices", "segment_slice"]


def segment_slice(
    model: "Model", case: PreparedCase, index: int, *, certainty: bool
) -> Segmentation:
    """Segment one slice of a volume, for which no more of it is looked at than has to be.

    Args:
        model: A trained model, with a corrector where `certainty` is asked.
        case: Of a volume.
        index: Of the slice, among those of the turned grid of the scan.
        certainty: Also ask the corrector.

    Returns:
        As `segment_case`, arrays with a single layer across the slices.
    """
    spec = model.spec
    if spec.spatial_dims == 2 and not spec.context:
        return segment_case(model, case.only(index), certainty=certainty)
    whole = segment_case(model, case, certainty=certainty)
    axis, layer = case.slicing.axis, [case.slicing.across(index)]
    return Segmentation(
        whole.labels.take(layer, axis),
        None if whole.certainty is None else whole.certainty.take(layer, axis),
        None if whole.correction is None else whole.correction.take(layer, axis),
    )


def look_at_slices(
    model: "Model", case: PreparedCase, most: int, *, batch: int = BATCH
) -> tuple[CorrectorView, torch.Tensor | None]:
    """Both networks on some prepared slices, without a way back to the scan's grid.

    Args:
        model: With a corrector.
        case: Prepared.
        most: Slices at most, evenly spread.
        batch: Slices at a time.

    Returns:
        What they say, and the reference of these slices where there is one, `(D, H, W)`. Models of
        volumes see all of the volume, of which these slices are kept.
    """
    numbers, reference = case.spread(most)
    parts = []
    with torch.inference_mode():
        if model.spec.spatial_dims == 3:
            for start, logits, judged in slabs(model, case.slices, corrector=True):
                assert judged is not None
                kept = [n - start for n in numbers if start <= n < start + len(logits)]
                if kept:
                    parts.append(view_of(logits[kept], judged[kept]))
        else:
            batch = slices_at_once(model, case.slices, batch)
            for first in range(0, len(numbers), batch):
                chosen = numbers[first : first + batch]
                part = with_context(case.slices, chosen, model.spec.context)
                parts.append(view_of(*model.logits_and_judgement(part)))
    return CorrectorView.joined(parts), reference
