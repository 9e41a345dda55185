"""Which family of learning curves predicts held-out numbers of labels best."""

import numpy as np
from numpy.typing import NDArray

from ecs_med.analysis.curves import FAMILIES, fit_curves

__all__ = ["held_out_errors"]

Floats = NDArray[np.float64]


def held_out_errors(
    num_labeled: Floats, scores: Floats, weights: Floats, *, refined: bool = False
) -> Floats:
    """Error of each family on numbers of labels that it was not fitted to.

    The largest number of labels is left out first: a forecast extrapolates, so this is the task
    itself. With five or more numbers of labels each inner one is left out as well. The error is
    the root of the weighted mean of squared errors, in which the largest counts as much as all
    inner ones together. The smallest is never left out: no forecast goes below it.

    Args:
        num_labeled: `(B,)` rising, at least 4.
        scores: `(R, B)`, a set of scores a row.
        weights: `(B,)`, positive.
        refined: Whether shapes are refined beyond their grid, which takes three times as long and
            changes an error by about 0.001.

    Returns:
        `(F, R)`, in the unit of the scores, in the order of `FAMILIES`.
    """
    count = num_labeled.size
    left_out = [count - 1, *(range(1, count - 1) if count >= 5 else ())]
    importance = np.array([1.0, *[1 / (count - 2)] * (len(left_out) - 1)])
    squared = np.zeros((len(FAMILIES), len(left_out), len(scores)))
    for row, family in enumerate(FAMILIES):
        for column, place in enumerate(left_out):
            kept = np.arange(count) != place
            fitted = fit_curves(
                family, num_labeled[kept], scores[:, kept], weights[kept], refined=refined
            )
            error = fitted.score_at(float(num_labeled[place])) - scores[:, place]
            squared[row, column] = error**2
    return np.asarray(np.sqrt(np.einsum("frn,r->fn", squared, importance) / importance.sum()))
