"""Structures painted into one array of numbers, where two of them may share pixels."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecs_med.errors import UnreadableFileError

__all__ = ["Canvas"]

_MOST = 2**16


@dataclass(slots=True)
class Canvas:
    """An array of structure numbers that loses nothing where structures overlap.

    Pixels of several structures get a number of their own for each combination that occurs.

    Attributes:
        values: uint16; 0 where nothing is painted.
        overlaps: Structures of each combination by its number, in the order of painting.
    """

    values: npt.NDArray[np.uint16]
    overlaps: dict[int, tuple[int, ...]] = field(default_factory=dict)
    _next: int = 0
    _known: dict[tuple[int, ...], int] = field(default_factory=dict)

    @classmethod
    def blank(cls, shape: tuple[int, ...], numbers: Iterable[int], path: Path) -> "Canvas":
        """An empty one for structures of these numbers; `path` is named in errors."""
        highest = max(numbers, default=0)
        if highest >= _MOST:
            raise UnreadableFileError(
                path, f"numbers a structure {highest}", f"number them below {_MOST}"
            )
        return cls(np.zeros(shape, np.uint16), _next=highest + 1)

    def paint(
        self, place: tuple[slice | int, ...], drawn: npt.NDArray[np.bool_], number: int, path: Path
    ) -> None:
        """Paint one structure where `drawn` is true, a plane at a time.

        Args:
            place: Where in the array the plane lies.
            drawn: Of the shape of that part of the array.
            number: Of the structure, from 1.
            path: For messages.
        """
        plane = self.values[place]
        under = plane[drawn]
        if under.any():
            for below in np.unique(under).tolist():
                plane[drawn & (plane == below)] = self._both(below, number, path)
        else:
            plane[drawn] = number

    def _both(self, below: int, number: int, path: Path) -> int:
        """The number of pixels that hold `below` already and get `number`, too."""
        parts = self.overlaps.get(below, (below,) if below else ())
        if number in parts:
            return below
        parts = (*parts, number)
        if len(parts) == 1:
            return number
        if parts not in self._known:
            if self._next >= _MOST:
                raise UnreadableFileError(
                    path, "holds structures that overlap in too many ways", "export fewer of them"
                )
            self._known[parts] = self._next
            self.overlaps[self._next] = parts
            self._next += 1
        return self._known[parts]
