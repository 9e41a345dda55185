"""The folder of an export: all of it or nothing, and nothing of others replaced."""

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

__all__ = ["RECORD", "written_as_a_whole"]

RECORD = ".ecs-med-export"
"""What an export wrote, so that the next one may replace it. It is not the mark of our outputs:
an exported data set is there to be read."""


@contextmanager
def written_as_a_whole(folder: Path, target: str) -> Iterator[Path]:
    """An empty folder that takes the place of `folder` at the end, or is gone.

    Args:
        folder: To be written; it may hold an export of before and nothing else.
        target: Kept in the record.

    Raises:
        SettingsError: If `folder` holds files of others.
        RunFolderError: If it cannot be written.
    """
    _require_replaceable(folder)
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
            _require_replaceable(folder)
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


def _require_replaceable(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise SettingsError(f"{folder}: is no folder; name another one with `output`.")
    if not folder.exists():
        return
    with told(folder):
        there = _files(folder)
    strange = sorted(there - _recorded(folder) - {RECORD})
    if strange:
        raise SettingsError(
            f"{folder}: holds {strange[0]}, which no export has written; name an empty folder with "
            "`output`."
        )


def _files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }


def _recorded(folder: Path) -> set[str]:
    try:
        record = json.loads(regular_file(folder / RECORD).read_text(encoding="utf-8"))
        return {str(name) for name in record["files"]}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return set()


def _write_record(folder: Path, target: str) -> None:
    record = {"format": "ecs-med export", "target": target, "files": sorted(_files(folder))}
    (folder / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
