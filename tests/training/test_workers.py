"""How many processes prepare batches where nobody says it."""

import os
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from ecs_med.training import workers
from ecs_med.training.workers import usual_workers

GPU, MEGABYTE = torch.device("cuda"), 2**20


class Batches:
    """A run whose batches have 10 MB."""

    def __len__(self) -> int:
        return 100

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        sizes = {"image": 6, "unlabeled_image": 4}
        return {k: torch.empty(n * MEGABYTE, dtype=torch.uint8) for k, n in sizes.items()}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    def build(
        cores: int = 16, threads: int = 16, shared: int = 10**5, parts: int | None = None
    ) -> None:
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
        monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
        usage = SimpleNamespace(free=shared * MEGABYTE)
        monkeypatch.setattr(workers.shutil, "disk_usage", lambda _: usage)
        monkeypatch.setattr(sys, "platform", "linux")
        if parts is not None:
            monkeypatch.setenv("LOCAL_WORLD_SIZE", str(parts))

    return build


@pytest.mark.parametrize(
    ("there", "number"),
    [
        ({}, 8),
        ({"cores": 4}, 3),
        ({"threads": 5}, 4),  # a run of a sweep that has its share of the cores
        ({"cores": 1, "threads": 1}, 0),
        ({"shared": 64}, 1),  # a container: 30 of 32 MB
        ({"shared": 59}, 0),
        ({"parts": 4, "threads": 1}, 3),  # torchrun gives every process one thread
        ({"parts": 4, "threads": 1, "shared": 480}, 2),
    ],
)
def test_as_many_as_cores_and_shared_memory_allow(
    machine: Any, there: dict[str, int], number: int
) -> None:
    machine(**there)
    assert usual_workers(GPU, Batches()) == number  # type: ignore[arg-type]


def test_none_on_a_cpu_and_on_other_systems(machine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    machine()
    assert usual_workers(torch.device("cpu"), Batches()) == 0  # type: ignore[arg-type]
    monkeypatch.setattr(sys, "platform", "win32")
    assert usual_workers(GPU, Batches()) == 0  # type: ignore[arg-type]


def test_none_where_shared_memory_is_not_to_be_seen(
    machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine()

    def missing(_: Any) -> Any:
        raise FileNotFoundError

    monkeypatch.setattr(workers.shutil, "disk_usage", missing)
    assert usual_workers(GPU, Batches()) == 0  # type: ignore[arg-type]
