"""Zip archives, unpacked once; those of DICOM privately, under names that tell nothing."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from ecs_med.archives import Limits, Rename, extract_archive
from ecs_med.data.intake.links import LinkFolder
from ecs_med.data.readers import image_suffixes
from ecs_med.errors import DataError, UnreadableFileError

__all__ = ["is_archive", "state_of", "unpack_once", "unpacked"]

_SUFFIX = ".zip"
LIMITS = Limits(num_members=100_000, total_bytes=16 * 2**30, ratio=50.0)
"""Pixels of scans hardly compress beyond one to ten."""


def is_archive(path: Path) -> bool:
    """Whether it is called like a zip archive."""
    return path.name.lower().endswith(_SUFFIX)


def unpacked(archive: Path, links: LinkFolder, *, keep_names: bool = False) -> Path:
    """The folder of the files of an archive, which is checked before anything is inflated.

    Archives in an archive stay as they are, so that no bound can be passed by nesting them.

    Args:
        archive: A zip file; what was unpacked of it stays until it changes.
        links: The folder that belongs to it.
        keep_names: Keep its folders and names; else files are numbered as they come, and no
            message holds a name.

    Raises:
        DataError: If it cannot be unpacked here.
        UnreadableFileError: If it is damaged, encrypted, or far larger inside than outside.
    """
    current = f"unpacked-{state_of(archive)}"
    target = links.folder("unpacked") / f"{current}{'-named' if keep_names else ''}"
    return unpack_once(
        archive,
        target,
        former=(
            old for old in target.parent.glob("unpacked-*") if not old.name.startswith(current)
        ),
        limits=LIMITS,
        remedy="unpack it yourself, if you trust it, and give the folder",
        rename=None if keep_names else _numbered,
        shown=archive if keep_names else links.other(archive),
    )


def state_of(archive: Path) -> str:
    """What changes with an archive, as part of a name."""
    state = archive.stat()
    return f"{state.st_mtime_ns:x}-{state.st_size:x}"


def unpack_once(
    archive: Path,
    target: Path,
    *,
    former: Iterable[Path],
    limits: Limits,
    remedy: str,
    rename: Rename | None = None,
    shown: Path | None = None,
) -> Path:
    """Unpack an archive, unless that was done.

    Args:
        archive: A zip file.
        target: Where it lies unpacked, named after `state_of(archive)`.
        former: What was unpacked of it before it changed; removed.
        limits: How much it may unpack into.
        remedy: What to do where it is refused, without a full stop.
        rename: As in `extract_archive`.
        shown: Path of the archive in messages, where its own names somebody.

    Returns:
        `target`.

    Raises:
        DataError: If it cannot be unpacked there.
        UnreadableFileError: If it is damaged, encrypted, or far larger inside than outside.
    """
    if target.is_dir():
        return target
    for old in former:
        shutil.rmtree(old, ignore_errors=True)
    try:
        extract_archive(archive, target, limits=limits, rename=rename)
    except UnreadableFileError as error:
        raise UnreadableFileError(shown or archive, error.reason, remedy) from None
    except DataError:
        if not target.is_dir():  # else another process was faster
            raise
    return target


def _numbered(number: int, name: str) -> str:
    """A number, and the suffix of a format, but none that may be part of a name."""
    lower = name.lower()
    suffix = next((suffix for suffix in image_suffixes() if lower.endswith(suffix)), "")
    return f"{number:06d}{suffix}"
