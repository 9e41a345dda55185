"""One process at a time per run folder, also after a sweep was killed and its runs were not."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecs_med.errors import RunFolderError

__all__ = ["BusyError", "only_here"]


class BusyError(RunFolderError):
    """Another process is at work on the same run; nothing may be written into its folder."""


@contextmanager
def only_here(path: Path, patience: float) -> Iterator[None]:
    """Hold the lock file `path`; the system lets go of it when this process ends in any way.

    Where the file system knows no locks, this does nothing.

    Args:
        path: The lock file; its folder exists.
        patience: Seconds to wait for another process to let go, such as one that is saving.

    Raises:
        BusyError: If another process holds it still.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _wait_for(handle, path, time.monotonic() + patience)
        yield
    finally:
        os.close(handle)


def _wait_for(handle: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise BusyError(
                    f"{path.with_suffix('')}: another process is at work on this; wait for it, or "
                    "end it, and start again."
                ) from None
            time.sleep(0.1)
        except OSError:
            return
        else:
            return
