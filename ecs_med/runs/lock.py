"""One process at a time in a folder: a lock that the system lets go of with its holder."""

import os
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ecs_med.errors import RunFolderError
from ecs_med.files import make_folder

__all__ = ["LOCK_NAME", "BusyError", "hold_folder", "hold_lock", "refuse_busy"]

LOCK_NAME = ".ecs-med-lock"
"""Name of the lock file inside the folder of a run or a sweep."""

_held: dict[int, Path] = {}
"""Handles of the locks of this process, and their files."""


class BusyError(RunFolderError):
    """Another process is at work on the same folder; nothing may be written into it."""


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Be the only process at work on a run or a sweep.

    The folder is made where it is missing, and is gone again where nothing came into it.

    Raises:
        BusyError: If another process is at work on it.
        RunFolderError: If it cannot be made or written, or its name is no UTF-8.
    """
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise RunFolderError(
            f"{folder}: has a name that is no UTF-8, which files of weights cannot have; choose "
            "another folder."
        ) from None
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    make_folder(folder)
    try:
        with hold_lock(folder / LOCK_NAME, of=folder):
            yield
    finally:
        with suppress(OSError):  # something lies in it
            for path in made:
                path.rmdir()


def refuse_busy(folder: Path) -> None:
    """Say that another process is at work on a folder, before anything else is said of it.

    Raises:
        BusyError: If one is.
    """
    path = folder / LOCK_NAME
    if path.is_file() and path.absolute() not in _held.values():
        try:
            handle = os.open(path, os.O_RDWR)
        except OSError:  # taking the lock will say why
            return
        try:
            with suppress(OSError):  # no locks here
                if not _try_lock(handle):
                    raise _busy(folder, handle)
        finally:
            os.close(handle)


@contextmanager
def hold_lock(path: Path, patience: float = 0.0, *, of: Path | None = None) -> Iterator[None]:
    """Hold the lock file `path`; the system lets go of it when this process ends in any way.

    Where the file system knows no locks, this does nothing. Processes that this one forks do not
    hold it.

    Args:
        path: The lock file, which is removed in the end; its folder exists.
        patience: Seconds to wait for another process to let go, such as one that is saving.
        of: What is locked, for the message; `None`: what the lock file is called after.

    Raises:
        BusyError: If another process holds it still.
        RunFolderError: If the file cannot be written.
    """
    try:
        handle = _acquire(path, time.monotonic() + patience, of or path.with_suffix(""))
    except OSError as error:
        raise RunFolderError(
            f"{path}: cannot be written ({error.strerror}); check the folder's permissions and "
            "free space."
        ) from error
    _held[handle] = path.absolute()
    try:
        yield
    finally:
        # A process that was forked inside has closed its own handle, and leaves the lock alone.
        if handle in _held:
            with suppress(OSError):
                path.unlink()
            del _held[handle]
            os.close(handle)


def _acquire(path: Path, deadline: float, of: Path) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            is_free = _try_lock(handle)
        except OSError:  # no locks here, as on some network drives
            return handle
        # Its former holder may have removed the file between opening and locking.
        if is_free and _is_still(path, handle):
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()} on {platform.node()}\n".encode())
            return handle
        if not is_free and time.monotonic() > deadline:
            error = _busy(of, handle)
            os.close(handle)
            raise error
        os.close(handle)
        if not is_free:
            time.sleep(0.1)


def _is_still(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(handle))
    except OSError:
        return False


def _busy(of: Path, handle: int) -> BusyError:
    return BusyError(
        f"{of}: another process{_holder(handle)} is at work on this; wait for it, or end it, and "
        "start again."
    )


def _holder(handle: int) -> str:
    """Whose lock it is, as the holder wrote it down."""
    try:
        text = os.pread(handle, 200, 0).decode(errors="replace").strip()
    except OSError:
        return ""
    return f" ({text})" if text.isprintable() and text else ""


if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> bool:
        # A byte far behind the text, which others may read meanwhile.
        os.lseek(handle, 1 << 20, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        finally:
            os.lseek(handle, 0, os.SEEK_SET)
        return True

else:
    import fcntl

    def _try_lock(handle: int) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _let_go_in_child() -> None:
        for handle in _held:
            os.close(handle)
        _held.clear()

    # A worker that outlives its killed parent for some seconds would hold the lock as long.
    os.register_at_fork(after_in_child=_let_go_in_child)
