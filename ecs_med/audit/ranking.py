"""The order in which masks are shown, and as whose mask a swapped one would fit."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from ecs_med.audit.verdict import SIDE, Verdict

__all__ = ["MEASURES", "SORTED_BY", "Measure", "fitting_cases", "ranked", "score_of"]

Measure = Literal["overlap", "softmin", "corrector", "dice"]
"""By which masks can be sorted: the lower, the more suspicious."""

MEASURES: tuple[Measure, ...] = ("overlap", "softmin", "corrector", "dice")

SORTED_BY: Measure = "overlap"
"""Which one sorts the page; see docs/audit.md for what was measured of each."""

_FITS = 0.8
"""Dice with the expected mask of another case from which on a mask would fit there."""


def score_of(verdict: Verdict, measure: Measure) -> float:
    """A measure of a verdict; that of the segmenter where the model has no corrector."""
    value: float | None = getattr(verdict, measure)
    return verdict.softmin if value is None else value


def ranked(verdicts: Iterable[Verdict], measure: Measure = SORTED_BY) -> list[Verdict]:
    """The most suspicious one first; equal ones by id."""
    return sorted(verdicts, key=lambda one: (score_of(one, measure), one.case))


def fitting_cases(verdicts: Sequence[Verdict]) -> Mapping[str, str]:
    """By id of a case whose mask seems swapped, the id of the case as whose mask it would fit.

    Masks are compared at 32 x 32, so that this costs a product of small matrices.
    """
    swapped = [one for one in verdicts if one.kind == "swapped"]
    if not swapped:
        return {}
    given = np.stack([_bits(one.shape) for one in swapped])
    expected = np.stack([_bits(one.expected_shape) for one in verdicts])
    total = given.sum(axis=1)[:, None] + expected.sum(axis=1)[None]
    dice = 2 * (given @ expected.T) / np.maximum(total, 1)
    fits = {}
    for one, row in zip(swapped, dice, strict=True):
        best = int(row.argmax())
        if row[best] >= _FITS and verdicts[best].case != one.case:
            fits[one.case] = verdicts[best].case
    return fits


def _bits(shape: str) -> npt.NDArray[np.float32]:
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(shape), np.uint8))
    return bits[: SIDE * SIDE].astype(np.float32)
