"""Masks that name their structures: by name, not by number, these are the classes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecs_med.config import Settings
from ecs_med.config.reading import StoredValue
from ecs_med.data.readers import StoredMask
from ecs_med.errors import MaskValueError
from ecs_med.types import IGNORE_INDEX

__all__ = ["NamedCounts", "Structures", "overlap_refused", "plain_name"]

_NUM_SHOWN = 10


@dataclass(frozen=True, slots=True)
class NamedCounts:
    """What one mask holds that names its structures.

    Attributes:
        path: The mask.
        names: As in `StoredMask`.
        overlaps: As in `StoredMask`.
        pixels: Number of pixels of each value.
        drawn: As in `StoredMask`.
    """

    path: Path
    names: Mapping[int, str]
    overlaps: Mapping[int, tuple[int, ...]]
    pixels: Mapping[int, int]
    drawn: bool = False


def plain_name(name: str) -> str:
    """A name as it is compared: without case, and with single blanks.

    Example:
        >>> plain_name(" Left  Kidney") == plain_name("left kidney")
        True
    """
    return " ".join(name.split()).casefold()


class Structures(Settings):
    """Which value each structure has in a data set, whatever number its own file gives it."""

    values: dict[str, StoredValue]
    """Value by name as of `plain_name`, in class order; what is not here is background."""
    later_wins: bool = False
    """Whether a pixel of several structures is of the last one in class order; else refused."""

    def numbered(self, stored: StoredMask, path: Path) -> npt.NDArray[np.generic]:
        """The values of a mask, as if its file had the numbers of the data set.

        Args:
            stored: A mask with `names`.
            path: Its file, for messages.

        Returns:
            Of the shape of the mask.

        Raises:
            MaskValueError: If it has none of the structures, or two of them share pixels and
                nothing says which one is meant.
        """
        names = stored.names or {}
        table = self.table(names, stored.overlaps, path, drawn=stored.drawn)
        clash = next((code for code, value in table.items() if value is None), None)
        if clash is not None:
            self._refuse(stored, clash, path)
        of_value = np.zeros(max(table) + 1, np.int32)
        of_value[list(table)] = [value or 0 for value in table.values()]
        values: npt.NDArray[np.int32] = of_value[stored.values]
        return values

    def table(
        self,
        names: Mapping[int, str],
        overlaps: Mapping[int, tuple[int, ...]],
        path: Path,
        *,
        drawn: bool = False,
    ) -> dict[int, int | None]:
        """Value in the data set of each value of a mask, `None` where it may be one of several.

        Arguments as of `StoredMask`; errors as of `numbered`.
        """
        known = {number: self.values.get(plain_name(name), 0) for number, name in names.items()}
        if names and not drawn and not any(known.values()):
            shown = ", ".join(list(dict.fromkeys(names.values()))[:_NUM_SHOWN])
            raise MaskValueError(
                f"{path}: has none of the structures {', '.join(self.values)}, but {shown}; leave "
                "it out, or name its structures with `class_names`."
            )
        found: dict[int, int | None] = {0: 0, **known}
        if drawn:
            found[IGNORE_INDEX] = IGNORE_INDEX
        order = list(self.values.values())
        for code, numbers in overlaps.items():
            meant = {known.get(number, 0) for number in numbers} - {0}
            if len(meant) > 1 and not self.later_wins:
                found[code] = None
            else:
                found[code] = max(meant, key=order.index, default=0)
        return found

    def _refuse(self, stored: StoredMask, code: int, path: Path) -> None:
        assert stored.names is not None
        pixels = int((stored.values == code).sum())
        raise overlap_refused(stored.names, stored.overlaps[code], pixels, self.values, path)


def overlap_refused(
    names: Mapping[int, str],
    numbers: tuple[int, ...],
    num_pixels: int,
    known: Mapping[str, int],
    path: Path,
) -> MaskValueError:
    """Structures of one mask that share pixels, with the setting that says which one is meant."""
    shared = [number for number in numbers if plain_name(names[number]) in known]
    told = " and ".join(f"{number} ({names[number]})" for number in shared)
    order = ",".join(["background", *(names[number] for number in shared)])
    return MaskValueError(
        f"{path}: its structures {told} share {num_pixels:,} pixels; name the classes in order, "
        f"such as `class_names={order}`, where the later one is taken, or name those alone that do "
        "not overlap."
    )
