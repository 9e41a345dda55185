"""What the next labels buy: learning curves over a sweep, with their uncertainty or a refusal."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecs_med.analysis.curves import Curves
from ecs_med.analysis.intervals import Interval
from ecs_med.analysis.points import ScorePoint, ScoreTable
from ecs_med.analysis.posterior import draw_curves
from ecs_med.analysis.refusals import Refusal, refuse_before_fitting
from ecs_med.analysis.wording import LabelsNeeded, labels_needed
from ecs_med.errors import EcsMedError

__all__ = ["Forecast", "ForecastRangeError", "forecast"]

Floats = NDArray[np.float64]

# A curve measured over one range of labels says little far beyond it.
HORIZON = 4
# A curve that misses scores which are known by ten points says nothing about those that are not.
MAX_ERROR = 0.1
TAILS = (0.025, 0.5, 0.975)
# Families with less weight have no say in a disagreement, and less of a difference is none.
HEARD = 0.1
DISAGREEMENT = 0.02


class ForecastRangeError(EcsMedError):
    """A forecast was asked for more labels than the measured ones can carry."""


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """The learning curves that a sweep leaves possible.

    Attributes:
        family: Name of the family with the largest weight.
        weights: How probable each family is after the data, adding up to 1.
        largest: Largest measured number of labels; the forecast reaches to four times that.
        smallest: Smallest measured number of labels.
    """

    family: str
    weights: Mapping[str, float]
    largest: float
    smallest: float
    _drawn: tuple[Curves, ...] = field(repr=False)

    @property
    def reason(self) -> str:
        """What weight the families have, one sentence."""
        ranked = sorted(self.weights.items(), key=lambda item: -item[1])
        shares = ", ".join(f"{name} {_percent(weight)}" for name, weight in ranked)
        endless = self.family == "logarithm"
        caution = (
            "; a logarithm has no ceiling, so it may promise too much beyond what was measured"
        )
        return f"Weights of the curves: {shares}{caution if endless else ''}."

    def score_at(self, num_labeled: float) -> Interval:
        """Expected score with a number of labels.

        Args:
            num_labeled: Number of labels, from 1 to four times the largest measured.

        Returns:
            The expected score, that is the mean over seeds, in 0..1, with a 95 % interval of that
            expectation. A single run scatters around it by the spread over seeds besides.

        Raises:
            ForecastRangeError: If that is outside the range.
        """
        self._check(num_labeled)
        return self._interval(lambda curves: curves.score_at(num_labeled))

    def gain(self, more: float, num_labeled: float | None = None) -> Interval:
        """What some more labels add to the expected score.

        Args:
            more: How many more labels, 0 or above.
            num_labeled: Labels that are there already; `None`: the largest measured number.

        Returns:
            The gain, in 0..1, with its 95 % interval. Both scores are of the same curve, so that
            the interval is narrower than those of the two scores.

        Raises:
            ForecastRangeError: If either number is outside the range.
        """
        start = self.largest if num_labeled is None else num_labeled
        for number in (start, start + more):
            self._check(number)
        return self._interval(lambda c: c.score_at(start + more) - c.score_at(start))

    def score_by_family(self, num_labeled: float) -> dict[str, float]:
        """Expected score of each family with at least a tenth of the weight, most weight first.

        Raises:
            ForecastRangeError: If the number of labels is outside the range.
        """
        self._check(num_labeled)
        heard = [curves for curves in self._drawn if self.weights[curves.family.name] >= HEARD]
        heard.sort(key=lambda curves: -self.weights[curves.family.name])
        return {c.family.name: float(np.median(c.score_at(num_labeled))) for c in heard}

    def disagreement(self, num_labeled: float) -> str:
        """A sentence on families that expect different scores; empty where they agree.

        Families are heard from a tenth of the weight, and differ from 0.02 on.

        Raises:
            ForecastRangeError: If the number of labels is outside the range.
        """
        said = self.score_by_family(num_labeled)
        high, low = max(said, key=lambda n: said[n]), min(said, key=lambda n: said[n])
        if said[high] - said[low] < DISAGREEMENT:
            return ""
        return (
            f"The {high} expects {said[high]:.2f}, the {low} {said[low]:.2f}, and the measured "
            "scores do not tell which of them holds: measure one more budget before you rely on it."
        )

    def labels_for(self, score: float) -> LabelsNeeded:
        """Number of labels at which the expected score reaches a wanted one.

        Args:
            score: The wanted score, in 0..1 without the ends.

        Returns:
            The number with its 95 % interval. Ends beyond four times the largest measured
            number of labels, or below the smallest, are `None`, and the sentence says so.

        Raises:
            ValueError: If the score is out of range.
        """
        if not 0 < score < 1:
            raise ValueError(f"a score to reach lies between 0 and 1, not {score}")
        drawn = np.concatenate([curves.labels_for(score) for curves in self._drawn])
        # Order statistics, since a curve that never reaches the score counts as infinite.
        lower, estimate, upper = map(float, np.quantile(drawn, TAILS, method="inverted_cdf"))
        return labels_needed(
            score, (lower, estimate, upper), smallest=self.smallest, horizon=HORIZON * self.largest
        )

    def _interval(self, value: Callable[[Curves], Floats]) -> Interval:
        drawn = np.concatenate([value(curves) for curves in self._drawn])
        lower, estimate, upper = map(float, np.quantile(drawn, TAILS))
        return Interval(estimate, lower, upper)

    def _check(self, num_labeled: float) -> None:
        if not 1 <= num_labeled <= HORIZON * self.largest:
            raise ForecastRangeError(
                f"The score at {num_labeled:g} labels cannot be forecast from a sweep up to "
                f"{self.largest:g}; ask for 1 to {HORIZON * self.largest:g} labels or measure more."
            )


def forecast(
    points: Sequence[ScorePoint], *, num_draws: int = 2000, seed: int = 0
) -> Forecast | Refusal:
    """Find the learning curves that the runs of one method leave possible.

    A power law, an exponential plateau and a logarithm are weighed by how well they describe the
    runs, and none is chosen: the interval is over the curves of all three, each as often as it is
    probable (`ecs_med.analysis.posterior.draw_curves`). Chance over seeds is taken from all runs
    together, with the heavy tails of few of them, and the estimate is the median. Numbers of labels
    with a single run are left out.

    `benchmarks/results/forecast_coverage_2026-11` has the measured coverage of the intervals.

    Args:
        points: Runs of one method, in any order.
        num_draws: Number of curves that are drawn.
        seed: Seed of the draws.

    Returns:
        The forecast, or a refusal: fewer than 4 numbers of labels (the curves have 3
        parameters), fewer than 3 seeds, scores that do not rise with labels beyond what seeds
        explain, or no family that describes them.

    Raises:
        ValueError: If a score is not finite, a run occurs twice, or a number of labels is below 1.

    Example:
        >>> points = [
        ...     ScorePoint(n, s, 0.9 - 1.5 * n**-0.5 + 0.001 * (s - 1))
        ...     for n in (50, 100, 200, 400)
        ...     for s in range(3)
        ... ]
        >>> expected = forecast(points)
        >>> expected.family, round(expected.score_at(800).estimate, 3)
        ('power law', 0.847)
    """
    table = ScoreTable.from_points(points)
    if table.num_labeled.size:
        table = table.with_budgets(table.num_runs >= 2)
    refusal = refuse_before_fitting(table, seed)
    if refusal is not None:
        return refusal
    drawn = draw_curves(table, num_draws, seed)
    total = sum(curves.level.size for curves in drawn)
    if total == 0:
        return Refusal("No learning curve that stays between 0 and 1 describes the scores.")
    weights = {curves.family.name: curves.level.size / total for curves in drawn}
    found = Forecast(
        family=max(weights, key=lambda name: weights[name]),
        weights=weights,
        largest=float(table.num_labeled[-1]),
        smallest=float(table.num_labeled[0]),
        _drawn=tuple(curves for curves in drawn if curves.level.size),
    )
    return _misfit(found, table) or found


def _percent(weight: float) -> str:
    if 0 < weight < 0.01:
        return "less than 1 %"
    return f"{100 * weight:.0f} %"


def _misfit(found: Forecast, table: ScoreTable) -> Refusal | None:
    fitted = np.array([found.score_at(float(number)).estimate for number in table.num_labeled])
    errors = np.abs(fitted - table.means)
    worst = int(np.argmax(errors))
    if errors[worst] <= MAX_ERROR:
        return None
    return Refusal(
        f"No learning curve describes the scores to within {MAX_ERROR:g}: with "
        f"{table.num_labeled[worst]:,.0f} labels they are off by {errors[worst]:.2f}."
    )
