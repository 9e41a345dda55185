"""Which difference between two methods test cases can tell from chance, and how many it takes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from ecs_med.analysis.seeds_and_cases import CaseConfusions, PairedSpread, paired_spread

__all__ = ["Resolution", "resolvable_difference"]

LEVEL = 0.05
POWER = 0.80
# Beyond a million test cases a number says no more than "never".
MOST_CASES = 1_000_000


@dataclass(frozen=True, slots=True)
class Resolution:
    """What a comparison can resolve.

    Attributes:
        difference: The smallest true difference of mIoU, in 0..1, whose 95 % interval over seeds
            and test cases leaves out 0 in four of five such comparisons.
        case_sd: Standard deviation of what single test cases add to the difference (mean over
            seeds), in mIoU; over the root of the number of cases it is the doubt due to cases.
        num_cases: Test cases.
        num_seeds: Pairs of runs.
    """

    difference: float
    case_sd: float
    num_cases: int
    num_seeds: int
    _spread: PairedSpread

    def cases_for(self, difference: float) -> int | None:
        """Test cases that a wanted difference takes with the same seeds.

        Only the doubt due to cases falls with their number, as 1 / n; where nothing else is, that
        is n = ((t + t') SD / difference)^2, with t and t' the quantiles for the level of 5 % (1.96
        for many cases) and the power of 80 % (0.84).

        Args:
            difference: True difference of mIoU, above 0.

        Returns:
            The number, at least 2; `None` where no number of cases is enough, since seeds alone
            hide the difference.

        Raises:
            ValueError: If the difference is not above 0.
        """
        if not difference > 0:
            raise ValueError(f"a difference to resolve is above 0, not {difference}")
        spread = self._spread
        allowed = (difference / _reach(spread.freedom)) ** 2
        left = allowed - max(spread.variance - spread.of_cases, 0.0)
        if left <= spread.of_cases * self.num_cases / MOST_CASES:
            return None
        return max(math.ceil(spread.of_cases * self.num_cases / left - 1e-9), 2)


def resolvable_difference(
    first: Sequence[CaseConfusions], second: Sequence[CaseConfusions]
) -> Resolution | None:
    """The smallest difference that the test cases and seeds of two methods can tell from chance.

    Taken from what was measured: each test case adds to the difference of each pair of runs, and
    how these parts differ between cases and seeds says how far chance moves the mean. A difference
    as large as the interval is wide to one side would be missed every second time; this one is
    larger, so that four of five comparisons find it (power 80 %).

    Args:
        first: Test cases of the first method's runs, as for `compare_over_seeds_and_cases`.
        second: Those of the second method's.

    Returns:
        The resolution. With one seed it is that of the test cases alone. `None` with a single test
        case, or where all runs are equal, which says nothing of chance.

    Raises:
        ValueError: As `compare_over_seeds_and_cases`.

    Example:
        >>> import numpy as np
        >>> def run(*wrong):
        ...     return {str(i): np.array([[50 - n, n], [0, 50]]) for i, n in enumerate(wrong)}
        >>> found = resolvable_difference([run(4, 2, 5, 3)], [run(8, 9, 6, 7)])
        >>> round(found.difference, 3), found.cases_for(found.difference / 2)
        (0.092, 16)

    Source:
        Julious, Sample sizes for clinical trials with normal data, 2004 (paired design).
    """
    spread = paired_spread(first, second)
    if spread.num_cases < 2 or spread.variance <= 0:
        return None
    return Resolution(
        difference=_reach(spread.freedom) * math.sqrt(spread.variance),
        case_sd=math.sqrt(spread.of_cases * spread.num_cases),
        num_cases=spread.num_cases,
        num_seeds=spread.num_seeds,
        _spread=spread,
    )


def _reach(freedom: float) -> float:
    """Standard errors between 0 and a difference that is found with the power: 2.8 for many."""
    return float(stats.t.ppf(1 - LEVEL / 2, freedom) + stats.t.ppf(POWER, freedom))
