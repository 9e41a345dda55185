"""Places for runs on this machine: a share of the cores, and of a GPU where there is one."""

import os
from dataclasses import dataclass

from ecs_med.sweep.executors.base import num_cores, refuse_wrong_shares

__all__ = ["Slot", "local_slots"]


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one run at a time.

    Attributes:
        threads: Computing threads of the run.
        gpu: The one GPU that it sees, as `CUDA_VISIBLE_DEVICES` names it; `None`: it sees
            whatever this process sees.
    """

    threads: int
    gpu: str | None = None


def local_slots(device: str, jobs: int | None, gpus_per_run: float | None) -> list[Slot]:
    """Places on this machine.

    With GPUs, one place a GPU, or several with `gpus_per_run` below 1; `jobs` then is the most
    that run at once. Without, `jobs` places (1 by default). The cores are divided equally, since
    threads of several runs on one core slow all of them down; `OMP_NUM_THREADS` is respected as
    an upper bound.

    Args:
        device: Setting of the runs: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        jobs: Runs at once, at least 1.
        gpus_per_run: Share of a GPU for one run, above 0 and at most 1.

    Raises:
        SettingsError: If a number is out of range.
    """
    refuse_wrong_shares(jobs, gpus_per_run)
    gpus = _visible_gpus() if device in ("auto", "cuda") else []
    if not gpus:
        number = jobs or 1
        return [Slot(_threads(number))] * number
    each = int(1 / (gpus_per_run or 1.0) + 1e-6)
    # The second run on a GPU comes after every GPU has its first.
    places = [gpu for _ in range(each) for gpu in gpus][: jobs or None]
    return [Slot(_threads(len(places)), gpu) for gpu in places]


def _threads(num_runs: int) -> int:
    share = max(1, num_cores() // num_runs)
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(asked)) if asked.isdecimal() and int(asked) > 0 else share


def _visible_gpus() -> list[str]:
    """GPUs of this process by the names under which a child can be given one of them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [part.strip() for part in named.split(",") if part.strip() not in ("", "-1")]
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]
