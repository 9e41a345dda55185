"""How many processes prepare batches while a GPU computes."""

import os
import shutil
import sys
from pathlib import Path

import torch

from ecs_med.data.batches import TrainingBatches

__all__ = ["usual_workers"]

_MOST = 8
_SHARED_MEMORY = Path("/dev/shm")
"""Batches come through here from other processes; containers often have 64 MB of it."""
_PREFETCHED = 3
"""Batches that PyTorch has each process hold ready, and one on the way."""


def usual_workers(device: torch.device, batches: TrainingBatches) -> int:
    """Where none are asked for: enough that a GPU does not wait.

    A process prepares some 200 images of 512 px a second, a tenth of a step on a CPU at most, which
    leaves such a run without them.

    Args:
        device: Where the run is trained.
        batches: Those of the run, of which one is made to see its size.

    Returns:
        As many as this process has cores to spare, 8 at most, and no more than half of the shared
        memory that is free holds batches for. 0, in the training process itself: on a CPU, and on
        systems that do not start processes by `fork`.
    """
    if device.type != "cuda" or sys.platform != "linux" or not len(batches):
        return 0
    size = sum(values.nbytes for values in batches[0].values())
    room = _free_shared_memory() // 2 // _local_processes() // (_PREFETCHED * size)
    return max(0, min(_MOST, _cores() - 1, room))


def _cores() -> int:
    """Of this process: its share under torchrun, else what its threads are limited to."""
    cores = len(os.sched_getaffinity(0))
    parts = _local_processes()
    return cores // parts if parts > 1 else min(cores, torch.get_num_threads())


def _local_processes() -> int:
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def _free_shared_memory() -> int:
    try:
        return shutil.disk_usage(_SHARED_MEMORY).free
    except OSError:
        return 0
