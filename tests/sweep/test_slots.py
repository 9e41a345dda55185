"""How many runs at once, with how many threads, on which GPU."""

import pytest

from ecs_med.errors import SettingsError
from ecs_med.sweep.executors import processes
from ecs_med.sweep.executors.processes import Slot, local_slots


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "num_cores", lambda: 8)
    monkeypatch.setattr(processes, "free_memory", lambda: 15 * 2**30)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_cores_are_divided() -> None:
    assert local_slots("cpu", None, None) == [Slot(8)]
    assert local_slots("cpu", 3, None) == [Slot(2)] * 3
    assert local_slots("cpu", 20, None) == [Slot(1)] * 20


@pytest.mark.parametrize(
    ("cores", "gibibytes", "slots"),
    [(8, 64, [Slot(2)] * 4), (8, 17, [Slot(4)] * 2), (2, 64, [Slot(1)] * 2), (3, 2, [Slot(3)])],
)
def test_a_cpu_does_as_many_runs_as_cores_and_memory_allow(
    monkeypatch: pytest.MonkeyPatch, cores: int, gibibytes: int, slots: list[Slot]
) -> None:
    monkeypatch.setattr(processes, "num_cores", lambda: cores)
    monkeypatch.setattr(processes, "free_memory", lambda: gibibytes * 2**30)
    assert local_slots("cpu", None, None) == slots
    assert local_slots("cpu", 1, None) == [Slot(cores)]


def test_unknown_memory_is_taken_for_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "free_memory", lambda: None)
    assert local_slots("cpu", None, None) == [Slot(2)] * 4


def test_a_smaller_number_of_threads_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert local_slots("cpu", 1, None) == [Slot(3)]
    assert local_slots("cpu", 4, None) == [Slot(2)] * 4
    monkeypatch.setenv("OMP_NUM_THREADS", "many")
    assert local_slots("cpu", 1, None) == [Slot(8)]


def test_one_run_a_gpu_or_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, GPU-abc")
    assert local_slots("auto", None, None) == [Slot(4, "2"), Slot(4, "GPU-abc")]
    halves = local_slots("cuda", None, 0.5)
    assert [slot.gpu for slot in halves] == ["2", "GPU-abc", "2", "GPU-abc"]
    assert {slot.threads for slot in halves} == {2}
    assert [slot.gpu for slot in local_slots("auto", 3, 1 / 3)] == ["2", "GPU-abc", "2"]
    assert local_slots("cuda:1", None, None) == [Slot(8)]
    assert local_slots("cpu", 2, None) == [Slot(4)] * 2


def test_hidden_gpus_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert local_slots("auto", None, None) == [Slot(8)]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert local_slots("auto", 2, None) == [Slot(4)] * 2


@pytest.mark.parametrize(
    ("jobs", "share", "option"),
    [(0, None, "jobs"), (None, 0.0, "gpus_per_run"), (None, 2.0, "gpus_per_run")],
)
def test_numbers_out_of_range(jobs: int | None, share: float | None, option: str) -> None:
    with pytest.raises(SettingsError, match=f"`{option}="):
        local_slots("cpu", jobs, share)
