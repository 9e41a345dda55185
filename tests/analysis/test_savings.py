import math
import random

import numpy as np
import pytest

from ecs_med.analysis import ScorePoint, labels_saved


def runs(scores, seeds=(0,), spread=0.0):
    """Runs with the given mean score at each number of labels, seeds apart by the spread."""
    middle = (len(seeds) - 1) / 2
    return [
        ScorePoint(labels, seed, score + spread * (place - middle))
        for labels, score in scores.items()
        for place, seed in enumerate(seeds)
    ]


SUPERVISED = {100: 0.60, 200: 0.64, 400: 0.70, 800: 0.72}


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (0.60, 100),
        (0.62, 100 * 2**0.5),
        (0.64, 200),
        (0.66, 200 * 2 ** (1 / 3)),
        (0.715, 400 * 2**0.75),
        (0.72, 800),
    ],
)
def test_is_read_off_between_measured_labels_over_their_logarithm(score, expected):
    (found,) = labels_saved(runs(SUPERVISED), runs({100: score}))
    assert found.equal_labels == pytest.approx(expected)
    assert (found.num_labeled, found.score, found.outside) == (100, score, None)
    assert found.measured == (100, 800)


@pytest.mark.parametrize(("score", "outside"), [(0.59, "below"), (0.73, "above")])
def test_is_never_continued_beyond_what_was_measured(score, outside):
    (found,) = labels_saved(runs(SUPERVISED), runs({100: score}))
    assert (found.equal_labels, found.outside) == (None, outside)
    assert found.share_unbounded == (outside == "above")


def test_a_dip_is_pooled_with_its_neighbour():
    supervised = {100: 0.60, 200: 0.66, 400: 0.64, 800: 0.70}
    at_pool, beyond = labels_saved(runs(supervised), runs({50: 0.65, 100: 0.675}))
    assert at_pool.equal_labels == pytest.approx(200)
    assert beyond.equal_labels == pytest.approx(400 * 2**0.5)


def test_pooling_weighs_by_the_number_of_runs():
    supervised = [*runs({100: 0.60, 400: 0.64, 800: 0.70}), *runs({200: 0.66}, (0, 1, 2))]
    (found,) = labels_saved(supervised, runs({100: 0.655}))
    assert found.equal_labels == pytest.approx(200)


def test_on_a_plateau_the_fewest_labels_count():
    supervised = {100: 0.6, 200: 0.7, 400: 0.7, 800: 0.7}
    (found,) = labels_saved(runs(supervised), runs({100: 0.7}))
    assert found.equal_labels == pytest.approx(200)


def test_a_method_saves_nothing_over_itself():
    points = runs(SUPERVISED, (0, 1, 2), 0.01)
    for found in labels_saved(points, points):
        assert found.equal_labels == pytest.approx(found.num_labeled)
        assert found.lower <= found.num_labeled * (1 + 1e-6)


def test_what_seeds_share_does_not_widen_the_interval():
    """Both methods are better by the same 0.05 at some seeds, so the gain is the same at all."""
    supervised = runs(SUPERVISED, (0, 1, 2), 0.05)
    (found,) = labels_saved(supervised, runs({100: 0.66}, (0, 1, 2), 0.05))
    expected = 200 * 2 ** (1 / 3)
    assert (found.lower, found.upper) == pytest.approx((expected, expected))
    other_seeds = runs({100: 0.66}, (7, 8, 9), 0.05)
    (unpaired,) = labels_saved(supervised, other_seeds)
    assert (unpaired.lower, unpaired.upper) == (None, None)
    assert unpaired.has_interval


def test_an_end_beyond_the_range_is_left_open():
    ecs = runs({400: 0.71}, (0, 1, 2), 0.01)
    (found,) = labels_saved(runs(SUPERVISED, (0, 1, 2)), ecs)
    assert found.upper is None
    assert found.lower < found.equal_labels == pytest.approx(400 * 2**0.5)
    assert 0.025 < found.share_unbounded < 0.5


@pytest.mark.parametrize("gap", ["supervised", "ecs"])
def test_without_two_runs_everywhere_there_is_no_interval(gap):
    supervised, ecs = runs(SUPERVISED, (0, 1), 0.01), runs({100: 0.64, 200: 0.7}, (0, 1), 0.01)
    first, second = labels_saved(
        *((supervised[:-1], ecs) if gap == "supervised" else (supervised, ecs[1:]))
    )
    assert (first.has_interval, first.lower, first.upper) == (False, None, None)
    assert second.has_interval == (gap == "ecs")


def test_the_same_seed_gives_the_same_numbers_in_any_order():
    rng = np.random.default_rng(0)
    supervised = [
        ScorePoint(labels, seed, score + rng.normal(0, 0.01))
        for labels, score in SUPERVISED.items()
        for seed in range(3)
    ]
    ecs = [ScorePoint(p.num_labeled, p.seed, p.score + 0.02) for p in supervised]
    found = labels_saved(supervised, ecs, seed=1)
    shuffle = random.Random(0)
    again = labels_saved(
        shuffle.sample(supervised, len(supervised)), shuffle.sample(ecs, len(ecs)), seed=1
    )
    assert again == found
    assert [entry.num_labeled for entry in found] == [100, 200, 400, 800]


@pytest.mark.parametrize(
    ("supervised", "ecs"),
    [
        ([], runs({100: 0.6})),
        (runs({100: 0.6}), runs({100: 0.6})),
        (runs(SUPERVISED), []),
        (runs(SUPERVISED), runs({100: math.nan})),
        (runs({100: math.inf, 200: 0.7}), runs({100: 0.6})),
        (runs(SUPERVISED) * 2, runs({100: 0.6})),
    ],
)
def test_refuses_what_cannot_be_compared(supervised, ecs):
    with pytest.raises(ValueError, match=r"measured|no run|finite|two runs"):
        labels_saved(supervised, ecs)
