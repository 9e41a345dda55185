"""Zip archives of DICOM, unpacked once into a private folder under names that tell nothing."""

import shutil
from pathlib import Path

from ecs_med.archives import Limits, extract_archive
from ecs_med.data.intake.links import LinkFolder

__all__ = ["is_archive", "unpacked"]

_SUFFIX = ".zip"
LIMITS = Limits(num_members=100_000, total_bytes=16 * 2**30, ratio=50.0)
"""Pixels of scans hardly compress beyond one to ten."""


def is_archive(path: Path) -> bool:
    """Whether it is called like a zip archive."""
    return path.name.lower().endswith(_SUFFIX)


def unpacked(archive: Path, links: LinkFolder, *, keep_names: bool = False) -> Path:
    """The folder of the files of an archive, which is checked before anything is inflated.

    Args:
        archive: A zip file; what was unpacked of it stays until it changes.
        links: The folder that belongs to it.
        keep_names: Keep its folders and names; else files are numbered in their order.

    Raises:
        DataError: If it cannot be unpacked here.
        UnreadableFileError: If it is damaged, encrypted, or far larger inside than outside.
    """
    state = archive.stat()
    name = f"unpacked-{state.st_mtime_ns:x}-{state.st_size:x}{'-named' if keep_names else ''}"
    target = links.folder("unpacked") / name
    if target.is_dir():
        return target
    for old in target.parent.iterdir():
        shutil.rmtree(old, ignore_errors=True)
    whole = target.with_name(f"{name}-whole")
    extract_archive(archive, whole, limits=LIMITS)
    if not keep_names:
        files = sorted(path for path in whole.rglob("*") if path.is_file())
        numbered = target.with_name(f"{name}-numbered")
        numbered.mkdir()
        for number, path in enumerate(files, 1):
            path.replace(numbered / f"{number:06d}{_ending(path)}")
        shutil.rmtree(whole)
        whole = numbered
    whole.replace(target)
    return target


def _ending(path: Path) -> str:
    """Its suffix, if that is one of a format and not a part of a name."""
    from ecs_med.data.readers import image_suffixes

    name = path.name.lower()
    return next((suffix for suffix in image_suffixes() if name.endswith(suffix)), "")
