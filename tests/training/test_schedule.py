"""How often and on what a run is validated: a pure function of settings and facts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from ecs_med.config import TrainConfig
from ecs_med.data.prepare import Preparation
from ecs_med.runs import RunFolder, read_history
from ecs_med.training.schedule import (
    FEWEST_CASES,
    NATIVE,
    STEP,
    cases_in_between,
    cost_of_scoring,
    decide_schedule,
)
from ecs_med.training.train import train
from ecs_med.types import Case

Build = Callable[..., TrainConfig]


def config(iterations: int, **values: Any) -> TrainConfig:
    """Training costs 3 * 2 * 64 * 64 = 24,576 an iteration."""
    given = {"data": "x", "iterations": iterations, "batch": 2, "crop": 64, **values}
    return TrainConfig.parse(given)


def decided(iterations: int, case_cost: float, num_all: int, **values: Any) -> tuple[int, int]:
    schedule = decide_schedule(config(iterations, **values), case_cost, num_all)
    return schedule.every, schedule.num_cases


def test_all_cases_ten_times_where_that_costs_no_more_than_training() -> None:
    assert decided(1000, 24_576 * 5, 20) == (100, 20)
    assert decided(1000, 24_576 * 5.1, 20) == (100, 19)


def test_first_fewer_cases_then_fewer_validations() -> None:
    assert decided(1000, 24_576 * 10, 20) == (100, 10)
    assert decided(1000, 24_576 * 25, 20) == (200, FEWEST_CASES)
    assert decided(1000, 24_576 * 25, 5) == (125, 5)


def test_a_single_validation_scores_all_cases() -> None:
    assert decided(20, 24_576 * 300, 20) == (20, 20)


def test_what_is_asked_for_is_obeyed() -> None:
    dear = 24_576 * 300
    assert decided(20, dear, 20, evaluate_every=5) == (5, 20)
    assert decided(20, dear, 20, evaluate_every=50, validation_cases=3) == (20, 3)
    assert decided(1000, 24_576 * 25, 20, validation_cases=4) == (100, 4)
    assert decided(1000, dear, 20, validation_cases=40) == (1000, 20)
    assert decided(1000, dear, 0) == (100, 0)


@pytest.mark.parametrize("iterations", [1, 7, 20, 99, 150, 1000, 10_000])
@pytest.mark.parametrize("share", [0.001, 0.02, 0.3, 5.0])
def test_scoring_in_between_never_costs_more_than_training(iterations: int, share: float) -> None:
    training = STEP * iterations * 2 * 64**2
    schedule = decide_schedule(config(iterations), training * share, 30)
    times = -(-iterations // schedule.every)
    assert times == 1 or times * schedule.num_cases * share <= 1
    assert schedule.sentence().endswith(".")


def test_sentences() -> None:
    def sentence(*arguments: Any, **values: Any) -> str:
        return decide_schedule(config(arguments[0], **values), *arguments[1:]).sentence()

    assert sentence(1000, 1.0, 20) == "Every 100 of 1,000 iterations, on all 20 validation cases."
    assert sentence(1000, 24_576 * 10.0, 20) == (
        "Every 100 of 1,000 iterations, on 10 of 20 validation cases, so that scoring costs no "
        "more than training; the chosen model is scored on all of them."
    )
    assert sentence(20, 1e9, 20) == (
        "Once, at the end, on all 20 validation cases, so that scoring costs no more than training."
    )
    assert sentence(20, 1e9, 20, evaluate_every=5, validation_cases=3) == (
        "Every 5 of 20 iterations, on 3 of 20 validation cases; the chosen model is scored on all "
        "of them."
    )
    assert sentence(20, 1.0, 0) == "None: the last model is kept."


def test_the_cost_of_a_case_is_counted_from_its_header(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((50, 100, 3), np.uint8)).save(tmp_path / "a.png")
    volume = nibabel.Nifti1Image(np.zeros((10, 20, 30), np.uint8), np.diag([3, 1, 1, 1]))
    nibabel.save(volume, tmp_path / "b.nii")
    picture, scan = Case("a", (tmp_path / "a.png",)), Case("b", (tmp_path / "b.nii",))
    assert cost_of_scoring([picture], Preparation()) == 64 * 128 + NATIVE * 50 * 100
    assert cost_of_scoring([scan], Preparation()) == 10 * (32 * 32 + NATIVE * 20 * 30)
    larger = cost_of_scoring([scan], Preparation(min_size=60))
    assert larger == 10 * (64 * 64 + NATIVE * 20 * 30)
    both = cost_of_scoring([picture, scan], Preparation(min_size=60))
    assert both == (64 * 128 + NATIVE * 50 * 100 + larger) / 2


def test_cases_in_between_are_fixed_by_their_names() -> None:
    cases = [Case(f"case {n}", (Path(f"{n}.png"),)) for n in range(30)]
    some = cases_in_between(cases, 8)
    assert len(some) == 8
    assert cases_in_between(cases[::-1], 8) == some[::-1]
    assert set(some) < set(cases_in_between(cases, 9))
    assert some == sorted(some, key=cases.index)


def test_a_run_scores_some_in_between_and_all_at_the_end(settings: Build) -> None:
    run = RunFolder(train(settings(validation_cases=1)))
    rows = read_history(run.history_file).validation
    assert [row.validation.num_cases for row in rows] == [1, 1]
    assert [row.corrector.num_cases for row in rows if row.corrector] == [1, 1]
    assert [row.pseudo_labels.num_cases for row in rows if row.pseudo_labels] == [1, 1]
    metrics, manifest = run.read_metrics(), run.read_manifest()
    assert metrics.validation is not None
    assert metrics.validation.num_cases == manifest.data.num_validation > 1
    assert metrics.corrector is not None
    assert metrics.corrector.validation in [row.corrector for row in rows]
    assert manifest.validation == (
        f"Every 2 of 4 iterations, on 1 of {manifest.data.num_validation} validation cases; the "
        "chosen model is scored on all of them."
    )
    assert 0 < manifest.validation_seconds < manifest.seconds


def test_what_is_left_open_is_decided_alike_for_every_method(
    settings: Build, tmp_path: Path
) -> None:
    resolved = []
    for method in ("supervised", "ecs"):
        values = settings(method=method, run=tmp_path / method).model_dump(exclude_unset=True)
        del values["evaluate_every"]
        values |= {"max_size": 0, "min_size": 512}
        folder = RunFolder(train(TrainConfig.parse(values)))
        saved = folder.read_config()
        resolved.append((saved.evaluate_every, saved.validation_cases))
        assert len(read_history(folder.history_file).validation) == 1
    assert resolved[0] == resolved[1]
    assert resolved[0][0] == 4
