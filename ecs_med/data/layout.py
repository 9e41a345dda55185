"""The contract of a data layout, and how layouts are found."""

import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from ecs_med.config import ReadingSettings
from ecs_med.data.saved_index import SavedIndex
from ecs_med.errors import DataError
from ecs_med.memory import without_garbage_collection
from ecs_med.registry import Registry
from ecs_med.types import CaseCollection

__all__ = ["LAYOUTS", "Layout", "available_layouts", "open_data"]

_NUM_SHOWN = 4


class Layout(ABC):
    """Turns one way of laying out files into a `CaseCollection`.

    A layout looks at names and at small text files (`dataset.json`, lists). It
    decodes no image, so that a folder of 100,000 files opens in seconds.

    To add one, derive from this class and name it under the entry-point group
    `ecs_med.layouts`; the engine needs no change.

    Example:
        >>> from ecs_med.data.layout import available_layouts
        >>> available_layouts()["nnunet"].recognizes(folder)
        False
    """

    name: ClassVar[str]
    """Value of the setting `layout`, and the name under which reports mention it."""

    priority: ClassVar[int] = 0
    """Layouts with a higher number are asked first; specific before general."""

    reads_names_only: ClassVar[bool] = False
    """Whether cases follow from names of files and from small text files alone, so that what was
    found in a large folder may be kept for the next start (`ecs_med.data.saved_index`)."""

    @abstractmethod
    def recognizes(self, root: Path) -> bool:
        """Whether `root` (a folder or a file) looks like this layout; cheap and without errors."""

    @abstractmethod
    def read(self, root: Path, settings: ReadingSettings) -> CaseCollection:
        """List the cases below `root`.

        Raises:
            DataError: If nothing usable is found; the sentence names the folder and the remedy.
        """


LAYOUTS: Registry[Layout] = Registry("ecs_med.layouts", "layout", Layout)
"""Every layout that is installed or registered."""


def available_layouts() -> dict[str, Layout]:
    """All layouts by name, highest priority first.

    Raises:
        SettingsError: If a package offers one that cannot be used.
    """
    layouts = [layout() for layout in LAYOUTS.all().values()]
    layouts.sort(key=lambda layout: -layout.priority)
    return {layout.name: layout for layout in layouts}


@without_garbage_collection()
def open_data(root: Path, settings: ReadingSettings | None = None) -> CaseCollection:
    """Open a folder or list file with the layout that recognizes it.

    What was found in a folder of very many cases is kept in the user's cache, and believed as long
    as no folder below `root` has changed.

    Args:
        root: Folder, or JSON/CSV list.
        settings: Which layout, how patients are known; defaults to all automatic.

    Raises:
        DataError: If `root` does not exist or no layout recognizes it.
        SettingsError: If `settings.layout` names an unknown layout.

    Example:
        >>> import ecs_med
        >>> found = ecs_med.open_data(folder)
        >>> found.layout, len(found.cases), found.cases[0].id
        ('folder', 16, 'test/images/p006_0')
    """
    settings = settings or ReadingSettings()
    if not root.exists():
        raise DataError(f"{root}: no such file or folder; check `data`.")
    layouts = available_layouts()
    index, started = SavedIndex.of(root, settings, layouts), time.time()
    kept = index.load()
    if kept is not None:
        return kept
    layout = _layout_of(root, settings, layouts)
    found = layout.read(root, settings)
    if layout.reads_names_only:
        index.save(found, started)
    return found


def _layout_of(root: Path, settings: ReadingSettings, layouts: Mapping[str, Layout]) -> Layout:
    if settings.layout != "auto":
        return LAYOUTS.get(settings.layout)()
    for layout in layouts.values():
        if layout.recognizes(root):
            return layout
    raise DataError(
        f"{root}: no known layout ({_what_is_there(root)}); expected images/ beside masks/,"
        " imagesTr/ beside labelsTr/, or a JSON or CSV list (ecs-med check --help tells more)."
    )


def _what_is_there(root: Path) -> str:
    """The first level of `root` in a few words, for a message."""
    if not root.is_dir() and not root.is_file():
        return "it is a pipe or a device, not a file"
    if not root.is_dir():
        return f"it is a {root.suffix or 'single'} file"
    try:
        entries = [entry for entry in root.iterdir() if not entry.name.startswith(".")]
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    folders = [f"{entry.name}/" for entry in entries if entry.is_dir()]
    suffixes = Counter(entry.suffix.lower() or "plain" for entry in entries if not entry.is_dir())
    shown = sorted(folders)[:_NUM_SHOWN] + (["..."] if len(folders) > _NUM_SHOWN else [])
    shown += [f"{number} {suffix} file(s)" for suffix, number in suffixes.most_common(_NUM_SHOWN)]
    return f"found {', '.join(shown)}" if shown else "it is empty"
