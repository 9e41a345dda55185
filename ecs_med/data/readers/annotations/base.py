"""What all kinds of annotation files give: classes, pictures, and the regions of each."""

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from ecs_med.data.readers.annotations.regions import Region, Shape
from ecs_med.errors import UnreadableFileError
from ecs_med.types import IGNORE_INDEX

__all__ = ["AnnotatedPicture", "AnnotationFile", "numbered"]

MAX_CLASSES = 250
"""Numbers of classes have 8 bits, of which the highest one is void."""
MAX_PIXELS = 178_956_970
"""Of a picture, as for pictures themselves."""

_FOLDERS = ("annotations", "annotation", "labels", "json", "xml")
"""Names of folders that hold annotation files beside pictures, lower case."""
_SET = re.compile(r"(?:instances|person_keypoints|panoptic|stuff)_(?P<set>.+)", re.IGNORECASE)
_BACKGROUND = ("background", "_background_", "__background__")
_VOID = ("ignore", "__ignore__", "_ignore_")


@dataclass(frozen=True, slots=True)
class AnnotatedPicture:
    """One picture of an annotation file.

    Attributes:
        name: Its path as the file writes it, with `/` between parts.
        shape: Height and width that the file gives; `None`: it gives none.
        content: What the file holds on it, as parsed.
        is_annotated: Whether what is not drawn is background; else nobody has looked at it.
        subset: The part of the data set that the file puts it into; empty: none.
    """

    name: str
    shape: Shape | None
    content: Any
    is_annotated: bool = True
    subset: str = ""


class AnnotationFile(ABC):
    """One file with regions on one or many pictures.

    Args:
        path: The file.
        names: Names of its classes in order.
        pictures: What it lists.

    Raises:
        UnreadableFileError: If a picture is listed twice, or lies outside of the data.
    """

    larger_first: ClassVar[bool] = False
    """Whether larger regions lie below smaller ones, see `draw`."""
    is_draft: bool = False
    """Whether it is what a model drew, as it was written: nobody has annotated its pictures."""

    def __init__(
        self, path: Path, names: Iterable[str], pictures: Iterable[AnnotatedPicture]
    ) -> None:
        self.path = path
        self.number_of = numbered(names, path)
        self.pictures: dict[str, AnnotatedPicture] = {}
        for picture in pictures:
            self._require_inside(picture.name)
            if picture.name in self.pictures:
                raise UnreadableFileError(
                    path, f"lists the picture {picture.name} twice", "remove one of them"
                )
            self.pictures[picture.name] = picture
        self._spelled = {
            spelling: picture
            for picture in reversed(self.pictures.values())
            for spelling in reversed(self.spellings(picture))
        }

    @property
    def names(self) -> dict[int, str]:
        """Class name by number, without background and void."""
        found: dict[int, str] = {}
        for name, number in self.number_of.items():
            if number not in (0, IGNORE_INDEX):
                found.setdefault(number, name)
        return found

    @abstractmethod
    def regions(self, picture: AnnotatedPicture) -> Sequence[Region]:
        """What is drawn on a picture, in the order of the file.

        Raises:
            ValueError: If something of it is no region; says what, after the file.
        """

    def is_empty(self, picture: AnnotatedPicture) -> bool:
        """Whether nothing is drawn on a picture, as far as that is known without drawing."""
        return not len(picture.content)

    def picture_of(self, image: Path) -> AnnotatedPicture:
        """The entry of a picture.

        Raises:
            UnreadableFileError: If the file does not list it.
        """
        wanted = os.path.abspath(image)  # noqa: PTH100 - links keep the names that users gave
        for place in self._places:
            name = Path(os.path.relpath(wanted, place)).as_posix()
            for picture in self._written(name):
                found = self.locate(picture)
                if found is not None and os.path.abspath(found) == wanted:  # noqa: PTH100
                    return picture
        raise UnreadableFileError(
            self.path, f"has nothing on the picture {image}", "add it there, or name another file"
        )

    def locate(self, picture: AnnotatedPicture) -> Path | None:
        """Where a picture lies: the first of the usual places that has it; `None`: nowhere."""
        for place in self._places:
            for part in dict.fromkeys((picture.subset, "")):
                for name in self.spellings(picture):
                    found = Path(os.path.normpath(place / part / name))
                    if _is_file(found):
                        return found
        return None

    def spellings(self, picture: AnnotatedPicture) -> Sequence[str]:
        """Names that the file of a picture may have, by preference."""
        return (picture.name,)

    def _written(self, name: str) -> list[AnnotatedPicture]:
        """What the file may mean by the name of a picture below one of its places."""
        below = name.partition("/")[2]
        upward = f"../{name}"
        written = (name, below, upward)
        return [self._spelled[known] for known in written if known in self._spelled]

    @cached_property
    def _places(self) -> list[Path]:
        """Folders to which names of pictures may be relative, by preference."""
        found: list[Path] = []
        match = _SET.fullmatch(self.path.stem)
        for folder in self._tops:
            found += [folder, folder / "images"]
            if match:
                found += [folder / match["set"], folder / "images" / match["set"]]
        return found

    @cached_property
    def _tops(self) -> list[Path]:
        folder = self.path.parent
        inner = Path(os.path.abspath(folder)).name.lower() in _FOLDERS  # noqa: PTH100
        return [folder, Path(os.path.normpath(folder / ".."))] if inner else [folder]

    def _require_inside(self, name: str) -> None:
        is_absolute = name.startswith("/") or re.match(r"[A-Za-z]:", name)
        depth = len(self._tops) - 1
        leaves = os.path.normpath(name).replace(os.sep, "/").split("/").count("..") > depth
        if not name or "\0" in name or is_absolute or leaves:
            raise UnreadableFileError(
                self.path, f"names a picture '{name[:80]}', which is no path below the data",
                "write names relative to the folder of this file",
            )  # fmt: skip


def numbered(names: Iterable[str], path: Path) -> dict[str, int]:
    """Number of each name, from 1 in order; 0 of background, 255 of what is to be ignored.

    Names that differ in case and blanks alone have one number.

    Raises:
        UnreadableFileError: If there are too many.
    """
    by_key: dict[str, int] = dict.fromkeys(_BACKGROUND, 0) | dict.fromkeys(_VOID, IGNORE_INDEX)
    known = len(by_key)
    found: dict[str, int] = {}
    for name in names:
        key = " ".join(name.split()).casefold()
        found[name] = by_key.setdefault(key, len(by_key) - known + 1)
    if len(by_key) - known > MAX_CLASSES:
        raise UnreadableFileError(
            path, f"has {len(by_key) - known:,} classes, where {MAX_CLASSES} are the most",
            "leave out those that are not drawn",
        )  # fmt: skip
    return found


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False
