"""The estimate of a dry run."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ecs_med.sweep.estimate import RunTimes, cell_seconds, measure_times, sweep_seconds
from ecs_med.sweep.plan import SweepConfig, plan_cells

Build = Callable[..., SweepConfig]

TIMES = RunTimes(
    start_seconds=5,
    iteration_seconds=2,
    validation_seconds=10,
    evaluate_every=25,
    finish_seconds=20,
)


def test_a_whole_run_and_what_is_left_of_one() -> None:
    assert TIMES.run_seconds(100) == 5 + 200 + 4 * 10 + 20
    rarely = TIMES.model_copy(update={"evaluate_every": 30})
    assert rarely.run_seconds(100) == 5 + 200 + 4 * 10 + 20
    assert TIMES.run_seconds(100, first=60) == 5 + 80 + 2 * 10 + 20
    assert TIMES.run_seconds(100, first=100) == 5 + 20


@pytest.mark.parametrize(
    ("seconds", "places", "total"),
    [([], 2, 0), ([4], 3, 4), ([3, 3, 2], 1, 8), ([3, 3, 2], 2, 5), ([1, 5, 1, 1], 2, 5)],
)
def test_places_are_filled_as_they_get_free(
    seconds: list[float], places: int, total: float
) -> None:
    assert sweep_seconds(seconds, places) == total


def test_a_done_cell_needs_nothing(build: Build, put_scores: Callable[[Path], None]) -> None:
    cell = plan_cells(build())[0]
    assert cell_seconds(cell, TIMES) == 5 + 4 * 2 + 1 * 10 + 20
    put_scores(cell.folder)
    assert cell_seconds(cell, TIMES) == 0


@pytest.mark.slow
def test_the_trial_times_every_method_and_leaves_nothing(build: Build, tmp_path: Path) -> None:
    sweep = build()
    paces = measure_times(plan_cells(sweep))
    assert set(paces) == {"supervised", "ecs"}
    for pace in paces.values():
        assert pace.iteration_seconds > 0
        assert pace.validation_seconds > 0
        assert pace.evaluate_every == 2
    assert paces["ecs"].iteration_seconds > paces["supervised"].iteration_seconds
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
