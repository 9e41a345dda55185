import numpy as np
import pytest

from ecs_med.analysis import Refusal, ScorePoint, forecast, labels_saved

BUDGETS = (50, 100, 200, 400, 800)
"""1/16 to all of 800 cases."""

CURVES = (
    lambda labels: 0.9 - 1.2 * labels**-0.5,
    lambda labels: 0.85 - 0.9 * labels**-0.35,
    lambda labels: 0.8 - 6 / labels,
)


def simulated(curve, num_seeds, rng):
    """A sweep with a standard deviation of 0.01 to 0.02, 40 % of its variance shared in a seed."""
    sd = rng.uniform(0.01, 0.02)
    shared = rng.normal(0, sd * 0.4**0.5, num_seeds)
    return [
        ScorePoint(labels, seed, curve(labels) + shared[seed] + rng.normal(0, sd * 0.6**0.5))
        for labels in BUDGETS
        for seed in range(num_seeds)
    ]


def covered(points, labels, truth, seed):
    found = forecast(points, num_resamples=200, seed=seed)
    if isinstance(found, Refusal):
        return None
    score = found.score_at(labels)
    return score.lower <= truth <= score.upper


@pytest.mark.slow
@pytest.mark.parametrize("num_seeds", [3, 5])
def test_intervals_of_500_forecasts_cover_in_90_to_99_per_cent(num_seeds):
    rng = np.random.default_rng(num_seeds)
    beyond, between = [], []
    for number in range(500):
        curve = CURVES[number % len(CURVES)]
        points = simulated(curve, num_seeds, rng)
        beyond.append(covered(points, 1600, curve(1600), number))
        held_out = [point for point in points if point.num_labeled != 200]
        between.append(covered(held_out, 200, curve(200), number))
    for hits in (beyond, between):
        forecasts = [hit for hit in hits if hit is not None]
        assert len(forecasts) > 480
        assert 0.90 <= np.mean(forecasts) <= 0.99


@pytest.mark.slow
@pytest.mark.parametrize("num_seeds", [3, 5])
def test_intervals_of_labels_saved_cover_in_90_to_99_per_cent(num_seeds):
    """ECS is worth 1.8 times its labels, and both methods share the cases of a seed."""
    rng = np.random.default_rng(num_seeds)
    hits = {100: [], 200: [], 400: []}
    for number in range(300):
        supervised = simulated(CURVES[0], num_seeds, rng)
        ecs = [
            ScorePoint(point.num_labeled, point.seed, point.score + gain + rng.normal(0, 0.005))
            for point in supervised
            for gain in [CURVES[0](1.8 * point.num_labeled) - CURVES[0](point.num_labeled)]
        ]
        for found in labels_saved(supervised, ecs, num_resamples=200, seed=number):
            if found.num_labeled in hits:
                truth = 1.8 * found.num_labeled
                above = found.lower is None or found.lower <= truth
                hits[found.num_labeled].append(above and truth <= (found.upper or np.inf))
    for labels, found in hits.items():
        assert 0.90 <= np.mean(found) <= 0.99, labels
