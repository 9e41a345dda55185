import math

import numpy as np
import pytest
from scipy import stats

from ecs_med.analysis import posterior
from ecs_med.analysis.curves import FAMILIES
from ecs_med.analysis.points import ScoreTable

BUDGETS = np.array([50.0, 125.0, 320.0, 800.0])


def table(scores, budgets=BUDGETS):
    return ScoreTable(budgets, tuple(range(len(scores))), np.asarray(scores, dtype=float))


def noisy(curve, sd, seed=0, num_seeds=3):
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, sd * 0.6, (num_seeds, 1))
    return curve(BUDGETS) + shared + rng.normal(0, sd * 0.8, (num_seeds, BUDGETS.size))


def scores_at(curves, labels):
    return np.concatenate([part.score_at(labels) for part in curves])


def test_one_straight_line_has_the_t_interval_of_a_textbook(monkeypatch):
    """A logarithm, runs without anything in common: least squares over log(labels)."""
    monkeypatch.setattr(posterior, "PRIOR", (0.0, 0.0, 1.0))
    monkeypatch.setattr(posterior, "SHARED", np.array([0.0]))
    monkeypatch.setattr(posterior, "FALLS", (0.0,))
    scores = noisy(lambda n: 0.4 + 0.05 * np.log(n), 0.02)
    with np.errstate(divide="ignore"):
        curves = posterior.draw_curves(table(scores), 60_000, 1)
    logs = np.tile(np.log(BUDGETS), 3)
    line = stats.linregress(logs, scores.ravel())
    rest = scores.ravel() - line.intercept - line.slope * logs
    apart = math.log(1600) - logs.mean()
    error = math.sqrt(
        (rest**2).sum() / 10 * (1 / 12 + apart**2 / ((logs - logs.mean()) ** 2).sum())
    )
    wanted = (
        line.intercept + line.slope * math.log(1600) + error * stats.t.ppf([0.025, 0.5, 0.975], 10)
    )
    found = np.quantile(scores_at(curves, 1600.0), [0.025, 0.5, 0.975])
    np.testing.assert_allclose(found, wanted, atol=1.5e-3)


@pytest.mark.parametrize("missing", [False, True], ids=["complete", "a run is missing"])
def test_draws_are_those_of_weighing_every_unknown_by_hand(monkeypatch, missing):
    """Against a million guesses of all unknowns, weighed by the density of the normal."""
    monkeypatch.setattr(posterior, "TEMPER", 1.0)
    monkeypatch.setattr(posterior, "SHARED", np.array([0.25, 0.75]))
    monkeypatch.setattr(posterior, "FALLS", (0.0, 0.5))
    scores = noisy(lambda n: 0.85 - 0.3 * np.exp(-n / 300), 0.02, seed=4)
    if missing:
        scores[1, 2] = np.nan
    curves = posterior.draw_curves(table(scores), 40_000, 2)
    weights = np.array([part.level.size for part in curves]) / 40_000
    wanted, guessed, at_1600 = guess(scores, 1_000_000)
    np.testing.assert_allclose(weights, wanted, atol=0.02)
    order = np.argsort(at_1600)
    reached = np.cumsum(guessed[order])
    quantiles = at_1600[order][np.searchsorted(reached, [0.025, 0.25, 0.5, 0.75, 0.975])]
    found = np.quantile(scores_at(curves, 1600.0), [0.025, 0.25, 0.5, 0.75, 0.975])
    np.testing.assert_allclose(found, quantiles, atol=6e-3)


def guess(scores, number):
    """Weight of each family, and weight and score at 1,600 labels of every guess."""
    rng = np.random.default_rng(0)
    scaled, runs = BUDGETS / 800, ~np.isnan(scores)
    family = rng.choice(3, number, p=posterior.PRIOR)
    means = np.nanmean(scores, axis=0)
    first, last = (
        rng.uniform(means[place] - 0.07, means[place] + 0.07, number) for place in (0, -1)
    )
    sd = np.exp(rng.uniform(math.log(0.008), math.log(0.07), number))
    shared, fall = rng.choice([0.25, 0.75], number), rng.choice([0.0, 0.5], number)
    log_weight, at_1600 = np.full(number, -np.inf), np.zeros(number)
    for place, each in enumerate(FAMILIES):
        mine = np.flatnonzero(family == place)
        grid = each.shapes(1 / 16)
        middle = np.array([0.25])
        rise = [
            (each.basis(middle, s) - each.basis(scaled[:1], s))
            / (each.basis(scaled[-1:], s) - each.basis(scaled[:1], s))
            for s in grid
        ]
        rise = np.concatenate(rise)
        # Uniform in the share of the rise that lies before the middle.
        drawn = rng.uniform(rise.min(), rise.max(), mine.size)
        order = np.argsort(rise)
        shape = np.interp(drawn, rise[order], grid[order])
        # A part of the plateaus is uniform in the logarithm instead.
        even = np.exp(rng.uniform(np.log(grid[0]), np.log(grid[-1]), mine.size))
        shape = np.where(rng.random(mine.size) < each.even, even, shape)[:, None]
        low, high = each.basis(scaled[:1], shape)[:, 0], each.basis(scaled[-1:], shape)[:, 0]
        gain = (last[mine] - first[mine]) / (high - low)
        level = last[mine] - gain * high
        curve = level[:, None] + gain[:, None] * each.basis(scaled, shape)
        spread = sd[mine, None] * scaled ** -fall[mine, None]
        density = np.zeros(mine.size)
        for row, there in zip(scores, runs, strict=True):
            for part in (0.25, 0.75):
                with_it = shared[mine] == part
                cov = part * np.ones((there.sum(),) * 2) + (1 - part) * np.eye(there.sum())
                apart = ((row - curve) / spread)[with_it][:, there]
                density[with_it] += stats.multivariate_normal.logpdf(apart, cov=cov) - np.log(
                    spread[with_it][:, there]
                ).sum(axis=1)
        # The scale of u and e together: variance sd^2 here, (1 - shared) of it each run's own.
        holds = (gain >= 0) & (level <= each.ceiling) & (first[mine] >= 0)
        log_weight[mine] = np.where(holds, density, -np.inf)
        beyond = level + gain * each.basis(np.array([2.0]), shape)[:, 0]
        at_1600[mine] = np.clip(beyond, 0, 1)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    return [weight[family == place].sum() for place in range(3)], weight, at_1600


def test_curves_keep_their_bounds_and_the_number_that_was_asked_for():
    scores = noisy(lambda n: 0.99 - 0.4 * n**-0.5, 0.02, seed=1)
    curves = posterior.draw_curves(table(scores), 3000, 0)
    assert sum(part.level.size for part in curves) == 3000
    for part in curves:
        assert (part.gain >= 0).all()
        assert (part.level <= part.family.ceiling).all()


def test_the_same_seed_gives_the_same_curves():
    scores = noisy(lambda n: 0.9 - n**-0.5, 0.02)
    first, again, other = (
        scores_at(posterior.draw_curves(table(scores), 500, seed), 1600.0) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
