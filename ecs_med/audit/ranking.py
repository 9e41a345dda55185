"""The order in which masks are shown, and as whose mask a swapped one would fit."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from ecs_med.audit.verdict import SIDE, Verdict

__all__ = ["MEASURES", "Measure", "fitting_cases", "mean_ranks", "ranked"]

Measure = Literal["overlap", "softmin", "corrector", "dice"]
"""What is measured of every mask: the lower, the more suspicious."""

MEASURES: tuple[Measure, ...] = ("overlap", "softmin", "corrector", "dice")

_FITS = 0.8
"""Dice with the expected mask of another case from which on a mask would fit there."""


def ranked(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The most suspicious one first: by the mean of the ranks that all measures give.

    Each measure finds other faults best, and their mean finds more than any of them, see
    docs/audit.md. A measure that some mask lacks, such as that of a corrector, is left out.
    Equal ones stand by id.
    """
    ordered = sorted(verdicts, key=lambda one: one.case)
    values = {str(name): [getattr(one, name) for one in ordered] for name in MEASURES}
    ranks = mean_ranks({name: of for name, of in values.items() if None not in of})
    places = sorted(range(len(ordered)), key=lambda place: (ranks[place], place))
    return [ordered[place] for place in places]


def mean_ranks(measures: Mapping[str, Sequence[float]]) -> list[float]:
    """The mean of the ranks that several measures give, the lowest value first; ties share one.

    Args:
        measures: Values of the same masks in the same order by measure, at least one.

    Example:
        >>> mean_ranks({"overlap": [0.9, 0.1, 0.5], "softmin": [0.2, 0.2, 0.7]})
        [2.25, 1.25, 2.5]
    """
    from scipy.stats import rankdata

    ranks = np.mean([rankdata(values) for values in measures.values()], axis=0)
    return [float(rank) for rank in ranks]


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
