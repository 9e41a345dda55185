import numpy as np
import pytest
from scipy.optimize import least_squares

from ecs_med.analysis.curves import FAMILIES, fit_curves

LABELS = np.array([50.0, 100.0, 200.0, 400.0, 800.0])
POWER, SATURATION, LOGARITHM = FAMILIES


@pytest.mark.parametrize(
    ("asymptote", "drop", "exponent"),
    [(0.9, 1.2, 0.5), (0.85, 0.9, 0.35), (0.95, 0.8, 0.2), (0.8, 6.0, 1.0), (0.7, 30.0, 1.5)],
)
def test_power_law_is_recovered(asymptote, drop, exponent):
    scores = asymptote - drop * LABELS**-exponent
    found = fit_curves(POWER, LABELS, scores[None], np.ones(5))
    assert found.level[0] == pytest.approx(asymptote, abs=1e-3)
    assert found.shape[0] == pytest.approx(exponent, abs=1e-3)
    # The drop is stored at the largest number of labels, where it can be compared with scores.
    assert found.gain[0] == pytest.approx(drop * 800**-exponent, abs=1e-3)
    assert found.score_at(3200)[0] == pytest.approx(asymptote - drop * 3200**-exponent, abs=1e-3)


@pytest.mark.parametrize("scale", [60, 250, 1500])
def test_saturation_is_recovered(scale):
    scores = 0.85 - 0.3 * np.exp(-LABELS / scale)
    found = fit_curves(SATURATION, LABELS, scores[None], np.ones(5))
    assert found.shape[0] * 800 == pytest.approx(scale, rel=1e-3)
    assert (found.level[0], found.gain[0]) == pytest.approx((0.85, 0.3), abs=1e-3)


def test_logarithm_is_recovered():
    found = fit_curves(LOGARITHM, LABELS, (0.4 + 0.06 * np.log(LABELS))[None], np.ones(5))
    assert found.gain[0] == pytest.approx(0.06)
    assert found.score_at(1600)[0] == pytest.approx(0.4 + 0.06 * np.log(1600))


def residuals(parameters, family, scores, weights):
    level, gain, shape = parameters
    curve = level + gain * family.basis(LABELS / LABELS[-1], np.array([np.exp(shape)]))
    return np.sqrt(weights) * (scores - curve)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_no_fit_of_scipy_is_better(family):
    rng = np.random.default_rng(0)
    scores = np.sort(rng.uniform(0.6, 0.98, (6, 5)), axis=1)
    weights = rng.integers(2, 6, 5).astype(float)
    found = fit_curves(family, LABELS, scores, weights)
    shapes = np.log(family.shapes(LABELS[0] / LABELS[-1]))
    bounds = ([-9, 0, shapes[0] - 1e-6], [family.ceiling, np.inf, shapes[-1] + 1e-6])
    for row in range(len(scores)):
        place = found.level[row], found.gain[row], np.log(found.shape[row])
        ours = np.sum(residuals(place, family, scores[row], weights) ** 2)
        starts = [(0.8, 0.1, shape) for shape in np.quantile(shapes, [0.1, 0.4, 0.6, 0.9])]
        theirs = [
            2
            * least_squares(
                residuals, start, bounds=bounds, args=(family, scores[row], weights)
            ).cost
            for start in starts
        ]
        assert ours <= min(theirs) + 1e-8


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_bounds_hold_and_falling_scores_give_a_flat_curve(family):
    rising = np.array([0.5, 0.6, 0.72, 0.86, 1.0])
    found = fit_curves(family, LABELS, np.stack([rising, 1 - rising]), np.ones(5))
    assert (found.level <= family.ceiling).all()
    assert (found.gain >= 0).all()
    assert found.gain[1] == 0
    assert found.score_at(100)[1] == pytest.approx(np.mean(1 - rising))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_labels_for_undoes_score_at(family):
    scores = (0.9 - 1.5 * LABELS**-0.4)[None]
    found = fit_curves(family, LABELS, scores, np.ones(5))
    for labels in (30.0, 150.0, 2000.0):
        assert found.labels_for(float(found.score_at(labels)[0]))[0] == pytest.approx(labels)


def test_a_score_above_the_asymptote_is_never_reached():
    found = fit_curves(POWER, LABELS, (0.8 - LABELS**-0.6)[None], np.ones(5))
    assert found.labels_for(0.81)[0] == np.inf


def test_a_flat_curve_reaches_what_lies_below_it():
    found = fit_curves(POWER, LABELS, np.full((1, 5), 0.7), np.ones(5))
    assert (found.labels_for(0.6)[0], found.labels_for(0.8)[0]) == (0, np.inf)


def test_scores_fitted_together_are_fitted_alone():
    rng = np.random.default_rng(1)
    scores = np.sort(rng.uniform(0.5, 0.9, (7, 5)), axis=1)
    together = fit_curves(POWER, LABELS, scores, np.ones(5))
    alone = [fit_curves(POWER, LABELS, row[None], np.ones(5)).score_at(1600)[0] for row in scores]
    np.testing.assert_allclose(together.score_at(1600), alone)
