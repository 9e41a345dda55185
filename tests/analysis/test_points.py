import math

import numpy as np
import pytest
from scipy import stats

from ecs_med.analysis import ScorePoint
from ecs_med.analysis.points import ScoreTable, draw_mean_scores


def table(scores, budgets=(50, 100, 200)):
    """A table from rows of scores, one a seed; `None` where a run is missing."""
    return ScoreTable.from_points(
        [
            ScorePoint(labels, seed, score)
            for seed, row in enumerate(scores)
            for labels, score in zip(budgets, row, strict=True)
            if score is not None
        ]
    )


def test_rows_are_seeds_and_columns_labels():
    points = [ScorePoint(200, 4, 0.8), ScorePoint(50, 4, 0.6), ScorePoint(50, 1, 0.5)]
    found = ScoreTable.from_points(points)
    assert (found.num_labeled.tolist(), found.seeds) == ([50, 200], (1, 4))
    np.testing.assert_array_equal(found.scores, [[0.5, np.nan], [0.6, 0.8]])
    assert (found.num_runs.tolist(), found.means.tolist()) == ([2, 1], [0.55, 0.8])


def test_leaving_columns_out_leaves_empty_seeds_out():
    points = [ScorePoint(200, 4, 0.8), ScorePoint(50, 4, 0.6), ScorePoint(50, 1, 0.5)]
    found = ScoreTable.from_points(points).with_budgets(np.array([False, True]))
    assert (found.num_labeled.tolist(), found.seeds, found.scores.tolist()) == (
        [200],
        (4,),
        [[0.8]],
    )


@pytest.mark.parametrize("num_seeds", [3, 5])
def test_percentiles_of_a_linear_function_are_its_t_interval(num_seeds):
    rng = np.random.default_rng(num_seeds)
    scores = rng.normal(0, 0.02, (num_seeds, 3)) + rng.normal(0, 0.02, (num_seeds, 1))
    direction = np.array([-0.5, 0.2, 1.3])
    drawn = draw_mean_scores([table(scores)], 20_000, 0)[0] @ direction
    of_seeds = scores @ direction
    ends = stats.t.interval(0.95, num_seeds - 1, of_seeds.mean(), stats.sem(of_seeds))
    assert np.quantile(drawn, [0.025, 0.975]) == pytest.approx(ends, abs=0.03 * (ends[1] - ends[0]))


def test_what_all_runs_of_a_seed_share_moves_them_together():
    drawn = draw_mean_scores([table([[0.5, 0.6, 0.7], [0.6, 0.7, 0.8], [0.4, 0.5, 0.6]])], 100, 0)[
        0
    ]
    assert np.ptp(drawn[:, 0]) > 0.1
    np.testing.assert_allclose(drawn[:, 2] - drawn[:, 0], 0.2)


def test_methods_that_share_seeds_move_together():
    scores = np.array([[0.5, 0.6, 0.7], [0.55, 0.58, 0.8], [0.4, 0.6, 0.6]])
    first, second = draw_mean_scores([table(scores), table(scores + 0.1)], 100, 0)
    np.testing.assert_allclose(second - first, 0.1)


def test_missing_runs_leave_the_others_their_spread():
    first = draw_mean_scores([table([[0.5, 0.6, 0.7], [0.6, 0.7, 0.7], [0.4, None, 0.7]])], 50, 0)[
        0
    ]
    assert np.ptp(first[:, 1]) > 0
    assert np.ptp(first[:, 2]) == pytest.approx(0)
    alone = draw_mean_scores([table([[0.5, 0.6, 0.7]])], 50, 0)[0]
    np.testing.assert_array_equal(alone, np.broadcast_to([0.5, 0.6, 0.7], (50, 3)))


@pytest.mark.parametrize(
    "points",
    [
        [ScorePoint(50, 0, math.nan)],
        [ScorePoint(50, 0, -math.inf)],
        [ScorePoint(0, 0, 0.5)],
        [ScorePoint(50, 0, 0.5), ScorePoint(50, 0, 0.6)],
    ],
)
def test_refuses_what_is_no_run(points):
    with pytest.raises(ValueError, match=r"finite|at least 1|two runs"):
        ScoreTable.from_points(points)


def test_refuses_no_resamples():
    with pytest.raises(ValueError, match="num_resamples"):
        draw_mean_scores([table([[0.5, 0.6, 0.7]])], 0, 0)
