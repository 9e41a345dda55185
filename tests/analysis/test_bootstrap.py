import time

import numpy as np
import pytest
import torch
from scipy import stats

from ecs_med.analysis import bootstrap_case_difference, bootstrap_cases
from ecs_med.metrics import scores_from_confusion


def runs(num_runs, num_cases, num_classes, seed=0, skill=0.8):
    """Counts of a few runs on the same cases; a case that is hard is hard in every run."""
    rng = np.random.default_rng(seed)
    hardness = rng.uniform(0.1, 1, (num_cases, 1, 1))
    sizes = rng.integers(20, 400, (num_cases, num_classes, 1))
    confusions = []
    for _ in range(num_runs):
        noise = rng.random((num_cases, num_classes, num_classes)) * hardness * (1 - skill)
        right = np.eye(num_classes) * skill
        confusions.append(np.floor(sizes * (right + noise)).astype(np.int64))
    return confusions


def miou(matrix):
    names = [str(number) for number in range(len(matrix))]
    return scores_from_confusion(torch.from_numpy(matrix), names).miou


def resampled_slowly(confusions, num_resamples, seed):
    """Draw case numbers and score the summed matrix of each draw with the project's own metric."""
    rng = np.random.default_rng(seed)
    num_cases = len(confusions[0])
    drawn = (rng.integers(0, num_cases, num_cases) for _ in range(num_resamples))
    return [np.mean([miou(run[cases].sum(axis=0)) for run in confusions]) for cases in drawn]


def test_estimate_is_the_mean_of_the_runs_own_scores():
    confusions = runs(3, 20, 4)
    expected = np.mean([miou(run.sum(axis=0)) for run in confusions])
    assert bootstrap_cases(confusions).estimate == pytest.approx(expected)


def test_ends_agree_with_drawing_cases_one_by_one():
    confusions = runs(2, 30, 3)
    slow = np.quantile(resampled_slowly(confusions, 2000, 1), [0.025, 0.975])
    found = bootstrap_cases(confusions, num_resamples=4000)
    width = slow[1] - slow[0]
    assert (found.lower, found.upper) == pytest.approx(tuple(slow), abs=0.08 * width)


def test_ends_agree_with_scipy():
    confusion = runs(1, 40, 2)[0]

    def statistic(cases):
        return miou(confusion[cases].sum(axis=0))

    scipy = stats.bootstrap(
        (np.arange(40),), statistic, method="percentile", vectorized=False, n_resamples=2000, rng=0
    ).confidence_interval
    found = bootstrap_cases([confusion], num_resamples=4000)
    assert (found.lower, found.upper) == pytest.approx(
        (scipy.low, scipy.high), abs=0.08 * (scipy.high - scipy.low)
    )


def test_difference_is_drawn_jointly():
    ours, theirs = runs(3, 40, 3, skill=0.85), runs(3, 40, 3, skill=0.8)
    found = bootstrap_case_difference(ours, theirs)
    first, second = bootstrap_cases(ours), bootstrap_cases(theirs)
    assert found.estimate == pytest.approx(first.estimate - second.estimate)
    assert found.upper - found.lower < (first.upper - first.lower) + (second.upper - second.lower)
    back = bootstrap_case_difference(theirs, ours)
    assert (back.lower, back.upper) == pytest.approx((-found.upper, -found.lower))


def test_a_method_does_not_differ_from_itself():
    confusions = runs(2, 10, 3)
    found = bootstrap_case_difference(confusions, confusions)
    assert (found.estimate, found.lower, found.upper) == (0, 0, 0)


def test_a_class_in_one_case_leaves_the_draws_without_that_case():
    common, rare = np.diag([90, 0]), np.array([[50, 0], [40, 10]])
    cases = np.stack([common] * 9 + [rare])
    found = bootstrap_cases([cases], num_resamples=500)
    assert found.upper == 1.0
    assert found.lower < found.estimate < 1


def test_the_same_seed_gives_the_same_interval_and_order_of_runs_is_free():
    confusions = runs(3, 15, 3)
    assert bootstrap_cases(confusions, seed=3) == bootstrap_cases(confusions, seed=3)
    assert bootstrap_cases(confusions, seed=3) != bootstrap_cases(confusions, seed=4)
    found, turned = bootstrap_cases(confusions), bootstrap_cases(confusions[::-1])
    assert (found.lower, found.upper) == pytest.approx((turned.lower, turned.upper))


def test_one_case_has_no_interval():
    found = bootstrap_cases(runs(2, 1, 3))
    assert (found.lower, found.upper) == (None, None)


@pytest.mark.parametrize(
    "confusions",
    [
        [],
        [np.zeros((0, 2, 2), dtype=np.int64)],
        [np.zeros((3, 2, 2), dtype=np.int64)],
        [np.ones((3, 2, 3), dtype=np.int64)],
        [np.ones((3, 2, 2), dtype=np.int64), np.ones((4, 2, 2), dtype=np.int64)],
        [-np.ones((3, 2, 2), dtype=np.int64)],
    ],
)
def test_refuses_counts_that_do_not_belong_together(confusions):
    with pytest.raises(ValueError, match=r"run|confusion|counts"):
        bootstrap_cases(confusions)


def test_refuses_a_method_without_runs_and_no_resamples():
    with pytest.raises(ValueError, match="both methods"):
        bootstrap_case_difference([], runs(1, 3, 2))
    with pytest.raises(ValueError, match="num_resamples"):
        bootstrap_cases(runs(1, 3, 2), num_resamples=0)


def test_a_test_set_of_the_size_of_voc_takes_under_five_seconds():
    confusions = runs(5, 1449, 21)
    start = time.process_time()
    found = bootstrap_cases(confusions)
    assert time.process_time() - start < 5
    assert found.lower < found.estimate < found.upper
