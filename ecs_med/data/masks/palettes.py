"""Palette masks of one set: whether an index means one colour in all of them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["PaletteCensus", "PaletteClash"]

Code = int
"""A packed colour, red in the highest byte."""


@dataclass(frozen=True, slots=True)
class PaletteClash:
    """Two masks in which one index has two colours, or one colour two indices.

    Attributes:
        index: Index in the first mask.
        color: Its packed colour there.
        path: The first mask.
        other_index: Index in the second mask.
        other_color: Its packed colour there.
        other_path: The second mask.
    """

    index: int
    color: Code
    path: Path
    other_index: int
    other_color: Code
    other_path: Path


@dataclass(slots=True)
class PaletteCensus:
    """The colours that indices have in palette masks; of indices that occur alone.

    Attributes:
        num_masks: Number of palette masks.
        pixels: Pixels of each colour.
        example: A file that has each colour.
        repeats: Whether a mask gives one colour to several of its indices: its colours say less
            than its indices.
        clash: The first contradiction between two masks, if there is one.
    """

    num_masks: int = 0
    pixels: Counter[Code] = field(default_factory=Counter)
    example: dict[Code, Path] = field(default_factory=dict)
    repeats: bool = False
    clash: PaletteClash | None = None
    _color_of: dict[int, tuple[Code, Path]] = field(default_factory=dict)
    _index_of: dict[Code, tuple[int, Path]] = field(default_factory=dict)

    def add(self, colors: Mapping[int, Code], counts: Mapping[int, int], path: Path) -> None:
        """Add one mask.

        Args:
            colors: Packed colour by index.
            counts: Pixels of every index that occurs.
            path: The mask's file.
        """
        self.num_masks += 1
        colors = {index: colors[index] for index in counts if index in colors}
        self.repeats |= len(set(colors.values())) < len(colors)
        for index, color in colors.items():
            self.pixels[color] += counts[index]
            self.example.setdefault(color, path)
            known_color, color_path = self._color_of.setdefault(index, (color, path))
            known_index, index_path = self._index_of.setdefault(color, (index, path))
            if self.clash is None and known_color != color:
                self.clash = PaletteClash(index, known_color, color_path, index, color, path)
            elif self.clash is None and known_index != index and index_path != path:
                self.clash = PaletteClash(known_index, color, index_path, index, color, path)
