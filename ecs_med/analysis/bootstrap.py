"""Intervals over test cases: what another draw of patients from the same source would change."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ecs_med.analysis.intervals import Interval

__all__ = ["bootstrap_case_difference", "bootstrap_cases"]

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

# Resamples are taken in blocks, so that the weights of a large test set fit into little memory.
BLOCK = 256


def bootstrap_cases(
    confusions: Sequence[Counts], *, num_resamples: int = 1000, seed: int = 0
) -> Interval:
    """The mean mIoU of some runs, with a bootstrap interval over their common test cases.

    The runs are held fixed and the cases are drawn anew, the same draw for every run. This is
    the second half of the uncertainty: seeds say what another training would change, cases what
    another test set would.

    Args:
        confusions: One array a run, `(num_cases, K, K)` counts, row = reference, column =
            prediction; case i is the same case in every run.
        num_resamples: Number of draws of the cases.
        seed: Seed of the draws; the same seed gives the same interval.

    Returns:
        Mean over runs of the mIoU of the matrix summed over cases, in 0..1, with the 2.5 % and
        97.5 % percentiles of that number over the draws. A class that occurs in no drawn case
        does not enter that draw's mean. A single case has no interval.

    Raises:
        ValueError: If there is no run, no case, no counted pixel, the shapes differ, or a
            count is negative.

    Example:
        >>> import numpy as np
        >>> cases = np.array([[[6, 2], [0, 2]], [[4, 0], [0, 4]]])
        >>> round(bootstrap_cases([cases]).estimate, 4)
        0.7917
    """
    runs = _stacked(confusions)
    return _interval(lambda weights: _mean_miou(runs, weights), runs[0], num_resamples, seed)


def bootstrap_case_difference(
    first: Sequence[Counts], second: Sequence[Counts], *, num_resamples: int = 1000, seed: int = 0
) -> Interval:
    """The difference of two methods' mean mIoU, with a bootstrap interval over test cases.

    Both methods are scored on the same draw, so a hard case counts against both and the interval
    is that of the difference, not of two separate scores.

    Args:
        first: Runs of the first method, as for `bootstrap_cases`.
        second: Runs of the second method on the same cases; their number may differ.
        num_resamples: Number of draws of the cases.
        seed: Seed of the draws.

    Returns:
        First minus second, in -1..1, with percentiles as in `bootstrap_cases`.

    Raises:
        ValueError: As for `bootstrap_cases`, and if the methods differ in cases or classes.

    Example:
        >>> import numpy as np
        >>> cases = np.array([[[6, 2], [0, 2]], [[4, 0], [0, 4]]])
        >>> bootstrap_case_difference([cases], [cases]).upper
        0.0
    """
    both = _stacked([*first, *second])
    if not first or not second:
        raise ValueError("both methods need at least one run")
    ours, theirs = both[: len(first)], both[len(first) :]

    def difference(weights: Floats) -> Floats:
        return _mean_miou(ours, weights) - _mean_miou(theirs, weights)

    return _interval(difference, both[0], num_resamples, seed)


def _stacked(confusions: Sequence[Counts]) -> list[Floats]:
    """Per run `(num_cases, 2 K)`: hits and union of each class, all that IoU needs."""
    if not confusions:
        raise ValueError("there is no run")
    shape = np.shape(confusions[0])
    if len(shape) != 3 or shape[1] != shape[2] or 0 in shape:
        raise ValueError(f"confusion matrices of a run are (num_cases, K, K), not {shape}")
    counted = []
    for confusion in confusions:
        matrix = np.asarray(confusion)
        if matrix.shape != shape:
            raise ValueError(f"runs differ in shape: {shape} and {matrix.shape}")
        if matrix.min() < 0 or matrix.sum() == 0:
            raise ValueError("counts must not be negative, nor all zero")
        hits = np.diagonal(matrix, axis1=1, axis2=2)
        union = matrix.sum(axis=1) + matrix.sum(axis=2) - hits
        # float64 holds counts exactly up to 2**53, and products of floats run through BLAS.
        counted.append(np.concatenate([hits, union], axis=1).astype(np.float64))
    return counted


def _mean_miou(runs: Sequence[Floats], weights: Floats) -> Floats:
    scores = np.zeros(len(weights))
    for run in runs:
        hits, union = np.split(weights @ run, 2, axis=1)
        occurs = union > 0
        ious = np.divide(hits, union, out=np.zeros_like(hits), where=occurs)
        # A draw whose cases are all void scores 0; it needs a test set of nearly only void cases.
        scores += ious.sum(axis=1) / np.maximum(occurs.sum(axis=1), 1)
    return scores / len(runs)


def _interval(
    score: Callable[[Floats], Floats], cases: Floats, num_resamples: int, seed: int
) -> Interval:
    """The score of every case once, and its percentiles over draws of the cases."""
    if num_resamples < 1:
        raise ValueError(f"num_resamples must be at least 1, not {num_resamples}")
    num_cases = len(cases)
    estimate = float(score(np.ones((1, num_cases)))[0])
    if num_cases < 2:
        return Interval(estimate, None, None)
    generator = np.random.default_rng(seed)
    even = np.full(num_cases, 1 / num_cases)
    blocks = [min(BLOCK, num_resamples - start) for start in range(0, num_resamples, BLOCK)]
    draws = [score(generator.multinomial(num_cases, even, size).astype(float)) for size in blocks]
    lower, upper = np.quantile(np.concatenate(draws), [0.025, 0.975])
    return Interval(estimate, float(lower), float(upper))
