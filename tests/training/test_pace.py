"""How long a run will take on a CPU, and what would halve that."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ecs_med.config import TrainConfig
from ecs_med.training import pace
from ecs_med.training.listener import Expectation, NullListener
from ecs_med.training.pace import Work, expectation
from ecs_med.training.schedule import Schedule
from ecs_med.training.train import train

Build = Callable[..., TrainConfig]


def config(**changes: object) -> TrainConfig:
    given = {"data": "x", "method": "ecs", "iterations": 100, "batch": 2, "crop": 128}
    return TrainConfig.parse({**given, "max_size": 128, **changes})


def by_pixels(shape: tuple[int, ...]) -> float:
    """A machine on which a batch of 128 x 128 takes 0.6 s forward and backward."""
    seconds = 0.6
    for side in shape:
        seconds *= side / 128
    return seconds


WORK = Work(
    iterations=100, validations=10, case_cost=128.0**2, num_scored=4, num_tested=20, networks=2
)
"""Scoring a case takes 0.1 s a network on that machine: 0.6 s / (3 passes x batch of 2)."""


def test_a_run_and_what_halves_it_worked_by_hand() -> None:
    found = expectation(config(), WORK, iteration=2.0, done=5, timed=by_pixels)
    # 95 iterations, 10 validations of 4 cases and a test of 20, twice 0.1 s a case.
    assert found.seconds == pytest.approx(95 * 2.0 + 60 * 0.2)
    assert dict(found.offers) == {
        "iterations=50": pytest.approx(50 * 2.0 + 40 * 0.2),
        # A quarter of the pixels.
        "max_size=64": pytest.approx((100 * 2.0 + 60 * 0.2) / 4),
        "method=supervised": pytest.approx(100 * 0.6 + 60 * 0.1),
    }
    assert [seconds for _, seconds in found.offers] == sorted(dict(found.offers).values())[::-1]


def test_crops_of_larger_images_become_smaller_and_scores_cost_what_they_did() -> None:
    found = expectation(config(max_size=512), WORK, iteration=2.0, done=5, timed=by_pixels)
    assert dict(found.offers)["crop=64"] == pytest.approx(100 * 0.5 + 60 * 0.2)


def test_nothing_is_offered_that_does_not_halve_it() -> None:
    """Where small crops take as long, and the method hardly more than the supervised one."""
    found = expectation(config(), WORK, iteration=0.7, done=5, timed=lambda _: 0.6)
    assert [name for name, _ in found.offers] == ["iterations=50"]
    short = expectation(config(), WORK, iteration=0.01, done=5, timed=by_pixels)
    assert short == Expectation(pytest.approx(0.95), 0.01)


def test_work_after_a_resumption() -> None:
    schedule = Schedule(every=30, num_cases=4, num_all=4, iterations=100)
    counts = {"case_cost": 1.0, "num_tested": 3, "networks": 1}
    assert Work.of(schedule, 0, **counts).validations == 4  # after 30, 60, 90, 100
    assert Work.of(schedule, 60, **counts).validations == 2
    assert Work.of(schedule, 60, **counts).iterations == 40


@pytest.mark.parametrize("method", ["supervised", "ecs"])
def test_timing_changes_nothing_of_a_run(
    settings: Build, method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Expectation] = []

    class Recorder(NullListener):
        def expected(self, expectation: Expectation) -> None:
            told.append(expectation)

    losses = []
    for worth in (1e9, 0.0):
        monkeypatch.setattr(pace, "_WORTH_HALVING", worth)
        run = train(settings(method=method, iterations=8, run=tmp_path / str(worth)), Recorder())
        rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
        losses.append([row["losses"] for row in rows if row["kind"] == "train"])
    assert losses[0] == losses[1]
    untimed, timed = told
    assert not untimed.offers
    assert all(seconds > 0 for _, seconds in timed.offers)
