"""The energy counter, played by a stand-in: there is no GPU on most machines."""

import sys
import types
from types import SimpleNamespace

import pytest
import torch

from ecs_med.training.manifest import EnergyMeter

CUDA = torch.device("cuda", 0)


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Millijoules that the stand-in shows, one after the other."""
    shown: list[int] = []
    library = types.ModuleType("pynvml")
    library.nvmlInit = lambda: None  # type: ignore[attr-defined]
    library.nvmlDeviceGetHandleByUUID = lambda uuid: uuid  # type: ignore[attr-defined]
    library.nvmlDeviceGetTotalEnergyConsumption = lambda _: shown.pop(0)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pynvml", library)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda _: SimpleNamespace(uuid="0-1-2")
    )
    return shown


def test_watt_hours_are_the_difference(counter: list[int]) -> None:
    counter += [1_000_000, 1_000_000 + 7_200_000]
    assert EnergyMeter(CUDA).watt_hours() == pytest.approx(2.0)


def test_a_resumed_run_counts_on(counter: list[int]) -> None:
    counter += [0, 3_600_000]
    assert EnergyMeter(CUDA, 5.0).watt_hours() == pytest.approx(6.0)


def test_what_was_not_counted_before_gives_no_figure(counter: list[int]) -> None:
    counter += [0, 3_600_000]
    assert EnergyMeter(CUDA, None).watt_hours() is None


def test_no_gpu_no_figure() -> None:
    assert EnergyMeter(torch.device("cpu")).watt_hours() is None


def test_a_gpu_without_the_counter_is_no_error(counter: list[int]) -> None:
    assert EnergyMeter(CUDA).watt_hours() is None
