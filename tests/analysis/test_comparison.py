import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.weightstats import DescrStatsW

from ecs_med.analysis import PairedComparison, compare_paired, correct_p_values


@pytest.mark.parametrize("num", [2, 3, 5, 10])
def test_is_the_paired_test_of_scipy_and_statsmodels(num):
    rng = np.random.default_rng(num)
    seeds = rng.normal(0.7, 0.03, num)
    first, second = seeds + rng.normal(0.02, 0.01, num), seeds + rng.normal(0, 0.01, num)
    found = compare_paired(first, second)
    test = stats.ttest_rel(first, second)
    assert found.difference == pytest.approx(np.mean(first - second))
    assert found.sd == pytest.approx(np.std(first - second, ddof=1))
    assert found.p_value == pytest.approx(test.pvalue)
    assert (found.lower, found.upper) == pytest.approx(tuple(test.confidence_interval()))
    model = DescrStatsW(first - second)
    assert found.p_value == pytest.approx(model.ttest_mean(0)[1])
    assert (found.lower, found.upper) == pytest.approx(model.tconfint_mean())


def test_exchanging_the_methods_turns_the_sign():
    first, second = [0.72, 0.75, 0.71], [0.70, 0.74, 0.72]
    there, back = compare_paired(first, second), compare_paired(second, first)
    assert back.p_value == there.p_value
    assert (back.difference, back.lower, back.upper) == (
        -there.difference,
        -there.upper,
        -there.lower,
    )


def test_one_pair_is_no_test():
    found = compare_paired([0.75], [0.5])
    assert found == PairedComparison(0.25, None, None, None, None, 1)


def test_the_same_scores_do_not_differ():
    found = compare_paired([0.7, 0.8, 0.6], [0.7, 0.8, 0.6])
    assert (found.difference, found.sd, found.lower, found.upper, found.p_value) == (0, 0, 0, 0, 1)


def test_differences_equal_up_to_rounding_are_equal():
    found = compare_paired([0.7, 0.8, 0.9], [0.6, 0.7, 0.8])
    assert (found.sd, found.p_value) == (0, 0)
    assert found.lower == found.upper == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("first", "second"), [([0.5], [0.5, 0.6]), ([], []), ([0.5, math.nan], [0.5, 0.6])]
)
def test_refuses_what_makes_no_pairs(first, second):
    with pytest.raises(ValueError, match=r"paired|no value|finite"):
        compare_paired(first, second)


@pytest.mark.parametrize("seed", range(20))
def test_correction_is_that_of_statsmodels(seed):
    rng = np.random.default_rng(seed)
    p_values = np.round(rng.random(rng.integers(1, 9)) ** 3, 2).tolist()
    assert correct_p_values(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_missing_tests_are_not_counted():
    assert correct_p_values([None, 0.02, None, 0.04]) == [None, 0.04, None, 0.04]
    assert correct_p_values([None]) == [None]
    assert correct_p_values([]) == []


@pytest.mark.parametrize("p_value", [-0.1, 1.1, math.nan])
def test_refuses_what_is_no_p_value(p_value):
    with pytest.raises(ValueError, match="p-value"):
        correct_p_values([0.5, p_value])
