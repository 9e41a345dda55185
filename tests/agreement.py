"""Two ways of computing one model, held against each other on a picture where classes may tie."""

from pathlib import Path

import torch

from ecs_med.data.cases import PreparedCase
from ecs_med.data.readers import read_scan
from ecs_med.inference.model import Model
from ecs_med.inference.predictor import segment

ROUNDING = 1e-5
"""Of probabilities."""


def assert_agree(model: Model, plain: Model, path: Path) -> None:
    """Equal but for rounding, which decides between classes that tie.

    A corrector that sees labels is asked about the same ones: of two whose probabilities differ by
    rounding alone, either may be the label, and what it says of a neighbourhood follows from that.
    """
    slices = PreparedCase.of_scan(read_scan([path]), plain.spec.preparation).slices
    logits, judged = model.logits_and_judgement(slices)
    expected = plain.logits(slices)
    found, right = logits.softmax(dim=1), expected.softmax(dim=1)
    torch.testing.assert_close(found, right, rtol=0, atol=ROUNDING)
    flipped = found.argmax(dim=1) != right.argmax(dim=1)
    first, second = right.topk(2, dim=1).values.unbind(dim=1)
    assert ((first - second)[flipped] < 2 * ROUNDING).all()
    same_question = plain.correct(slices, logits)
    torch.testing.assert_close(
        judged.softmax(dim=1), same_question.softmax(dim=1), rtol=0, atol=ROUNDING
    )
    ours, theirs = (segment(m, path, certainty=True) for m in (model, plain))
    assert (ours.labels != theirs.labels).mean() < 1e-4
    if not flipped.any():
        assert ours.certainty is not None
        assert abs(ours.certainty - theirs.certainty).max() < ROUNDING
