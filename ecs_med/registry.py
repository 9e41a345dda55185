"""Finding what this package and others offer: classes named under an entry-point group."""

import difflib
import sys
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Any, Generic, TypeVar, cast

from ecs_med.errors import SettingsError

__all__ = ["Registry", "nearest"]

T = TypeVar("T")


class Registry(Generic[T]):
    """Classes by name: those that installed packages name under `group`, and `register`ed ones.

    A package offers one in its `pyproject.toml`; nothing is imported before it is asked for:

        [project.entry-points."ecs_med.methods"]
        mine = "my_package.my_module:MyMethod"

    Args:
        group: The entry-point group.
        noun: What a member is called in messages, such as `method`.
        base: From which every member derives; members have a class attribute `name`.
    """

    def __init__(self, group: str, noun: str, base: type) -> None:
        self.group = group
        self.noun = noun
        self.base = base
        self._registered: dict[str, type[T]] = {}

    def names(self) -> tuple[str, ...]:
        """All names, sorted.

        Raises:
            SettingsError: If two packages use one name.
        """
        return tuple(sorted({*self._entries(), *self._registered}))

    def get(self, name: str) -> type[T]:
        """The class of that name.

        Raises:
            SettingsError: If there is none, with the nearest name; or if it cannot be used, with
                the package that it comes from.
        """
        if name in self._registered:
            return self._registered[name]
        entries = self._entries()
        if name not in entries:
            raise SettingsError(f"Unknown {self.noun} '{name}'; {nearest(name, self.names())}")
        return self._load(entries[name])

    def all(self) -> dict[str, type[T]]:
        """Every class by name, sorted; errors as `get`."""
        return {name: self.get(name) for name in self.names()}

    def register(self, member: type[T]) -> type[T]:
        """Add a class in this process alone, as in a notebook; usable as a decorator.

        It stands before an installed one of the same name.
        """
        self._registered[member.name] = member  # type: ignore[attr-defined]
        return member

    def _entries(self) -> dict[str, EntryPoint]:
        found: dict[str, EntryPoint] = {}
        for entry in _installed(tuple(sys.path)).select(group=self.group):
            if entry.name in found:
                packages = " and ".join(sorted(map(_package, (found[entry.name], entry))))
                raise SettingsError(
                    f"Two packages offer the {self.noun} '{entry.name}': {packages}; uninstall one."
                )
            found[entry.name] = entry
        return found

    def _load(self, entry: EntryPoint) -> type[T]:
        where = f"The {self.noun} '{entry.name}' of the package {_package(entry)}"
        remedy = "mend or uninstall that package"
        try:
            member: Any = entry.load()
        except Exception as error:  # whatever the code of another package raises
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
            raise SettingsError(f"{where} cannot be loaded ({reason}); {remedy}.") from error
        if not (isinstance(member, type) and issubclass(member, self.base)):
            raise SettingsError(f"{where} is no {self.base.__name__} ({entry.value}); {remedy}.")
        if getattr(member, "name", None) != entry.name:
            own = getattr(member, "name", None)
            raise SettingsError(f"{where} calls itself {own!r} ({entry.value}); {remedy}.")
        return cast(type[T], member)


@lru_cache(maxsize=1)
def _installed(path: tuple[str, ...]) -> EntryPoints:
    """What is installed along `sys.path`, read once for each."""
    return cast(EntryPoints, entry_points())


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist else "?"


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence on an unknown name.

    Example:
        >>> nearest("nifty", ["nifti", "pictures"])
        "did you mean 'nifti'?"
        >>> nearest("dicom", ["nifti", "pictures"])
        'known are nifti, pictures.'
    """
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known are {', '.join(names) or 'none'}."
