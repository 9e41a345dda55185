"""Writing files so that a crash, a full disk or a kill leaves the old file whole."""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecs_med.errors import RunFolderError

if TYPE_CHECKING:
    import torch

__all__ = [
    "RESULT_REMEDY",
    "cache_folder",
    "make_folder",
    "write_atomically",
    "write_bytes",
    "write_json",
    "write_tensors",
    "write_text",
]

RESULT_REMEDY = "check the folder's permissions and free space"
"""What to do where a result that belongs to no run folder cannot be written."""

_RUN_REMEDY = "free disk space or choose another folder, then go on with `resume`"


def cache_folder(content: str) -> Path:
    """The user's cache folder for `content`, such as `prepared` (`XDG_CACHE_HOME` is respected)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "ecs-med" / content


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


def write_atomically(
    path: Path, write: Callable[[Path], None], *, remedy: str = _RUN_REMEDY
) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in place in one step.

    Args:
        path: The file to write.
        write: Called with the temporary path.
        remedy: What to do where it cannot be written, without a full stop.

    Raises:
        RunFolderError: If the folder is read-only or the disk is full; `path` is as it was.
    """
    temporary: Path | None = None
    try:
        prefix = f".ecs-med-{path.name[:40]}-"
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=".tmp")
        temporary = Path(name)
        os.close(handle)
        write(temporary)
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
        with suppress(PermissionError):  # some network drives have no modes
            temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise RunFolderError(f"{path}: cannot be written ({reason}); {remedy}.") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes, *, remedy: str = _RUN_REMEDY) -> None:
    """Write bytes atomically; errors as `write_atomically`."""

    def write(temporary: Path) -> None:
        temporary.write_bytes(content)

    write_atomically(path, write, remedy=remedy)


def write_text(path: Path, text: str, *, remedy: str = _RUN_REMEDY) -> None:
    """Write UTF-8 text atomically; errors as `write_atomically`."""
    write_bytes(path, text.encode(), remedy=remedy)


def write_json(path: Path, content: Mapping[str, Any], *, remedy: str = _RUN_REMEDY) -> None:
    """Write indented JSON atomically; errors as `write_atomically`."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, f"{text}\n", remedy=remedy)


def write_tensors(
    path: Path, tensors: Mapping[str, "torch.Tensor"], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file atomically; errors as `write_atomically`."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    contiguous = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}

    def write(temporary: Path) -> None:
        try:
            save_file(contiguous, temporary, metadata=dict(metadata) if metadata else None)
        except SafetensorError as error:
            raise OSError(str(error)) from error

    write_atomically(path, write)


def _umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
