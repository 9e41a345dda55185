import numpy as np
import pytest

from ecs_med.analysis.curves import FAMILIES, Curves

POWER, PLATEAU, LOGARITHM = FAMILIES


def curve(family, level, gain, shape=1.0, reference=800.0):
    return Curves(family, reference, *(np.array([value]) for value in (level, gain, shape)))


def test_curves_are_the_functions_of_their_names():
    for labels in (50.0, 700.0, 3000.0):
        # The drop is stored at the reference, where it can be compared with scores.
        power = curve(POWER, 0.9, 1.2 * 800**-0.5, 0.5).score_at(labels)[0]
        assert power == pytest.approx(0.9 - 1.2 * labels**-0.5)
        plateau = curve(PLATEAU, 0.85, 0.3, 250 / 800).score_at(labels)[0]
        assert plateau == pytest.approx(0.85 - 0.3 * np.exp(-labels / 250))
        logarithm = curve(LOGARITHM, 0.4 + 0.06 * np.log(800), 0.06).score_at(labels)[0]
        assert logarithm == pytest.approx(0.4 + 0.06 * np.log(labels))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_labels_for_undoes_score_at(family):
    found = curve(family, 0.8, 0.1, 0.7)
    for labels in (200.0, 500.0, 2000.0):
        assert found.labels_for(float(found.score_at(labels)[0]))[0] == pytest.approx(labels)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_shapes_rise_and_their_curves_do(family):
    shapes = family.shapes(1 / 16)
    assert (np.diff(shapes) > 0).all()
    values = family.basis(np.geomspace(1 / 16, 4, 9), shapes[:, None])
    assert (np.diff(values, axis=1) >= 0).all()


def test_scores_are_cut_to_0_and_1():
    assert curve(LOGARITHM, 0.9, 0.2).score_at(8000.0)[0] == 1
    assert curve(LOGARITHM, 0.3, 0.2).score_at(8.0)[0] == 0


def test_a_score_above_the_asymptote_is_never_reached():
    assert curve(POWER, 0.8, 0.1, 0.6).labels_for(0.81)[0] == np.inf
    assert curve(PLATEAU, 0.8, 0.1, 0.6).labels_for(0.81)[0] == np.inf


def test_a_flat_curve_reaches_what_lies_below_it():
    found = curve(POWER, 0.7, 0.0)
    assert (found.labels_for(0.6)[0], found.labels_for(0.8)[0]) == (0, np.inf)
