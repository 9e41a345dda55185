"""Writes files of a run folder so that a reader never meets half of one."""

import os
import tempfile
from pathlib import Path

from ecs_med.errors import RunFolderError

__all__ = ["write_atomically"]


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` whole or not at all; missing folders are made.

    Raises:
        RunFolderError: If it cannot be written; an earlier file stays as it was.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp makes files that only their owner reads; a report is to be shared.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise RunFolderError(
            f"{path}: cannot be written ({error.strerror}); free space or make the folder "
            "writable, then repeat."
        ) from error
