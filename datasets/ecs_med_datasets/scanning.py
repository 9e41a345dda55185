"""Listing image files below a folder: names only, nothing is opened."""

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern
from typing import Literal

from ecs_med.data.names import is_litter
from ecs_med.data.readers import image_suffixes
from ecs_med.types import Problem
from ecs_med_datasets.own_work import is_own_folder, own_names

__all__ = [
    "FileIndex",
    "Walk",
    "index_files",
    "is_litter",
    "list_folders",
    "split_name",
]


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
        own: Path below `folder` of files that ecs-med wrote, which are in none of the others.
        problems: Folders that could not be read.
    """

    folder: Path
    suffixes: dict[str, str] = field(default_factory=dict)
    doubles: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    own: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def path(self, key: str) -> Path:
        """The file behind `key`."""
        return Path(f"{self.folder}{os.sep}{key}{self.suffixes[key]}")

    def get(self, key: str) -> Path | None:
        """The file behind `key`; `None` where there is none."""
        return self.path(key) if key in self.suffixes else None

    def findings(self, what: Literal["image", "mask"]) -> list[Problem]:
        """What is wrong with the files as images or as masks.

        An error for every folder that cannot be read, and for every file whose name another one
        has up to the suffix. Files that are no readable images are of no interest here.
        """
        message = f"two {what}s have this name and differ only in the suffix"
        remedy = f"Rename or remove one, so that every {what} has a name of its own"
        if what == "image":
            remedy += "; masks go into a folder of their own, or get _mask behind the name"
        doubles = [Problem("error", message, remedy, self.folder / name) for name in self.doubles]
        return [*self.problems, *doubles]


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
    """Names of the visible subfolders, sorted, without what ecs-med wrote; empty if unreadable."""
    try:
        with os.scandir(folder) as entries:
            names = [e.name for e in entries if _is_folder(e) and not is_litter(e.name)]
    except OSError:
        return []
    return sorted(name for name in names if not is_own_folder(folder / name))


def index_files(folder: Path, *, skip: Collection[str] = (), recursive: bool = True) -> FileIndex:
    """List the readable files below `folder`.

    No image is opened or asked for its status. Links to folders are followed,
    except into a folder that was entered before or lies above. What ecs-med wrote is left out.

    Args:
        folder: Where to start.
        skip: Lower-case names of subfolders that are left out.
        recursive: Whether subfolders are entered.
    """
    walk = Walk(folder, skip, recursive)
    index = FileIndex(folder, own=walk.own, problems=walk.problems)
    found: list[tuple[str, str]] = []
    suffixes = image_suffixes()
    for prefix, name in walk.files():
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


class Walk:
    """One way through a folder, and what was met on it.

    Attributes:
        problems: Folders that could not be read, links that lead nowhere.
        own: Path below the folder of files and, with `/` behind, folders that ecs-med wrote.
    """

    def __init__(self, folder: Path, skip: Collection[str] = (), recursive: bool = True) -> None:
        """Arguments as of `index_files`."""
        self.problems: list[Problem] = []
        self.own: list[str] = []
        self._folder = folder
        self._skip = skip
        self._recursive = recursive
        above = (folder.absolute(), *folder.absolute().parents)
        self._entered = {_identity(parent) for parent in above}

    def files(self) -> Iterator[tuple[str, str]]:
        """`(prefix, name)` of every visible file; `prefix` is empty or ends with `/`."""
        return self._below(str(self._folder), "")

    def _below(self, folder: str, prefix: str) -> Iterator[tuple[str, str]]:
        found = self._list(folder)
        own = own_names(Path(folder), found)
        if own is None:
            self.own.append(prefix)
            return
        for name, is_folder in found.items():
            if is_folder or is_litter(name):
                continue
            if name in own:
                self.own.append(prefix + name)
            else:
                yield prefix, name
        for name in sorted(name for name, is_folder in found.items() if is_folder):
            child = f"{folder}{os.sep}{name}"
            if not self._recursive or name.lower() in self._skip or is_litter(name):
                continue
            identity = _identity(child)
            if identity is not None and identity in self._entered:
                continue
            self._entered.add(identity)
            yield from self._below(child, f"{prefix}{name}/")

    def _list(self, folder: str) -> dict[str, bool]:
        """Whether it is a folder, by name of each entry."""
        found: dict[str, bool] = {}
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    found[entry.name] = _is_folder(entry)
                    if not found[entry.name] and entry.is_symlink():
                        self._follow(entry)
        except OSError as error:
            message = f"folder cannot be read ({error.strerror})"
            remedy = "Give read permission, or move it away"
            self.problems.append(Problem("error", message, remedy, Path(folder)))
        return found

    def _follow(self, entry: os.DirEntry[str]) -> None:
        """Tell a link that leads nowhere, if what it stood for may have been a folder."""
        if "." not in entry.name and not is_litter(entry.name) and not Path(entry).exists():
            message = "the link leads nowhere, so what it stood for is not used"
            remedy = "Mount or restore what it points to, or remove the link"
            self.problems.append(Problem("error", message, remedy, Path(entry.path)))


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
