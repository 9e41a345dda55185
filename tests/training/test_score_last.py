"""The last model scored beside the chosen one."""

from collections.abc import Callable

import pytest

from ecs_med.config import TrainConfig
from ecs_med.runs import RunFolder, read_history
from ecs_med.training.train import train

Build = Callable[..., TrainConfig]


@pytest.fixture
def long(settings: Build) -> Build:
    """Settings of a run whose last validation is not its best."""
    own = {
        "method": "supervised",
        "seed": 2,
        "iterations": 8,
        "evaluate_every": 1,
        "optimizers": {"segmenter": {"name": "adam", "lr": 0.001}},
    }

    def build(**values: object) -> TrainConfig:
        return settings(**own | values)

    return build


def test_its_scores_are_those_of_a_run_that_keeps_it(long: Build) -> None:
    run = RunFolder(train(long(score_last=True)))
    both = run.read_metrics()
    assert both.best_iteration < 8, "the run does not tell the two models apart"
    assert both.last is not None
    assert both.validation is not None
    kept = RunFolder(train(long(keep="last", run=run.path.with_name("kept")))).read_metrics()
    assert both.last.iteration == 8
    assert both.last.test == kept.test
    assert both.test != kept.test
    [row] = [r for r in read_history(run.history_file).validation if r.iteration == 8]
    assert both.last.validation == row.validation


def test_the_chosen_model_is_not_scored_twice(long: Build) -> None:
    metrics = RunFolder(train(long(score_last=True, evaluate_every=8))).read_metrics()
    assert metrics.best_iteration == 8
    assert metrics.last is not None
    assert (metrics.last.test, metrics.last.validation) == (metrics.test, metrics.validation)


def test_it_is_left_out_where_nobody_asks(long: Build) -> None:
    assert RunFolder(train(long())).read_metrics().last is None
