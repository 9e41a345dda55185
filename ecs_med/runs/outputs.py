"""What ecs-med wrote, so that no layout and no prediction takes it for data.

A folder of results holds a hidden file of JSON lines: a head that says whether the whole folder
is ours (a run, a sweep), and one line for each file that was written beside files of others. A
file that was changed since, as predictions are when a person corrects them, is no longer ours.
"""

import json
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ecs_med.errors import RunFolderError
from ecs_med.files import regular_file

__all__ = [
    "MARKER",
    "OwnOutputs",
    "claim_folder",
    "digest_of",
    "mark_files",
    "mark_folder",
    "own_outputs",
]

MARKER = ".ecs-med-outputs"
"""Name of the file."""

_FORMAT = "ecs-med outputs"


@dataclass(frozen=True, slots=True)
class OwnOutputs:
    """What of a folder ecs-med wrote.

    Attributes:
        folder: The folder.
        whole: Whether all of it is, with its sub-folders.
        digests: Digest of each file that is, by name.
    """

    folder: Path
    whole: bool = False
    digests: dict[str, str] = field(default_factory=dict)

    def holds(self, name: str) -> bool:
        """Whether the file of that name is ours and as we wrote it; it is read for that."""
        if self.whole:
            return True
        digest = self.digests.get(name)
        return digest is not None and digest == digest_of(self.folder / name)


def mark_folder(folder: Path) -> None:
    """Say that all of a folder is ours, and what comes into it.

    Raises:
        RunFolderError: If that cannot be written.
    """
    if not own_outputs(folder).whole:
        _append(folder, [{"format": _FORMAT, "whole": True}])


def claim_folder(folder: Path, own_names: Collection[str]) -> bool:
    """Mark a folder as ours if nothing of others lies in it.

    A folder that a person named, and that held files of theirs, stays theirs.

    Args:
        folder: It is there.
        own_names: What we write into it.

    Returns:
        Whether all of it is ours.

    Raises:
        RunFolderError: If it cannot be read or marked.
    """
    if own_outputs(folder).whole:
        return True
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError as error:
        raise RunFolderError(
            f"{folder}: cannot be read ({error.strerror}); check its permissions."
        ) from error
    if any(name not in own_names and not name.startswith(".") for name in names):
        return False
    mark_folder(folder)
    return True


def mark_files(paths: Iterable[Path]) -> None:
    """Say that files, which are there, are ours, each in its own folder.

    Raises:
        RunFolderError: If that cannot be written.
    """
    by_folder: dict[Path, list[Path]] = {}
    for path in paths:
        by_folder.setdefault(path.parent, []).append(path)
    for folder, files in by_folder.items():
        lines = [{"file": path.name, "digest": digest_of(path)} for path in files]
        head = [] if (folder / MARKER).exists() else [{"format": _FORMAT, "whole": False}]
        _append(folder, [*head, *lines])


def own_outputs(folder: Path) -> OwnOutputs:
    """Read what a folder says of itself; without errors: what cannot be read says nothing."""
    whole, digests = False, {}
    try:
        lines = regular_file(folder / MARKER).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return OwnOutputs(folder)
    for line in lines:
        row = _parse(line)
        whole = whole or (row.get("format") == _FORMAT and row.get("whole") is True)
        if isinstance(row.get("file"), str) and isinstance(row.get("digest"), str):
            digests[row["file"]] = row["digest"]
    return OwnOutputs(folder, whole, digests)


def _parse(line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):  # the last line of a process that was killed
        return {}
    return row if isinstance(row, dict) else {}


def _append(folder: Path, rows: Iterable[dict[str, Any]]) -> None:
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    try:
        # One write at the end of the file: processes that write side by side keep their lines.
        handle = os.open(folder / MARKER, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            os.write(handle, text.encode("utf-8", "backslashreplace"))
        finally:
            os.close(handle)
    except OSError as error:
        raise RunFolderError(
            f"{folder / MARKER}: cannot be written ({error.strerror}); check the folder's "
            "permissions and free space."
        ) from error


def digest_of(path: Path) -> str | None:
    """Digest of the bytes of a file; `None` if it cannot be read."""
    try:
        with regular_file(path).open("rb") as file:
            digest = blake2b(digest_size=16)
            while block := file.read(1 << 20):
                digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()
