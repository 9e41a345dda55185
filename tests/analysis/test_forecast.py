import math
import random
import re

import numpy as np
import pytest

from ecs_med.analysis import Forecast, ForecastRangeError, Refusal, ScorePoint, forecast
from ecs_med.errors import EcsMedError

BUDGETS = (50, 100, 200, 400, 800)


def sweep(curve, budgets=BUDGETS, num_seeds=3, sd=0.0, seed=0):
    """Runs around a curve; half of the spread is common to the runs of a seed."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, sd * 0.5**0.5, num_seeds)
    return [
        ScorePoint(labels, run, float(curve(labels) + shared[run] + rng.normal(0, sd * 0.5**0.5)))
        for labels in budgets
        for run in range(num_seeds)
    ]


def power(labels):
    return 0.9 - 1.2 * labels**-0.5


CURVES = {
    "power law": power,
    "exponential plateau": lambda labels: 0.85 - 0.3 * math.exp(-labels / 250),
    "logarithm": lambda labels: 0.4 + 0.06 * math.log(labels),
}


@pytest.mark.parametrize("family", CURVES)
@pytest.mark.parametrize("budgets", [BUDGETS, BUDGETS[:4], (25, *BUDGETS)])
def test_known_curves_are_recovered(family, budgets):
    found = forecast(sweep(CURVES[family], budgets))
    assert isinstance(found, Forecast)
    assert found.family == family
    assert found.weights[family] > 0.9
    for factor in (0.75, 2, 4):
        labels = factor * budgets[-1]
        expected = min(CURVES[family](labels), 1.0)
        assert found.score_at(labels).estimate == pytest.approx(expected, abs=2e-3)
    needed = found.labels_for(CURVES[family](300))
    assert needed.estimate == pytest.approx(300, rel=0.01)


def test_the_weights_are_told_from_the_largest_to_the_least():
    found = forecast(sweep(CURVES["logarithm"], sd=0.005))
    assert found.family == "logarithm" == max(found.weights, key=found.weights.get)
    assert sum(found.weights.values()) == pytest.approx(1)
    assert re.match(
        r"Weights of the curves: logarithm \d+ %, .* \d+ %; a log.* no ceiling", found.reason
    )
    assert set(found.weights) == set(CURVES)


def test_families_that_differ_are_named_in_words():
    found = forecast(
        sweep(CURVES["exponential plateau"], (50, 100, 200, 400), sd=0.03, num_seeds=5)
    )
    said = found.score_by_family(1600)
    assert max(said.values()) - min(said.values()) > 0.03
    sentence = found.disagreement(1600)
    for name in (max(said, key=said.get), min(said, key=said.get)):
        assert name in sentence
        assert f"{said[name]:.2f}" in sentence
    assert sentence.endswith("measure one more budget before you rely on it.")
    assert all(found.weights[name] >= 0.1 for name in said)


def test_families_that_agree_are_not_set_against_each_other():
    assert forecast(sweep(power)).disagreement(1600) == ""


def test_a_gain_is_between_scores_of_the_same_curve():
    found = forecast(sweep(power, sd=0.01, num_seeds=5))
    gain, first, last = found.gain(800), found.score_at(800), found.score_at(1600)
    assert gain.estimate == pytest.approx(last.estimate - first.estimate, abs=3e-3)
    assert 0 <= gain.lower <= gain.estimate <= gain.upper
    assert gain.upper - gain.lower < last.upper - last.lower
    assert found.gain(0).upper == 0
    assert found.gain(100, 200).estimate > found.gain(100, 800).estimate
    with pytest.raises(ForecastRangeError):
        found.gain(2401)


def test_interval_holds_the_estimate_and_widens_with_distance():
    found = forecast(sweep(power, sd=0.01, num_seeds=5))
    widths = []
    for labels in (400, 1600, 3200):
        score = found.score_at(labels)
        assert 0 <= score.lower <= score.estimate <= score.upper <= 1
        widths.append(score.upper - score.lower)
    assert widths == sorted(widths)


def test_labels_and_scores_tell_the_same():
    found = forecast(sweep(power, sd=0.005, num_seeds=5))
    needed = found.labels_for(0.84)
    assert needed.lower <= needed.estimate <= needed.upper
    assert found.score_at(needed.estimate).estimate == pytest.approx(0.84, abs=1e-4)
    assert found.score_at(needed.lower).upper == pytest.approx(0.84, abs=2e-3)
    assert found.score_at(needed.upper).lower == pytest.approx(0.84, abs=2e-3)


def test_a_score_out_of_reach_is_said_to_be():
    found = forecast(sweep(power, sd=0.002))
    needed = found.labels_for(0.97)
    assert (needed.estimate, needed.lower, needed.upper) == (None, None, None)
    assert "not within reach of 3,200 labels" in needed.sentence


@pytest.mark.parametrize("labels", [0, 0.5, 3201, math.nan])
def test_labels_outside_the_range_are_refused_in_a_sentence(labels):
    found = forecast(sweep(power))
    with pytest.raises(ForecastRangeError, match="ask for 1 to 3200 labels") as caught:
        found.score_at(labels)
    assert isinstance(caught.value, EcsMedError)


@pytest.mark.parametrize("score", [0, 1, 80])
def test_a_score_in_per_cent_is_refused(score):
    with pytest.raises(ValueError, match="between 0 and 1"):
        forecast(sweep(power)).labels_for(score)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([], "at least 4 numbers of labels"),
        (sweep(power, BUDGETS[:3]), "at least 4 numbers of labels.*here are 3"),
        (sweep(power, num_seeds=2), "at least 3 seeds.*there are 2"),
        (sweep(power, num_seeds=1), "at least 4 numbers of labels with two or more runs"),
        (sweep(lambda _: 0.7), "do not rise"),
        (sweep(lambda _: 0.7, sd=0.02), "do not rise"),
        (sweep(lambda labels: 0.9 - labels / 4000, sd=0.01), "do not rise"),
        (sweep(lambda labels: 0.3 if labels < 800 else 0.9), "No learning curve describes"),
    ],
)
def test_refuses_in_a_sentence_what_the_data_cannot_carry(points, words):
    found = forecast(points)
    assert isinstance(found, Refusal)
    assert found.sentence.endswith(".")
    assert re.search(words, found.sentence)


def test_a_number_of_labels_with_one_run_is_left_out():
    points = sweep(power, sd=0.01)
    odd = [*points, ScorePoint(1600, 0, 0.2)]
    assert forecast(odd).score_at(1600) == forecast(points).score_at(1600)


def test_a_failed_run_leaves_a_forecast():
    points = sweep(power, sd=0.005, num_seeds=3)[:-1]
    score = forecast(points).score_at(1600)
    assert score.lower < power(1600) < score.upper


def test_the_same_seed_gives_the_same_numbers_in_any_order():
    points = sweep(power, sd=0.01)
    shuffled = random.Random(1).sample(points, len(points))
    first, second = forecast(points, seed=5), forecast(shuffled, seed=5)
    assert first.score_at(1600) == second.score_at(1600)
    assert first.labels_for(0.85) == second.labels_for(0.85)
    assert first.score_at(1600).upper != forecast(points, seed=6).score_at(1600).upper


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_refuses_scores_that_are_not_finite(score):
    with pytest.raises(ValueError, match="finite"):
        forecast([*sweep(power), ScorePoint(1600, 0, score)])
