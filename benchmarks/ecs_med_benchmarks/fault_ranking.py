"""How well a ranking of masks finds those that are wrong."""

from collections.abc import Sequence

import numpy as np

from ecs_med.metrics.detection import auroc, average_precision
from ecs_med.records import Record

__all__ = ["FaultRanking", "rank_faults"]

_TOP = 0.1


class FaultRanking(Record):
    """One measure as a detector of wrong masks; `None` where it is undefined."""

    auroc: float | None
    """Probability that a wrong mask is more suspicious than a right one, ties halved."""
    auprc: float | None
    """Average precision; chance is the share that is wrong."""
    precision_at_k: float | None
    """Share of wrong ones among the k most suspicious, k being how many are wrong."""
    lift_at_10: float | None
    """Share of wrong ones among the tenth that is most suspicious, over that among all."""


def rank_faults(quality: Sequence[float], wrong: Sequence[bool]) -> FaultRanking:
    """Judge a measure of quality, of which low values are suspicious.

    Masks of one value at an edge count by the share of them that lies above it.

    Args:
        quality: One value a mask.
        wrong: Whether it is wrong.

    Example:
        >>> found = rank_faults([0.1, 0.2, 0.9, 0.8], [True, False, False, False])
        >>> found.auroc, found.auprc, found.precision_at_k, found.lift_at_10
        (1.0, 1.0, 1.0, 4.0)
    """
    _, places = np.unique(-np.asarray(quality, np.float64), return_inverse=True)
    is_wrong = np.asarray(wrong, np.bool_)
    counts = [
        np.bincount(places[each], minlength=places.max() + 1) for each in (is_wrong, ~is_wrong)
    ]
    number = int(is_wrong.sum())
    share = number / len(is_wrong)
    top = max(1, round(_TOP * len(is_wrong)))
    return FaultRanking(
        auroc=auroc(*counts),
        auprc=average_precision(*counts),
        precision_at_k=_precision(counts, number) if number else None,
        lift_at_10=_precision(counts, top) / share if number else None,
    )


def _precision(counts: Sequence["np.ndarray[tuple[int], np.dtype[np.int64]]"], top: int) -> float:
    """Expected share of wrong ones among the first `top`, where equal ones are drawn by lot."""
    wrong, right = (part[::-1].astype(float) for part in counts)
    both = wrong + right
    before = both.cumsum() - both
    taken = np.clip(top - before, 0, both)
    return float((wrong * taken / np.maximum(both, 1)).sum() / top)
