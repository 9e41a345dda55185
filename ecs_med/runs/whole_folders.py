"""A folder that is written as a whole or not at all, and replaces nothing that others made."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecs_med.errors import SettingsError
from ecs_med.files import make_folder, regular_file, told
from ecs_med.litter import clear_litter, temporary_prefix
from ecs_med.runs.outputs import digest_of

__all__ = ["RECORD", "require_replaceable", "written_as_a_whole"]

RECORD = ".ecs-med-export"
"""What was written, so that the next time may replace it as long as nobody has changed it. It is
not the mark of our outputs: exported data and packages for annotators are there to be read."""


@contextmanager
def written_as_a_whole(folder: Path, target: str) -> Iterator[Path]:
    """An empty folder that takes the place of `folder` at the end, or is gone.

    Args:
        folder: To be written; it may hold what was written there before and nothing else.
        target: Kept in the record.

    Raises:
        SettingsError: If `folder` holds files of others, or some that were changed since.
        RunFolderError: If it cannot be written.
    """
    require_replaceable(folder)
    parent = make_folder(folder.absolute().parent)
    clear_litter(parent)
    with told(folder):
        made = tempfile.mkdtemp(dir=parent, prefix=temporary_prefix(folder.name), suffix=".tmp")
    temporary, former = Path(made), Path(made).with_suffix(".former.tmp")
    try:
        with told(folder):
            temporary.chmod(0o777 & ~_umask())
        yield temporary
        with told(folder):
            _write_record(temporary, target)
            require_replaceable(folder)
            if folder.exists():
                folder.rename(former)
            try:
                temporary.rename(folder)
            except OSError:
                if former.exists():
                    former.rename(folder)
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(former, ignore_errors=True)


def require_replaceable(folder: Path) -> None:
    """Refuse a folder of which something would be lost.

    Raises:
        SettingsError: If it holds files of others, or some that were changed since they were
            written.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise SettingsError(f"{folder}: is no folder; name another one with `output`.")
    if not folder.exists():
        return
    with told(folder):
        there = _files(folder)
    recorded = _recorded(folder)
    strange = sorted(there - {*recorded} - {RECORD})
    if strange:
        raise SettingsError(
            f"{folder}: holds {strange[0]}, which ecs-med has not written there; name an empty "
            "folder with `output`."
        )
    for name, digest in recorded.items():
        if name in there and digest_of(folder / name) != digest:
            raise SettingsError(
                f"{folder}: holds {name}, which was changed since ecs-med wrote it; name another "
                "folder with `output`."
            )


def _files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }


def _recorded(folder: Path) -> dict[str, str]:
    """Digest of each file that was written, by its path below the folder."""
    try:
        record = json.loads(regular_file(folder / RECORD).read_text(encoding="utf-8"))
        return {str(name): str(digest) for name, digest in record["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _write_record(folder: Path, target: str) -> None:
    files = {name: digest_of(folder / name) for name in sorted(_files(folder))}
    record = {"format": "ecs-med export", "target": target, "files": files}
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
