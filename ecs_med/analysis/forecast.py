"""What the next labels buy: a learning curve over a sweep, with its uncertainty or a refusal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ecs_med.analysis.curves import FAMILIES, FittedCurves, fit_curves
from ecs_med.analysis.intervals import Interval
from ecs_med.analysis.points import ScorePoint, ScoreTable, draw_mean_scores
from ecs_med.analysis.wording import LabelsNeeded, labels_needed
from ecs_med.errors import EcsMedError

__all__ = ["Forecast", "ForecastRangeError", "Refusal", "forecast"]

Floats = NDArray[np.float64]

MIN_BUDGETS = 4
MIN_SEEDS = 3
# A curve measured over one range of labels says little far beyond it.
HORIZON = 4
# A curve that misses scores which are known by ten points says nothing about those that are not.
MAX_ERROR = 0.1
TAILS = (0.025, 0.975)


class ForecastRangeError(EcsMedError):
    """A forecast was asked for more labels than the measured ones can carry."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no forecast.

    Attributes:
        sentence: The reason, one sentence with its full stop.
    """

    sentence: str


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """A learning curve fitted to a sweep, and the curves that other seeds might have given.

    Attributes:
        family: Name of the family that was chosen.
        reason: Why this family, one sentence.
        errors: Held-out error of each family, in the unit of the scores.
        largest: Largest measured number of labels; the forecast reaches to four times that.
        smallest: Smallest measured number of labels.
    """

    family: str
    reason: str
    errors: Mapping[str, float]
    largest: float
    smallest: float
    _curve: FittedCurves = field(repr=False)
    _drawn: tuple[FittedCurves, ...] = field(repr=False)
    _chosen: NDArray[np.intp] = field(repr=False)

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
        if not 1 <= num_labeled <= HORIZON * self.largest:
            raise ForecastRangeError(
                f"The score at {num_labeled:g} labels cannot be forecast from a sweep up to "
                f"{self.largest:g}; ask for 1 to {HORIZON * self.largest:g} labels or measure more."
            )
        scores = self._choose([fit.score_at(num_labeled) for fit in self._drawn])
        lower, upper = np.quantile(scores, TAILS)
        estimate = float(self._curve.score_at(num_labeled)[0])
        return Interval(estimate, min(float(lower), estimate), max(float(upper), estimate))

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
        drawn = self._choose([fit.labels_for(score) for fit in self._drawn])
        estimate = float(self._curve.labels_for(score)[0])
        # Order statistics, since a curve that never reaches the score counts as infinite.
        lower, upper = (float(end) for end in np.quantile(drawn, TAILS, method="inverted_cdf"))
        lower, upper = min(lower, estimate), max(upper, estimate)
        return labels_needed(
            score, (lower, estimate, upper), smallest=self.smallest, horizon=HORIZON * self.largest
        )

    def _choose(self, values: Sequence[Floats]) -> Floats:
        return np.asarray(np.stack(values)[self._chosen, np.arange(self._chosen.size)])


def forecast(
    points: Sequence[ScorePoint], *, num_resamples: int = 500, seed: int = 0
) -> Forecast | Refusal:
    """Fit a learning curve to the runs of one method.

    Three families are fitted to the mean scores, weighted by the number of runs; the one that
    predicts held-out numbers of labels best is taken. The uncertainty is over
    seeds: means are drawn as another set of seeds might have given them (`draw_mean_scores`), and
    each drawn set is fitted anew with its own choice of the family, so that doubt about the
    family widens the interval too. Numbers of labels with a single run are left out,
    since nothing is known of their spread.

    In 500 simulated sweeps a setting (50 to 800 labels, 3 or 5 seeds) the 95 % interval at twice
    the largest number of labels covered in 95 to 99 % where scores follow a power of the labels
    or their logarithm. It covered in only 83 to 86 % where they saturate exponentially just beyond
    the measured range: a logarithm is then often chosen, and what it promises is too high.

    Args:
        points: Runs of one method, in any order.
        num_resamples: Number of draws over seeds.
        seed: Seed of the draws.

    Returns:
        The forecast, or a refusal: fewer than 4 numbers of labels (the curves have 3
        parameters), fewer than 3 seeds, scores that do not rise with labels beyond what seeds
        explain, or no family that predicts held-out scores.

    Raises:
        ValueError: If a score is not finite, a run occurs twice, or a number of labels is below 1.

    Example:
        >>> points = [
        ...     ScorePoint(n, s, 0.9 - 1.5 * n**-0.5 + 0.01 * (s - 1))
        ...     for n in (50, 100, 200, 400)
        ...     for s in range(3)
        ... ]
        >>> expected = forecast(points)
        >>> expected.family, round(expected.score_at(800).estimate, 3)
        ('inverse power law', 0.847)
    """
    table = ScoreTable.from_points(points)
    if table.num_labeled.size:
        table = table.with_budgets(table.num_runs >= 2)
    refusal = _too_little(table)
    if refusal is not None:
        return refusal
    drawn = draw_mean_scores([table], num_resamples, seed)[0]
    if not _rises(table, drawn):
        return Refusal(
            "The scores do not rise with the labels beyond what chance over seeds gives."
        )
    labels, runs = table.num_labeled, table.num_runs
    means = table.means[None]
    errors = _held_out_errors(labels, means, runs, refined=True)[:, 0]
    best = int(np.argmin(errors))
    if errors[best] > MAX_ERROR:
        return Refusal(
            f"No learning curve predicts held-out scores to within {MAX_ERROR:g}: the best, "
            f"{FAMILIES[best].name}, is off by {errors[best]:.2f}."
        )
    return Forecast(
        family=FAMILIES[best].name,
        reason=_reason(best, errors),
        errors={family.name: float(error) for family, error in zip(FAMILIES, errors, strict=True)},
        largest=float(labels[-1]),
        smallest=float(labels[0]),
        _curve=fit_curves(FAMILIES[best], labels, means, runs),
        _drawn=tuple(fit_curves(family, labels, drawn, runs) for family in FAMILIES),
        _chosen=np.argmin(_held_out_errors(labels, drawn, runs), axis=0),
    )


def _too_little(table: ScoreTable) -> Refusal | None:
    if table.num_labeled.size < MIN_BUDGETS:
        return Refusal(
            f"A forecast needs at least {MIN_BUDGETS} numbers of labels with two or more runs "
            f"each, as learning curves have three parameters; here are {table.num_labeled.size}."
        )
    if len(table.seeds) < MIN_SEEDS:
        return Refusal(
            f"A forecast needs at least {MIN_SEEDS} seeds to tell a trend from chance; "
            f"there are {len(table.seeds)}."
        )
    return None


def _rises(table: ScoreTable, drawn: Floats) -> bool:
    """Whether the slope over log(labels) is above 0 in all but 2.5 % of the draws."""
    logs = np.log(table.num_labeled)
    slopes = drawn @ (table.num_runs * (logs - np.average(logs, weights=table.num_runs)))
    return bool(np.mean(slopes <= 1e-9) < TAILS[0])


def _held_out_errors(
    num_labeled: Floats, scores: Floats, weights: Floats, *, refined: bool = False
) -> Floats:
    """Error of each family on numbers of labels that it was not fitted to.

    The largest number of labels is left out first: a forecast extrapolates, so this is the task
    itself. With five or more numbers of labels each inner one is left out as well. The error is
    the root of the weighted mean of squared errors, in which the largest counts as much as all
    inner ones together. The smallest is never left out: no forecast goes below it.

    `scores` is `(R, B)` and the result `(F, R)`, in the order of `FAMILIES`. Refining the shapes
    takes three times as long and changes an error by about 0.001.
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


def _reason(best: int, errors: Floats) -> str:
    others = ", ".join(
        f"{family.name} {error:.4f}"
        for place, (family, error) in enumerate(zip(FAMILIES, errors, strict=True))
        if place != best
    )
    endless = np.isinf(FAMILIES[best].ceiling)
    caution = "; it has no ceiling, so it may promise too much beyond the measured labels"
    return (
        f"The {FAMILIES[best].name} predicts held-out numbers of labels best "
        f"(error {errors[best]:.4f}; {others}){caution if endless else ''}."
    )
