import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

from ecs_med.analysis import Summary, summarize


@pytest.mark.parametrize("num", [2, 3, 5, 10])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_interval_is_that_of_scipy_and_statsmodels(num, confidence):
    values = np.random.default_rng(num).normal(0.7, 0.02, num)
    found = summarize(values, confidence)
    assert found.num == num
    assert found.mean == pytest.approx(values.mean())
    assert found.sd == pytest.approx(values.std(ddof=1))
    scipy_ends = stats.t.interval(confidence, num - 1, values.mean(), stats.sem(values))
    assert (found.lower, found.upper) == pytest.approx(scipy_ends)
    assert (found.lower, found.upper) == pytest.approx(
        DescrStatsW(values).tconfint_mean(1 - confidence)
    )


def test_by_hand():
    found = summarize([1.0, 2.0, 3.0])
    half = 4.302652729696142 / math.sqrt(3)
    assert found == Summary(2.0, 1.0, pytest.approx(2 - half), pytest.approx(2 + half), 3)


def test_a_single_value_has_no_spread():
    assert summarize([0.7]) == Summary(0.7, None, None, None, 1)


def test_values_equal_up_to_rounding_have_none_either():
    assert summarize([0.3, 0.1 + 0.2, 0.3]).sd == 0


def test_order_does_not_show_in_the_last_digit():
    values = np.random.default_rng(0).normal(0.7, 0.1, 9)
    assert len({summarize(np.roll(values, turn)) for turn in range(9)}) == 1


@pytest.mark.parametrize("values", [[], [0.5, math.nan], [math.inf], [[0.5]]])
def test_refuses_what_has_no_mean(values):
    with pytest.raises(ValueError, match="value"):
        summarize(values)


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_refuses_a_confidence_in_per_cent(confidence):
    with pytest.raises(ValueError, match="confidence"):
        summarize([0.5, 0.6], confidence)
