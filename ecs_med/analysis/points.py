"""The scores of a sweep in order: labels, seeds, and what lies between them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from ecs_med.analysis.intervals import checked_values

__all__ = ["ScorePoint", "ScoreTable", "draw_mean_scores"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ScorePoint:
    """One run of a method.

    Attributes:
        num_labeled: Number of labelled cases it trained on, at least 1.
        seed: Its seed; runs of one seed train on nested sets of labelled cases.
        score: Its score on the test cases, for example mIoU in 0..1.
    """

    num_labeled: int
    seed: int
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTable:
    """Scores of one method by seed (rows) and number of labels (columns).

    Attributes:
        num_labeled: `(B,)`, rising.
        seeds: `(S,)`, rising.
        scores: `(S, B)`; NaN where a seed has no run at a number of labels.
    """

    num_labeled: Floats
    seeds: tuple[int, ...]
    scores: Floats

    @classmethod
    def from_points(cls, points: Sequence[ScorePoint]) -> "ScoreTable":
        """Arrange points, whatever their order.

        Raises:
            ValueError: If a score is not finite, a number of labels is below 1, or two points
                share seed and number of labels.
        """
        checked_values([point.score for point in points], "scores")
        budgets = sorted({point.num_labeled for point in points})
        seeds = sorted({point.seed for point in points})
        if budgets and budgets[0] < 1:
            raise ValueError(f"a run has at least 1 labelled case, not {budgets[0]}")
        scores = np.full((len(seeds), len(budgets)), np.nan)
        for point in points:
            place = seeds.index(point.seed), budgets.index(point.num_labeled)
            if not np.isnan(scores[place]):
                raise ValueError(f"seed {point.seed} has two runs on {point.num_labeled} labels")
            scores[place] = point.score
        return cls(np.array(budgets, dtype=np.float64), tuple(seeds), scores)

    @property
    def num_runs(self) -> Floats:
        """`(B,)`, number of runs at each number of labels."""
        return np.asarray(np.sum(~np.isnan(self.scores), axis=0), dtype=np.float64)

    @property
    def means(self) -> Floats:
        """`(B,)`, mean score over seeds."""
        return np.asarray(np.nansum(self.scores, axis=0) / self.num_runs)

    def with_budgets(self, kept: NDArray[np.bool_]) -> "ScoreTable":
        """The table without the columns that are not kept, and without seeds left empty."""
        scores = self.scores[:, kept]
        filled = np.asarray(~np.isnan(scores).all(axis=1))
        seeds = tuple(seed for seed, full in zip(self.seeds, filled, strict=True) if full)
        return ScoreTable(self.num_labeled[kept], seeds, scores[filled])


def draw_mean_scores(tables: Sequence[ScoreTable], num_resamples: int, seed: int) -> list[Floats]:
    """Mean scores as another set of seeds might have given them.

    A plain bootstrap of three to five seeds is too narrow, for two reasons: its variance is that
    of divisor n instead of n - 1, and it takes the spread of so few seeds for the true one.
    Here every seed carries a random multiplier instead: the drawn mean is `mean_b + sum over s of
    g_s (score_sb - mean_b) / sqrt(n_b (n_b - 1))`, with g from a multivariate t distribution of
    n - 1 degrees of freedom. For every linear function of the means, a predicted score
    among them, the percentiles of the draws are then exactly the ends of its t interval over
    seeds. A seed keeps one multiplier over all numbers of labels and all tables: runs of a seed are
    nested and two methods share its cases, so their scores move together.

    Where runs are missing, n is the mean number of runs at a number of labels.

    Args:
        tables: One table a method; a seed that occurs in several is the same seed.
        num_resamples: Number of draws; they come in pairs of opposite sign.
        seed: Seed of the draws.

    Returns:
        `(num_resamples, B)` for each table. A single run at a number of labels has no spread, and
        its draws are all equal.

    Raises:
        ValueError: If `num_resamples` is below 1.
    """
    if num_resamples < 1:
        raise ValueError(f"num_resamples must be at least 1, not {num_resamples}")
    seeds = sorted({name for table in tables for name in table.seeds})
    runs = np.concatenate([table.num_runs for table in tables])
    freedom = max(float(runs.mean()) - 1, 0.5)
    multipliers = _draw_multipliers(len(seeds), freedom, num_resamples, seed)
    draws = []
    for table in tables:
        rows = [seeds.index(name) for name in table.seeds]
        apart = np.nan_to_num(table.scores - table.means)
        scale = np.sqrt(table.num_runs * np.maximum(table.num_runs - 1, 1))
        draws.append(table.means + multipliers[:, rows] @ (apart / scale))
    return draws


def _draw_multipliers(num_seeds: int, freedom: float, num_resamples: int, seed: int) -> Floats:
    generator = np.random.default_rng(seed)
    num_pairs = (num_resamples + 1) // 2
    normal = generator.standard_normal((num_pairs, num_seeds))
    # The heavy tail comes from the common divisor; stratifying it steadies the outer percentiles.
    strata = (generator.permutation(num_pairs) + generator.random(num_pairs)) / num_pairs
    spread = np.sqrt(stats.chi2.ppf(strata, freedom) / freedom)
    heavy = normal / spread[:, None]
    return np.stack([heavy, -heavy], axis=1).reshape(-1, num_seeds)[:num_resamples]
