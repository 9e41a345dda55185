"""When checkpoints are saved: as often as they are cheap."""

from types import SimpleNamespace

import pytest
import torch

from ecs_med.training import handlers
from ecs_med.training.handlers import Checkpoints


def saved_iterations(monkeypatch: pytest.MonkeyPatch, cost: float, step: float) -> list[int]:
    """Iterations after which a run of 40 is saved that is validated every 4.

    Args:
        monkeypatch: Replaces the clocks.
        cost: Seconds of processor that a checkpoint takes.
        step: Seconds of an iteration.
    """
    clock = SimpleNamespace(now=0.0)
    times = SimpleNamespace(monotonic=lambda: clock.now, thread_time=lambda: clock.now)
    monkeypatch.setattr(handlers, "time", times)
    saved: list[int] = []

    def save(iteration: int) -> None:
        clock.now += cost
        saved.append(iteration)

    checkpoints = Checkpoints(save, every=4, last=40)
    for iteration in range(1, 41):
        clock.now += step
        state = SimpleNamespace(iteration=iteration, output={"loss": torch.tensor(1.0)})
        checkpoints._complete(SimpleNamespace(state=state))  # type: ignore[arg-type]
    return saved


def test_quick_ones_are_saved_at_every_validation(monkeypatch: pytest.MonkeyPatch) -> None:
    assert saved_iterations(monkeypatch, cost=0.29, step=0.001) == [*range(4, 41, 4)]


def test_slow_ones_take_a_twentieth_of_the_time_and_the_last_is_always_saved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # After the first one 20 s have to pass: 10 s is two and a half validations of 4 s.
    assert saved_iterations(monkeypatch, cost=0.5, step=1.0) == [4, 16, 28, 40]
    assert saved_iterations(monkeypatch, cost=5.0, step=1.0) == [4, 40]


def test_some_minutes_never_pass_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert saved_iterations(monkeypatch, cost=10.0, step=50.0)[:4] == [3, 6, 9, 12]
