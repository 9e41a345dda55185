"""Zip archives of DICOM, unpacked once into a private folder under names that tell nothing."""

import shutil
from pathlib import Path

from ecs_med.archives import Limits, extract_archive
from ecs_med.data.intake.links import LinkFolder
from ecs_med.data.readers import image_suffixes
from ecs_med.errors import DataError, UnreadableFileError

__all__ = ["is_archive", "unpacked"]

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
    shown = archive if keep_names else links.other(archive)
    state = archive.stat()
    current = f"unpacked-{state.st_mtime_ns:x}-{state.st_size:x}"
    target = links.folder("unpacked") / f"{current}{'-named' if keep_names else ''}"
    if target.is_dir():
        return target
    for old in target.parent.glob("unpacked-*"):
        if not old.name.startswith(current):
            shutil.rmtree(old, ignore_errors=True)
    try:
        extract_archive(archive, target, limits=LIMITS, rename=None if keep_names else _numbered)
    except UnreadableFileError as error:
        remedy = "unpack it yourself, if you trust it, and give the folder"
        raise UnreadableFileError(shown, error.reason, remedy) from None
    except DataError:
        if not target.is_dir():  # else another process was faster
            raise
    return target


def _numbered(number: int, name: str) -> str:
    """A number, and the suffix of a format, but none that may be part of a name."""
    lower = name.lower()
    suffix = next((suffix for suffix in image_suffixes() if lower.endswith(suffix)), "")
    return f"{number:06d}{suffix}"
