"""Listing image files below a folder: names only, nothing is opened."""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern
from typing import Literal

from ecs_med.data.names import is_foreign, is_litter
from ecs_med.data.readers import image_suffixes, known_formats
from ecs_med.types import Problem

__all__ = ["FileIndex", "index_files", "is_litter", "list_folders", "split_name"]


@dataclass(slots=True)
class FileIndex:
    """The readable files below one folder.

    Strings instead of `Path` objects keep 100,000 entries small.

    Attributes:
        folder: The folder that was scanned.
        suffixes: Suffix, such as `.png`, by path below `folder` without suffix
            (`/` between parts); in sorted order.
        doubles: Path below `folder` of every file whose path without suffix another one has.
        foreign: Path below `folder` of files that are no readable images.
        problems: Folders that could not be read.
    """

    folder: Path
    suffixes: dict[str, str] = field(default_factory=dict)
    doubles: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def path(self, key: str) -> Path:
        """The file behind `key`."""
        return Path(f"{self.folder}{os.sep}{key}{self.suffixes[key]}")

    def get(self, key: str) -> Path | None:
        """The file behind `key`; `None` where there is none."""
        return self.path(key) if key in self.suffixes else None

    def findings(self, what: Literal["image", "mask"]) -> list[Problem]:
        """What is wrong with the files as images or as masks.

        An error for every file whose name another one has up to the suffix, and for images a
        warning of formats that are not read; other foreign files are of no interest.
        """
        message = f"two {what}s have this name and differ only in the suffix"
        remedy = f"Rename or remove one, so that every {what} has a name of its own"
        doubles = [Problem("error", message, remedy, self.folder / name) for name in self.doubles]
        found = [*self.problems, *doubles]
        convertible = [name for name in self.foreign if is_foreign(name)]
        if convertible and what == "image":
            number = len(convertible)
            message = f"{number} file(s) in a format that training does not read, such as this one"
            remedy = f"Convert them to {known_formats()}, or move them away"
            found.append(Problem("warning", message, remedy, self.folder / convertible[0]))
        return found


def split_name(name: str, suffixes: Sequence[str] | None = None) -> tuple[str, str]:
    """Divide a file name into stem and readable suffix.

    Args:
        name: The name, or a path that ends with it.
        suffixes: Those that are read; `None`: `image_suffixes()`.

    Returns:
        `(stem, suffix)`; the suffix keeps its case and is empty if the file is no readable image.

    Example:
        >>> split_name("case_01.NII.gz")
        ('case_01', '.NII.gz')
        >>> split_name("notes.txt")
        ('notes.txt', '')
    """
    lower = name.lower()
    for suffix in image_suffixes() if suffixes is None else suffixes:
        if lower.endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)], name[-len(suffix) :]
    return name, ""


def list_folders(folder: Path) -> list[str]:
    """Names of the visible subfolders, sorted; empty if `folder` cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(e.name for e in entries if not is_litter(e.name) and _is_folder(e))
    except OSError:
        return []


def index_files(folder: Path, *, skip: Collection[str] = (), recursive: bool = True) -> FileIndex:
    """List the readable files below `folder`.

    No file is opened or asked for its status. Links to folders are followed,
    except into a folder that was entered before or lies above.

    Args:
        folder: Where to start.
        skip: Lower-case names of subfolders that are left out.
        recursive: Whether subfolders are entered.
    """
    index = FileIndex(folder)
    entered = {_identity(parent) for parent in (folder.absolute(), *folder.absolute().parents)}
    found: list[tuple[str, str]] = []
    suffixes = image_suffixes()
    for prefix, name in _walk(str(folder), "", skip, recursive, entered, index.problems):
        stem, suffix = split_name(name, suffixes)
        if suffix:
            found.append((prefix + stem, intern(suffix)))
        else:
            index.foreign.append(prefix + name)
    found.sort()
    for key, suffix in found:
        if key in index.suffixes:
            index.doubles.append(key + suffix)
        else:
            index.suffixes[key] = suffix
    index.foreign.sort()
    return index


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _identity(folder: str | Path) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)  # noqa: PTH116 - called with plain strings
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _walk(
    folder: str,
    prefix: str,
    skip: Collection[str],
    recursive: bool,
    entered: set[tuple[int, int] | None],
    problems: list[Problem],
) -> Iterator[tuple[str, str]]:
    """Yield `(prefix, name)` of every visible file; `prefix` is empty or ends with `/`."""
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if is_litter(entry.name):
                    continue
                if _is_folder(entry):
                    folders.append(entry.name)
                else:
                    yield prefix, entry.name
    except OSError as error:
        message = f"folder cannot be read ({error.strerror})"
        remedy = "Give read permission, or move it away"
        problems.append(Problem("warning", message, remedy, Path(folder)))
    for name in sorted(folders):
        child = f"{folder}{os.sep}{name}"
        if not recursive or name.lower() in skip:
            continue
        identity = _identity(child)
        if identity is not None and identity in entered:
            continue
        entered.add(identity)
        yield from _walk(child, f"{prefix}{name}/", skip, recursive, entered, problems)
