"""Temporary files that say whose they are, so that those of killed processes can be removed."""

import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

__all__ = ["clear_litter", "temporary_file", "temporary_prefix"]

_OURS = re.compile(r"\.ecs-med-.*\.tmp")
_OWNER = re.compile(r"\.ecs-med-.*-(?P<machine>[0-9a-f]{8})-(?P<process>\d+)-\w+(\.\d+)?\.tmp")

_OLD_SECONDS = 24 * 3600.0
"""A temporary file of another machine that was not touched for so long belongs to nobody."""


@contextmanager
def temporary_file(folder: Path, name: str) -> Iterator[Path]:
    """An empty hidden file in `folder` that is gone afterwards, unless it was moved.

    The first one of this process in a folder clears the folder of litter.

    Args:
        folder: Where it lies; it is there.
        name: What it will become, to be recognised by a person.

    Raises:
        OSError: If it cannot be made.
    """
    _clear_once(str(folder.absolute()))
    handle, made = tempfile.mkstemp(dir=folder, prefix=temporary_prefix(name), suffix=".tmp")
    temporary = Path(made)
    try:
        os.close(handle)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def temporary_prefix(name: str) -> str:
    """How names of temporary files and folders of this process begin; they end in `.tmp`."""
    return f".ecs-med-{name[:40]}-{_machine()}-{os.getpid()}-"


def clear_litter(*folders: Path) -> None:
    """Remove temporary files and folders of processes that are gone; those below stay.

    Those of processes at work stay too, on this machine and on others; without errors.
    """
    for folder in folders:
        try:
            found = [path for path in folder.iterdir() if _OURS.fullmatch(path.name)]
        except OSError:
            continue
        for path in found:
            with suppress(OSError):
                if not _is_in_use(path):
                    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


@lru_cache(maxsize=4096)
def _clear_once(folder: str) -> None:
    clear_litter(Path(folder))


def _is_in_use(path: Path) -> bool:
    owner = _OWNER.fullmatch(path.name)
    if owner is not None and owner["machine"] == _machine() and sys.platform != "win32":
        return _is_alive(int(owner["process"]))
    return time.time() - path.stat().st_mtime < _OLD_SECONDS


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is somebody else's
        return True
    return True


@lru_cache(maxsize=1)
def _machine() -> str:
    """This machine and container: beyond them, the number of a process means nothing."""
    try:
        container = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        container = ""
    return blake2b(f"{platform.node()} {container}".encode(), digest_size=4).hexdigest()
