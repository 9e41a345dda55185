import numpy as np
import pytest
import torch
from scipy import stats

from ecs_med.analysis import compare_over_seeds_and_cases, compare_paired
from ecs_med.analysis.seeds_and_cases import _miou_and_influence
from ecs_med.metrics import scores_from_confusion

PIXELS = 10_000


def confusion(iou_errors):
    """Two equal classes of which some pixels are confused; near 0 errors mIoU is linear in them."""
    wrong = round(iou_errors)
    return np.array([[PIXELS - wrong, wrong], [wrong, PIXELS - wrong]])


def miou(cases):
    total = torch.from_numpy(np.sum(list(cases.values()), axis=0))
    return scores_from_confusion(total, [str(k) for k in range(len(total))]).miou


def random_run(rng, num_cases=7, num_classes=3):
    shape = (num_cases, num_classes, num_classes)
    counts = rng.integers(0, 50, shape) + 60 * np.eye(num_classes, dtype=int)
    return dict(zip("abcdefg", counts, strict=True))


def test_estimate_is_the_mean_difference_of_the_scores():
    rng = np.random.default_rng(0)
    first, second = ([random_run(rng) for _ in range(3)] for _ in range(2))
    expected = np.mean([miou(a) - miou(b) for a, b in zip(first, second, strict=True)])
    assert compare_over_seeds_and_cases(first, second).estimate == pytest.approx(expected)


def test_influence_is_the_derivative_by_the_weight_of_a_case():
    run = random_run(np.random.default_rng(1))
    score, influence = _miou_and_influence(run)
    assert score == pytest.approx(miou(run))
    assert sum(influence.values()) == pytest.approx(0, abs=1e-12)
    # Counts in millions, so that a weight of 1 + 1e-4 keeps them whole.
    large = {case: matrix * 10**6 for case, matrix in run.items()}
    for case in run:
        more = {**large, case: run[case] * (10**6 + 100)}
        less = {**large, case: run[case] * (10**6 - 100)}
        assert (miou(more) - miou(less)) / 2e-4 == pytest.approx(influence[case], abs=1e-6)


def test_a_class_that_no_case_shows_counts_for_nothing():
    rng = np.random.default_rng(2)
    first, second = ([random_run(rng, num_classes=2) for _ in range(2)] for _ in range(2))

    def padded(runs):
        return [{k: np.pad(v, ((0, 1), (0, 1))) for k, v in run.items()} for run in runs]

    found = compare_over_seeds_and_cases(padded(first), padded(second))
    assert found == compare_over_seeds_and_cases(first, second)


def test_where_seeds_alone_differ_it_is_the_t_interval():
    """Cases that are all alike explain nothing of the spread over seeds."""
    first = [{c: confusion(errors) for c in "abcd"} for errors in (100, 300, 500)]
    second = [{c: confusion(700) for c in "abcd"} for _ in range(3)]
    t = compare_paired([miou(run) for run in first], [miou(run) for run in second])
    found = compare_over_seeds_and_cases(first, second)
    assert (found.lower, found.upper) == pytest.approx((t.lower, t.upper), rel=1e-9)


def test_where_cases_alone_differ_it_is_the_paired_t_test_over_cases():
    rng = np.random.default_rng(3)
    ours, theirs = rng.integers(0, 20, 40), rng.integers(0, 20, 40)
    runs = [{f"{i}": confusion(e) for i, e in enumerate(errors)} for errors in (ours, theirs)]
    found = compare_over_seeds_and_cases([runs[0]] * 3, [runs[1]] * 3)
    # IoU = (1 - e) / (1 + e) for a share e of errors: -2 e near 0.
    single = -2 * (ours - theirs) / PIXELS
    expected = stats.t.interval(0.95, 39, single.mean(), stats.sem(single))
    assert (found.lower, found.upper) == pytest.approx(expected, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("own_cases", [False, True], ids=["same cases", "cases of their own"])
@pytest.mark.parametrize("parts", [(0, 1, 1), (0, 0, 1), (1, 1, 1), (3, 1, 1), (1, 0, 0.1)])
def test_it_covers_the_truth(own_cases, parts):
    """Seeds, cases, and pairs of both add to the difference of two methods of equal skill."""
    rng, num_seeds, num_cases, num_trials = np.random.default_rng(4), 3, 30, 800
    of_seed, of_case, of_pair = np.sqrt(parts) * 4
    covered = 0
    for _ in range(num_trials):
        shape = (num_seeds if own_cases else 1, num_cases)
        errors = (
            300
            + of_seed * rng.normal(size=(num_seeds, 1))
            + of_case * np.sqrt(num_cases) * rng.normal(size=shape)
            + of_pair * np.sqrt(num_cases) * rng.normal(size=(num_seeds, num_cases))
        )
        names = [[f"{s * own_cases}-{i}" for i in range(num_cases)] for s in range(num_seeds)]
        rows = np.broadcast_to(errors, (num_seeds, num_cases))
        first = [
            {n: confusion(e) for n, e in zip(*own, strict=True)}
            for own in zip(names, rows, strict=True)
        ]
        second = [dict.fromkeys(n, confusion(300)) for n in names]
        found = compare_over_seeds_and_cases(first, second)
        covered += found.lower <= 0 <= found.upper
    assert covered / num_trials >= 0.92


def test_one_seed_or_one_case_has_no_interval():
    run = random_run(np.random.default_rng(5))
    assert compare_over_seeds_and_cases([run], [run]).lower is None
    one = {"a": run["a"]}
    assert compare_over_seeds_and_cases([one, one], [one, one]).upper is None


def test_equal_runs_differ_by_nothing():
    run = random_run(np.random.default_rng(6))
    found = compare_over_seeds_and_cases([run, run], [run, run])
    assert (found.estimate, found.lower, found.upper) == (0, 0, 0)


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ([], [], "cannot be paired"),
        ([{"a": np.eye(2)}], [], "cannot be paired"),
        ([{"a": np.eye(2)}], [{"b": np.eye(2)}], "not the same test cases"),
        ([{}], [{}], "not the same test cases"),
        ([{"a": np.zeros((2, 2))}], [{"a": np.eye(2)}], "not one counted pixel"),
        ([{"a": np.ones((2, 3))}], [{"a": np.ones((2, 3))}], r"\(K, K\)"),
    ],
)
def test_what_is_no_pair_is_refused(first, second, words):
    with pytest.raises(ValueError, match=words):
        compare_over_seeds_and_cases(first, second)
