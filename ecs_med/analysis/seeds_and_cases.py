"""One interval for both kinds of chance: another set of seeds, and another set of test cases."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ecs_med.analysis.intervals import Interval

__all__ = ["CaseConfusions", "PairedSpread", "compare_over_seeds_and_cases", "paired_spread"]

Floats = NDArray[np.float64]
CaseConfusions = Mapping[str, NDArray[np.int64]]
"""`(K, K)` counts of every test case of a run by its id, row = reference, column = prediction."""


def compare_over_seeds_and_cases(
    first: Sequence[CaseConfusions], second: Sequence[CaseConfusions]
) -> Interval:
    """The mean difference of mIoU, with a 95 % interval over seeds and test cases together.

    A t interval over three seeds is wide, since it takes the spread from three numbers, and says
    nothing of the cases; a bootstrap over cases says nothing of the seeds. Here, with D_s the
    difference of a seed and psi_si what case i adds to it (the derivative by the weight of the
    case, an infinitesimal jackknife):

        v_seeds = var(D_s) / S
        v_cases = sum_i (mean_s psi_si)^2          cases drawn anew, the same for all seeds
        v_both  = sum_s sum_i psi_si^2 / S^2       cases drawn anew for every seed
        v       = max(v_seeds, v_cases, v_seeds + v_cases - v_both)

    What a pair of seed and case adds is in v_seeds and in v_cases, hence the difference (as in
    two-way clustered errors). Where every seed has test cases of its own, v_cases equals v_both and
    v_seeds holds all there is. The quantile is Student's with Satterthwaite's degrees of freedom,
    many where the cases explain most of the spread over seeds and S - 1 where they explain nothing.

    Args:
        first: Test cases of the first method's runs, one a seed.
        second: Those of the second method's at the same seeds, in this order, on the same cases.

    Returns:
        First minus second, in -1..1. A single seed, or a single case, has no interval.

    Raises:
        ValueError: If the runs are no pairs: numbers of seeds, cases or classes differ, or a run
            has no case or no counted pixel.

    Example:
        >>> import numpy as np
        >>> right, half = np.array([[4, 0], [0, 4]]), np.array([[4, 0], [2, 2]])
        >>> good = [{"a": right, "b": right}, {"a": right, "b": half}]
        >>> poor = [{"a": half, "b": right}, {"a": half, "b": half}]
        >>> round(compare_over_seeds_and_cases(good, poor).estimate, 3)
        0.208

    Source:
        Cameron, Gelbach and Miller, Robust inference with multiway clustering, 2011; degrees of
        freedom: Satterthwaite, An approximate distribution of estimates of variance components,
        1946.
    """
    spread = paired_spread(first, second)
    estimate = spread.difference
    if spread.num_seeds < 2 or spread.num_cases < 2:
        return Interval(estimate, None, None)
    half = float(stats.t.ppf(0.975, spread.freedom)) * math.sqrt(spread.variance)
    return Interval(estimate, estimate - half, estimate + half)


@dataclass(frozen=True, slots=True)
class PairedSpread:
    """How well a mean difference of mIoU is known, and what of the doubt is due to the cases.

    Attributes:
        difference: First minus second, in -1..1.
        variance: Of that difference over seeds and cases together; over cases alone where there is
            a single seed.
        of_cases: The part of it that shrinks with the number of test cases; at most `variance`.
        freedom: Degrees of freedom of the variance, above 0.
        num_seeds: Pairs of runs.
        num_cases: Different test cases of all pairs together.
    """

    difference: float
    variance: float
    of_cases: float
    freedom: float
    num_seeds: int
    num_cases: int


def paired_spread(
    first: Sequence[CaseConfusions], second: Sequence[CaseConfusions]
) -> PairedSpread:
    """The parts of which `compare_over_seeds_and_cases` makes its interval.

    Args:
        first: As there.
        second: As there.

    Returns:
        The parts. A single case has no variance: 0, with one degree of freedom.

    Raises:
        ValueError: As there.
    """
    if not first or len(first) != len(second):
        raise ValueError(f"{len(first)} runs cannot be paired with {len(second)}")
    differences, influences = [], []
    for ours, theirs in zip(first, second, strict=True):
        if not ours or ours.keys() != theirs.keys():
            raise ValueError("the runs of a pair have not the same test cases")
        mine, yours = _miou_and_influence(ours), _miou_and_influence(theirs)
        differences.append(mine[0] - yours[0])
        influences.append({case: mine[1][case] - yours[1][case] for case in ours})
    return _spread(np.array(differences), influences)


def _spread(differences: Floats, influences: Sequence[Mapping[str, float]]) -> PairedSpread:
    num_seeds = len(influences)
    means: dict[str, float] = {}
    both = 0.0
    for influence in influences:
        grown = len(influence) / max(len(influence) - 1, 1)
        both += grown * sum(value**2 for value in influence.values()) / num_seeds**2
        for case, value in influence.items():
            means[case] = means.get(case, 0.0) + math.sqrt(grown) * value / num_seeds
    cases = sum(value**2 for value in means.values())
    known = partial(PairedSpread, math.fsum(differences) / num_seeds)
    sizes = {"num_seeds": num_seeds, "num_cases": len(means)}
    if num_seeds == 1:
        return known(cases, cases, max(len(means) - 1, 1), **sizes)
    seeds = float(differences.var(ddof=1)) / num_seeds
    variance = max(seeds, cases, seeds + cases - both)
    if variance < 1e-24 or min(map(len, influences)) < 2:
        return known(0.0, 0.0, 1.0, **sizes)
    num_pairs = sum(map(len, influences)) - num_seeds
    spread = seeds**2 / (num_seeds - 1) + cases**2 / (len(means) - 1) + both**2 / num_pairs
    return known(variance, cases, variance**2 / spread, **sizes)


def _miou_and_influence(run: CaseConfusions) -> tuple[float, dict[str, float]]:
    """MIoU of the matrix summed over cases, and its derivative by the weight of each case.

    IoU = h / u of sums over cases, so a case with h_i and u_i moves it by (h_i - IoU u_i) / u; the
    derivatives add up to 0.
    """
    counts = np.stack([np.asarray(matrix, dtype=np.float64) for matrix in run.values()])
    if counts.ndim != 3 or counts.shape[1] != counts.shape[2]:
        raise ValueError("the confusion matrix of a case is (K, K)")
    hits = np.diagonal(counts, axis1=1, axis2=2)
    unions = counts.sum(axis=1) + counts.sum(axis=2) - hits
    union = unions.sum(axis=0)
    occurs = union > 0
    if not occurs.any():
        raise ValueError("a run has not one counted pixel")
    ious = hits.sum(axis=0)[occurs] / union[occurs]
    moved = (hits[:, occurs] - ious * unions[:, occurs]) / union[occurs]
    return float(ious.mean()), dict(zip(run, moved.mean(axis=1).tolist(), strict=True))
