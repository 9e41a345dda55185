"""How much memory is left on this machine, and when it is not searched for what nobody needs."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["free_memory", "without_garbage_collection"]

_MEMINFO = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def free_memory() -> int | None:
    """Bytes that this process may still take; `None` where the system does not say it.

    What a container may use counts where that is less than what the machine has left.
    """
    known = [number for number in (_of_machine(), _of_container()) if number is not None]
    return min(known) if known else None


def _of_machine() -> int | None:
    try:
        for line in _MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def _of_container() -> int | None:
    try:
        limit = (_GROUP / "memory.max").read_text().strip()
        return int(limit) - int((_GROUP / "memory.current").read_text())
    except (OSError, ValueError):  # no limit is written as `max`
        return None


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Make many objects that all are kept: searching them for cycles takes a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
