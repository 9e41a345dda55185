"""The sentences that refuse colour-coded masks: file, colours, and the option that settles it."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from ecs_med.data.masks.census import MaskCensus, describe_values, example
from ecs_med.data.masks.colors import color_distance, rgb_of
from ecs_med.data.masks.palettes import PaletteClash
from ecs_med.errors import MaskValueError

__all__ = ["colors_refused", "palettes_refused", "strange_colors_refused", "suggested_colors"]

_MAX_COLORS = 64
_FAR = 64
_CLOUD_SHARE = 2e-3
_MAX_CLOUDS = 12
_PEAK_SHARE = 0.5


def suggested_colors(pixels: Counter[int], *, lossy: bool) -> list[int]:
    """Packed colours that are probably classes, black first, then the most frequent ones.

    Args:
        pixels: Pixels of every packed colour.
        lossy: Whether JPEG made a cloud of each colour; soft edges do the same.
    """
    shown = [code for code, _ in pixels.most_common(_MAX_COLORS)]
    if lossy or len(pixels) > _MAX_COLORS:
        shown = _clouds(pixels)
    return [0, *(code for code in shown if code)] if 0 in shown else shown


def colors_refused(census: MaskCensus, table: Sequence[int]) -> MaskValueError:
    """Colour-coded masks without a colour table; `table` is what is suggested."""
    found = describe_values(census.colored.pixels, colors=True)
    path = example(census.colored)
    numbers = [value for value in census.unpaletted if 0 < value < _FAR // 2]
    if numbers and len(numbers) == len(census.unpaletted.keys() - {0}):
        return MaskValueError(
            f"{path}: is colour-coded ({found}), but {census.exact.example[numbers[0]]} holds "
            f"class numbers such as {numbers[0]}; store all masks in one of both ways."
        )
    return MaskValueError(
        f"{path}: is colour-coded, as are {census.colored.num_masks} masks in all ({found}); give "
        f"the colour of every class in order, background first, such as {_option(table)}."
    )


def palettes_refused(
    census: MaskCensus, clash: PaletteClash, table: Sequence[int]
) -> MaskValueError:
    """Palettes in which an index means several colours; `table` is suggested, or nothing."""
    indices = ",".join(str(value) for value in sorted(census.exact.pixels))
    by_index = f"if an index is a class whatever its colour, give `mask_values={indices}`"
    by_color = (
        f"give the colour of every class in order, background first, such as {_option(table)}"
    )
    return MaskValueError(
        f"{clash.path}: its palette shows index {clash.index} as #{clash.color:06x}, but "
        f"{clash.other_path} shows index {clash.other_index} as #{clash.other_color:06x}, so that "
        f"indices do not tell the class; {f'{by_color}, or, {by_index}' if table else by_index}."
    )


def strange_colors_refused(
    census: MaskCensus, given: Sequence[int], strange: Sequence[int], pixels: Counter[int]
) -> MaskValueError:
    """Colours beside those of the table that was given."""
    places = (census.colored.example, census.palettes.example)
    path = next((place[strange[0]] for place in places if strange[0] in place), None)
    if path is None:
        path = census.exact.example[strange[0] & 255]
    found = describe_values({code: pixels[code] for code in strange}, colors=True)
    remedy = "correct the masks"
    if len(given) + len(strange) <= _MAX_COLORS:
        table = [code for code in given if code in pixels]
        remedy += f", or give the colour of every class, such as {_option([*table, *strange])}"
    return MaskValueError(f"{path}: holds colours that are no class ({found}); {remedy}.")


def _clouds(pixels: Counter[int]) -> list[int]:
    """The most frequent colour of every cloud that holds a fair share of the pixels."""
    centers: list[int] = []
    sizes: Counter[int] = Counter()
    for code, count in pixels.most_common(2000):
        near = next((c for c in centers if color_distance(code, rgb_of(c)) <= _FAR), None)
        if near is None:
            centers.append(near := code)
        sizes[near] += count
    large = [code for code in centers if sizes[code] >= _CLOUD_SHARE * pixels.total()]
    kept: list[int] = []
    for code in large:
        # What edges mix lies between two classes, and is spread over many colours.
        spread = pixels[code] < _PEAK_SHARE * sizes[code]
        if not (spread and any(_is_between(code, *pair) for pair in combinations(kept, 2))):
            kept.append(code)
    return kept[:_MAX_CLOUDS]


def _is_between(code: int, first: int, second: int) -> bool:
    """Whether a colour lies near the line from one colour to another."""
    color, start, end = (np.array(rgb_of(c), float) for c in (code, first, second))
    along = (color - start) @ (end - start) / max(1.0, float((end - start) @ (end - start)))
    return 0 < along < 1 and bool(np.abs(start + along * (end - start) - color).max() <= _FAR / 2)


def _option(table: Sequence[int]) -> str:
    return f"`mask_colors='{','.join(f'#{code:06x}' for code in table)}'`"
