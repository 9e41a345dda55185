"""How much memory is left, keeping what was freed, and not searching for what nobody needs."""

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock

__all__ = ["free_memory", "kept_heap", "without_garbage_collection"]

_MEMINFO = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")

# Of glibc's malloc.h and its limits on 64 bits.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MOST_MMAPS = -1, -3, -4
_NEVER, _LARGEST_MMAP, _USUAL_MMAPS = 2**31 - 1, 32 * 2**20, 65_536

_users: int = 0
_users_lock = Lock()


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
def kept_heap() -> Iterator[None]:
    """Inside, memory that was freed stays with this process, for the next step asks for as much.

    glibc gives the end of its heap back to the system as soon as it is free, and blocks above
    32 MiB, which it maps one by one, in any case. Every step then has its pages mapped and cleared
    anew: a quarter of the time of a step on 8 images of 256 px. Afterwards everything is given
    back. Where there is no glibc, nothing happens.
    """
    global _users
    libc = _glibc()
    if libc is None:
        yield
        return
    with _users_lock:
        _users += 1
        libc.mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP)
        libc.mallopt(_MOST_MMAPS, 0)
        libc.mallopt(_TRIM_THRESHOLD, _NEVER)
    try:
        yield
    finally:
        with _users_lock:
            _users -= 1
            if not _users:
                # What glibc arrives at by itself in a process that frees large blocks.
                libc.mallopt(_MOST_MMAPS, _USUAL_MMAPS)
                libc.mallopt(_TRIM_THRESHOLD, 2 * _LARGEST_MMAP)
                libc.malloc_trim(0)


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Make many objects that all are kept: searching them for cycles takes a third of the time.

    Afterwards they count as old: the next search of young objects would otherwise go through all of
    them, half a second for a million cases. They are searched when everything is.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            if not gc.get_freeze_count():  # what somebody else has frozen stays frozen
                gc.freeze()
                gc.unfreeze()
            gc.enable()


@cache
def _glibc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version, libc.mallopt, libc.malloc_trim  # noqa: B018
    except (AttributeError, OSError, TypeError):
        return None
    libc.malloc_trim.argtypes = [ctypes.c_size_t]
    return libc
