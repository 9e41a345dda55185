"""The files of a folder that no case uses, and where each is counted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ecs_med.data.names import FOREIGN_SUFFIXES
from ecs_med.data.readers import companions, image_suffixes
from ecs_med.types import Case, Problem
from ecs_med_datasets.naming import in_mask_folder, looks_like_mask
from ecs_med_datasets.scanning import Walk, split_name

__all__ = ["UnusedFile", "files_of", "unused_files"]

_COMPANIONS = {".hdr": ".img", ".brik": ".head", ".rec": ".par"}
"""Second file of a format that keeps two, and the file that stands for both."""


@dataclass(frozen=True, slots=True)
class UnusedFile:
    """A file that is neither image nor mask.

    Attributes:
        name: Path below the data.
        stem: Its name without folder and suffix.
        suffix: With its dot, in lower case.
        place: The outermost folder above it from which nothing is used, else its own folder.
        readable: Whether it is in a format that is read.
    """

    name: str
    stem: str
    suffix: str
    place: str
    readable: bool

    @property
    def masklike(self) -> bool:
        """Whether its name, or that of a folder above it, says that it is a mask."""
        return looks_like_mask(self.stem) or in_mask_folder(self.name)

    @property
    def convertible(self) -> bool:
        """Whether it is an image in a format that is not read; one file of two speaks for both."""
        return self.suffix in FOREIGN_SUFFIXES and self.suffix not in _COMPANIONS


def unused_files(
    walk: Walk, root: Path, cases: Sequence[Case], told: Sequence[Problem]
) -> Iterator[UnusedFile]:
    """Every file that is no part of a case and not told yet.

    Args:
        walk: The way through `root`.
        root: The folder of the data.
        cases: What is used.
        told: Findings; the files and folders that they name are left out.
    """
    base = root.as_posix().rstrip("/") + "/"
    files = [path for case in cases for path in files_of(case)]
    used = {path.as_posix().removeprefix(base) for path in files}
    # Many files lie in few folders.
    folders = {name.rpartition("/")[0] for name in used}
    lively = {str(place) for folder in folders for place in PurePosixPath(folder, "_").parents}
    used |= {path.as_posix().removeprefix(base) for path in companions(files)}
    named = {
        problem.path.as_posix().removeprefix(base)
        for problem in told
        if problem.path is not None and problem.path != root
    } - lively
    suffixes = image_suffixes()
    places: dict[str, str | None] = {}
    for prefix, name in walk.files():
        whole = prefix + name
        if whole in used or whole in named:
            continue
        if prefix not in places:
            places[prefix] = _place(prefix, lively, named)
        place = places[prefix]
        if place is None:
            continue
        stem, suffix = split_name(name, suffixes)
        if suffix:
            yield UnusedFile(whole, stem, suffix.lower(), place, readable=True)
        else:
            stem, suffix = _foreign_parts(name)
            yield UnusedFile(whole, stem, suffix, place, readable=False)


def files_of(case: Case) -> tuple[Path, ...]:
    """Images and mask of a case."""
    return (*case.images, *([case.mask] if case.mask else []))


def _place(prefix: str, lively: set[str], named: set[str]) -> str | None:
    """Where a file below `prefix` is counted; `None` if a folder above it is told already."""
    place, parts = "", prefix.rstrip("/").split("/") if prefix else []
    for part in parts:
        place = f"{place}/{part}" if place else part
        if place in named:
            return None
        if place not in lively:
            break
    return place


def _foreign_parts(name: str) -> tuple[str, str]:
    lower = name.lower().rstrip().removesuffix(".gz")
    stem, dot, suffix = lower.rpartition(".")
    if not dot or not stem:
        return name, ""
    return name[: len(stem)], f".{suffix}"
