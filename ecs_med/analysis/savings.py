"""Labels saved: how many supervised training needs for what a method reaches with fewer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from ecs_med.analysis.points import ScorePoint, ScoreTable, draw_mean_scores

__all__ = ["LabelsSaved", "labels_saved"]

Floats = NDArray[np.float64]

# Scores closer than this are the same score: means of equal numbers differ in their last digits.
SAME_SCORE = 1e-9


@dataclass(frozen=True, slots=True)
class LabelsSaved:
    """What one number of labels is worth with a method, in labels of supervised training.

    Attributes:
        num_labeled: Number of labels of the method.
        score: Mean score of the method there.
        equal_labels: Smallest number of labels at which supervised training reaches that score,
            read off its curve between the measured numbers of labels; `None` where that lies
            outside.
        outside: `"below"` where supervised training is already better with the fewest labels that
            were measured, `"above"` where it does not reach the score with the most; else `None`.
        lower: Lower end of the 95 % interval of `equal_labels`; `None` where it lies outside the
            measured range or there are too few seeds for an interval.
        upper: Upper end, `None` likewise.
        share_unbounded: Share of the draws, in 0..1, in which supervised training does not reach
            the score within the measured range.
        has_interval: Whether there were enough runs for an interval: two or more at each number of
            labels involved. If not, `lower` and `upper` are `None` and say nothing about the range.
        measured: Smallest and largest number of labels of supervised training.
    """

    num_labeled: int
    score: float
    equal_labels: float | None
    outside: Literal["below", "above", None]
    lower: float | None
    upper: float | None
    share_unbounded: float
    has_interval: bool = True
    measured: tuple[int, int] | None = None


def labels_saved(
    supervised: Sequence[ScorePoint],
    other: Sequence[ScorePoint],
    *,
    num_resamples: int = 1000,
    seed: int = 0,
) -> list[LabelsSaved]:
    """Read off the supervised curve with how many labels it reaches each score of another method.

    The supervised curve is the mean over seeds, made monotone by isotonic regression (weighted by
    the number of runs) and joined by straight lines over the logarithm of the number of labels.
    It is never continued beyond what was measured. The interval is over seeds: both methods are
    drawn with the same seeds (`ecs_med.analysis.points.draw_mean_scores`), since at a seed
    they share the labelled cases.

    Args:
        supervised: Runs of supervised training, at two or more numbers of labels.
        other: Runs of the method that is compared, on the same data.
        num_resamples: Number of draws over seeds.
        seed: Seed of the draws.

    Returns:
        One entry for each number of labels of the method, rising. With fewer than two runs at one
        of the numbers of labels involved there is no interval.

    Raises:
        ValueError: If a method has no run, supervised training has fewer than two numbers of
            labels, a score is not finite, or a run occurs twice.

    Example:
        >>> supervised = [ScorePoint(100, 0, 0.60), ScorePoint(400, 0, 0.70)]
        >>> round(labels_saved(supervised, [ScorePoint(100, 0, 0.65)])[0].equal_labels, 6)
        200.0
    """
    base, better = ScoreTable.from_points(supervised), ScoreTable.from_points(other)
    if base.num_labeled.size < 2:
        raise ValueError("supervised training must be measured at two or more numbers of labels")
    if better.num_labeled.size == 0:
        raise ValueError("there is no run to compare with supervised training")
    exact = _equal_labels(base, base.means, better.means)
    base_draws, better_draws = draw_mean_scores([base, better], num_resamples, seed)
    pairs = zip(base_draws, better_draws, strict=True)
    drawn = np.array([_equal_labels(base, curve, scores) for curve, scores in pairs])
    carried = (better.num_runs >= 2) & bool((base.num_runs >= 2).all())
    return [
        _entry(base, better, place, float(exact[place]), drawn[:, place], bool(carried[place]))
        for place in range(better.num_labeled.size)
    ]


def _equal_labels(base: ScoreTable, means: Floats, scores: Floats) -> Floats:
    """Labels at which supervised training reaches each score; -inf below, inf above its range."""
    curve = np.asarray(isotonic_regression(means, weights=base.num_runs).x)
    right = np.searchsorted(curve, scores - SAME_SCORE, side="left")
    inner = np.clip(right, 1, curve.size - 1)
    logs = np.log(base.num_labeled)
    rise = np.maximum(curve[inner] - curve[inner - 1], SAME_SCORE)
    part = np.clip((scores - curve[inner - 1]) / rise, 0.0, 1.0)
    labels = np.exp(logs[inner - 1] + part * (logs[inner] - logs[inner - 1]))
    labels = np.where(right == curve.size, np.inf, labels)
    return np.where((right == 0) & (scores < curve[0] - SAME_SCORE), -np.inf, labels)


def _entry(
    base: ScoreTable, better: ScoreTable, place: int, exact: float, drawn: Floats, carried: bool
) -> LabelsSaved:
    outside: Literal["below", "above", None] = None
    if np.isinf(exact):
        outside = "above" if exact > 0 else "below"
    # Order statistics, since values between two draws of which one is infinite do not exist.
    lower, upper = np.quantile(drawn, [0.025, 0.975], method="inverted_cdf")
    return LabelsSaved(
        num_labeled=int(better.num_labeled[place]),
        score=float(better.means[place]),
        equal_labels=exact if outside is None else None,
        outside=outside,
        lower=float(lower) if carried and np.isfinite(lower) else None,
        upper=float(upper) if carried and np.isfinite(upper) else None,
        share_unbounded=float(np.mean(drawn == np.inf)),
        has_interval=carried,
        measured=(int(base.num_labeled[0]), int(base.num_labeled[-1])),
    )
