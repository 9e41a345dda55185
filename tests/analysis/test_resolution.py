import numpy as np
import pytest
from scipy import stats

from ecs_med.analysis import compare_over_seeds_and_cases, resolvable_difference

PIXELS = 100_000


def confusion(miou):
    """Two equal classes that are confused alike, so that both have that IoU."""
    hits = round(PIXELS * 2 * miou / (1 + miou))
    return np.array([[hits, PIXELS - hits], [PIXELS - hits, hits]])


def pair(difference, num_cases, num_seeds, rng, sd=(0.0, 0.05, 0.02)):
    """Runs of two methods: chance of the seed, of the case, and of both together."""
    of_seed, of_case, of_both = sd
    cases = rng.normal(0, of_case, num_cases)
    base = rng.uniform(0.55, 0.75, num_cases)
    first, second = [], []
    for _ in range(num_seeds):
        apart = difference + rng.normal(0, of_seed) + cases + rng.normal(0, of_both, num_cases)
        first.append({str(i): confusion(np.clip(m, 0, 1)) for i, m in enumerate(base + apart)})
        second.append({str(i): confusion(m) for i, m in enumerate(base)})
    return first, second


def test_one_seed_is_the_sample_size_of_a_paired_t_test():
    first, second = pair(0.03, 20, 1, np.random.default_rng(0))
    found = resolvable_difference(first, second)
    totals = [sum(run[0].values()) for run in (first, second)]
    ious = [np.diag(t) / (t.sum(0) + t.sum(1) - np.diag(t)) for t in totals]
    # What a case adds, by the derivative of h / u, worked out here by hand for equal classes.
    parts = []
    for (run,), iou in zip((first, second), ious, strict=True):
        hits = np.array([m[0, 0] for m in run.values()])
        union = 2 * PIXELS - hits
        parts.append((hits - iou[0] * union) / union.mean())
    sd = np.std(parts[0] - parts[1], ddof=1)
    assert found.case_sd == pytest.approx(sd)
    reach = stats.t.ppf(0.975, 19) + stats.t.ppf(0.8, 19)
    assert found.difference == pytest.approx(reach * sd / 20**0.5)
    assert found.cases_for(0.01) == np.ceil((reach * sd / 0.01) ** 2)
    assert found.cases_for(found.difference) == 20
    assert (found.num_cases, found.num_seeds) == (20, 1)


@pytest.mark.parametrize(("num_cases", "of_seed"), [(20, 0.0), (60, 0.0), (40, 0.008)])
def test_four_of_five_comparisons_find_that_difference(num_cases, of_seed):
    """The resolution of other sweeps of the same kind, and how often its difference is found."""
    rng = np.random.default_rng(num_cases)
    sd = (of_seed, 0.05, 0.02)
    told = [
        resolvable_difference(*pair(0.02, num_cases, 5, rng, sd)).difference for _ in range(100)
    ]
    # Every case changed by 0.03 changes the score over the pixels of all of them by less.
    large = pair(0.03, 20_000, 1, rng, (0.0, *sd[1:]))
    planted = np.mean(np.square(told)) ** 0.5 * 0.03 / compare_over_seeds_and_cases(*large).estimate
    found = [
        compare_over_seeds_and_cases(*pair(planted, num_cases, 5, rng, sd)).lower > 0
        for _ in range(300)
    ]
    assert 0.72 <= np.mean(found) <= 0.88


def test_more_cases_resolve_as_was_told():
    rng = np.random.default_rng(5)
    few = [resolvable_difference(*pair(0.02, 30, 4, rng)) for _ in range(60)]
    wanted = float(np.median([f.difference for f in few])) / 2
    num_cases = round(float(np.median([f.cases_for(wanted) for f in few])))
    more = [resolvable_difference(*pair(0.02, num_cases, 4, rng)).difference for _ in range(60)]
    assert np.median(more) == pytest.approx(wanted, rel=0.15)


def test_where_seeds_hide_a_difference_no_test_set_finds_it():
    found = resolvable_difference(*pair(0.02, 40, 3, np.random.default_rng(1), (0.03, 0.01, 0.01)))
    assert found.cases_for(0.005) is None
    assert found.cases_for(found.difference * 1.001) <= 40


def test_each_seed_may_have_test_cases_of_its_own():
    rng = np.random.default_rng(3)
    pairs = [pair(0.02, 10, 1, rng) for _ in range(3)]
    first, second = (
        [{f"{s}/{k}": m for k, m in both[side][0].items()} for s, both in enumerate(pairs)]
        for side in (0, 1)
    )
    found = resolvable_difference(first, second)
    assert (found.num_cases, found.num_seeds) == (30, 3)
    assert found.difference > 0


def test_nothing_is_said_of_one_case_or_of_equal_runs():
    one = [{"a": confusion(0.7)}], [{"a": confusion(0.6)}]
    assert resolvable_difference(*one) is None
    run = {"a": confusion(0.7), "b": confusion(0.6)}
    assert resolvable_difference([run, run], [run, run]) is None


@pytest.mark.parametrize("difference", [0, -0.1, float("nan")])
def test_a_difference_is_above_0(difference):
    found = resolvable_difference(*pair(0.02, 10, 2, np.random.default_rng(0)))
    with pytest.raises(ValueError, match="above 0"):
        found.cases_for(difference)
