"""Writing files so that a crash, a full disk or a kill leaves the old file whole."""

import errno
import json
import os
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from ecs_med.errors import RunFolderError
from ecs_med.litter import temporary_file

__all__ = [
    "RESULT_REMEDY",
    "cache_folder",
    "make_folder",
    "regular_file",
    "remedy_of_writing",
    "require_readable",
    "told",
    "write_atomically",
    "write_bytes",
    "write_json",
    "write_text",
    "written_together",
]

RESULT_REMEDY = "check the folder's permissions and free space"
"""What to do where a result that belongs to no run folder cannot be written."""

_remedy: ContextVar[str | None] = ContextVar("remedy", default=None)
"""What to do where a file cannot be written, in the words of whoever writes."""

_waiting: ContextVar[list[tuple[Path, Path]] | None] = ContextVar("waiting", default=None)
"""Temporary files of `written_together`, and where they are to lie."""


def cache_folder(content: str) -> Path:
    """The user's cache folder for `content`, such as `prepared` (`XDG_CACHE_HOME` is respected).

    A user without a home, as in some containers, has it among temporary files.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        parent = Path(base) if base else Path.home() / ".cache"
    except RuntimeError:
        parent = Path(tempfile.gettempdir()) / f"cache-{os.getuid()}"
    return parent / "ecs-med" / content


def regular_file(path: Path) -> Path:
    """`path`, if it is an ordinary file: opening a pipe waits for ever, a device may never end.

    Everything that reads a file which a user names goes through here first.

    Raises:
        OSError: If it is missing, a folder, a pipe, a socket or a device; `strerror` says which.

    Example:
        >>> regular_file(Path("/dev/null"))
        Traceback (most recent call last):
        OSError: [Errno 22] it is a pipe or a device, not a file: '/dev/null'
    """
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder, not a file", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))
    return path


def require_readable(path: Path) -> None:
    """Tell a file that may not be read from one that is damaged, before a library mixes them up.

    Raises:
        RunFolderError: If it is there and cannot be opened, or is no ordinary file.
    """
    try:
        with regular_file(path).open("rb"):
            return
    except FileNotFoundError:
        return
    except OSError as error:
        raise RunFolderError(
            f"{path}: cannot be read ({error.strerror}); check the path and its permissions."
        ) from error


def make_folder(folder: Path) -> Path:
    """Make a folder and those above it; one that is there already is as good.

    Returns:
        `folder`.

    Raises:
        RunFolderError: If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(
            f"{folder}: cannot be made ({error.strerror}); choose another folder, or make the one "
            "above it writable."
        ) from error
    return folder


@contextmanager
def written_together() -> Iterator[None]:
    """Files that are written inside are put in place together at the end, or not one of them.

    Inside, they cannot be read yet: whoever looks finds those of before.
    """
    if _waiting.get() is not None:
        yield  # The outer one puts all of them in place.
        return
    waiting: list[tuple[Path, Path]] = []
    token = _waiting.set(waiting)
    try:
        yield
        for temporary, path in waiting:
            with told(path):
                temporary.replace(path)
    finally:
        _waiting.reset(token)
        for temporary, _ in waiting:
            temporary.unlink(missing_ok=True)


def write_atomically(
    path: Path, write: Callable[[Path], None], *, remedy: str | None = None
) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in place in one step.

    Args:
        path: The file to write.
        write: Called with the temporary path.
        remedy: What to do where it cannot be written, without a full stop; `None`: as
            `remedy_of_writing` says, or `RESULT_REMEDY`.

    Raises:
        RunFolderError: If the folder is read-only or the disk is full; `path` is as it was.
    """
    waiting = _waiting.get()
    with told(path, remedy), temporary_file(path.parent, path.name) as temporary:
        write(temporary)
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        with suppress(PermissionError):  # some network drives have no modes
            temporary.chmod(0o666 & ~_umask())
        if waiting is None:
            temporary.replace(path)
        else:
            kept = temporary.with_suffix(f".{len(waiting)}.tmp")
            temporary.replace(kept)
            waiting.append((kept, path))


@contextmanager
def told(path: Path, remedy: str | None = None) -> Iterator[None]:
    """Say in a sentence that `path` cannot be written; errors and `remedy` as `write_atomically`.

    Raises:
        RunFolderError: Instead of an `OSError`.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        remedy = remedy or _remedy.get() or RESULT_REMEDY
        raise RunFolderError(f"{path}: cannot be written ({reason}); {remedy}.") from error


@contextmanager
def remedy_of_writing(remedy: str) -> Iterator[None]:
    """What to do where a file cannot be written inside, unless somebody outside has said it."""
    token = _remedy.set(_remedy.get() or remedy)
    try:
        yield
    finally:
        _remedy.reset(token)


def write_bytes(path: Path, content: bytes, *, remedy: str | None = None) -> None:
    """Write bytes atomically; errors as `write_atomically`."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    write_atomically(path, write, remedy=remedy)


def write_text(path: Path, text: str, *, remedy: str | None = None) -> None:
    r"""Write UTF-8 text atomically; errors as `write_atomically`.

    The bytes of a file name that is no UTF-8 become `\udce9` and the like, which JSON reads back.
    """
    write_bytes(path, text.encode("utf-8", "backslashreplace"), remedy=remedy)


def write_json(path: Path, content: Mapping[str, Any], *, remedy: str | None = None) -> None:
    """Write indented JSON atomically; errors as `write_atomically`."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, f"{text}\n", remedy=remedy)


def _umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
