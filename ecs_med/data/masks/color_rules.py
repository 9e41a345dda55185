"""The rules by which colours of masks become classes, given by a table or found."""

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

from ecs_med.data.masks import color_refusals as refusals
from ecs_med.data.masks.census import MaskCensus
from ecs_med.data.masks.colors import Color, color_distance, rgb_of
from ecs_med.data.masks.hints import Hints
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.refusals import far_from_table_refused

__all__ = ["colors_decide", "scheme_from_found_colors", "scheme_from_given_colors"]

NEAREST_SHARE = 0.95
"""JPEG masks of several colours have at least this share of pixels within a quarter of the
smallest distance between two classes (the largest difference of a channel)."""

EXACT_SHARE = 0.9
"""Lossless masks with soft edges have at least this share of pixels of just the given colours."""

_MIN_EDGE_COLORS = 8
_BLACK, _WHITE = 0x000000, 0xFFFFFF


def colors_decide(census: MaskCensus) -> bool:
    """Whether masks mean what their colours show: an index is another colour in another mask."""
    palettes = census.palettes
    if census.colored.num_masks or palettes.clash is not None:
        return True
    # Palettes of black and white hold 0 and 1, where grey masks hold 0 and 255.
    return (
        palettes.pixels.keys() == {_BLACK, _WHITE}
        and census.zero_one is not None
        and 1 not in census.unpaletted
        and census.unpaletted.keys() == {0, 255}
    )


def scheme_from_given_colors(
    census: MaskCensus, colors: tuple[Color, ...], hints: Hints
) -> tuple[LabelScheme, str]:
    """The scheme of a table that the user gave.

    Raises:
        MaskValueError: If masks hold colours beside it that neither JPEG nor soft edges explain.
    """
    lossy = census.lossy_colors or census.lossy.num_masks > 0
    pixels = found_colors(census)
    packed = [r << 16 | g << 8 | b for r, g, b in colors]
    strange = [code for code in pixels if code not in packed]
    if not strange or not pixels:
        scheme = hints.scheme(len(colors), colors=colors, nearest=lossy)
        return scheme, f"masks are colour-coded with {len(colors)} colours"
    share = 1 - sum(pixels[code] for code in strange) / pixels.total()
    if lossy:
        share = _close_share(pixels, packed, colors)
        if share < NEAREST_SHARE:
            raise far_from_table_refused(census.colored, share, colors=True)
    elif share < EXACT_SHARE or len(strange) < _MIN_EDGE_COLORS:
        raise refusals.strange_colors_refused(census, packed, strange, pixels)
    scheme = hints.scheme(len(colors), colors=colors, nearest=True)
    kind = "colour-coded JPEG" if lossy else "colour-coded with soft edges"
    return scheme, f"masks are {kind}: the nearest of {len(colors)} colours is taken"


def scheme_from_found_colors(census: MaskCensus, hints: Hints) -> tuple[LabelScheme, str]:
    """The scheme of masks of black and one colour; more colours must be given in order.

    Raises:
        MaskValueError: If there are others; names the colours that were found.
    """
    clash = census.palettes.clash
    if clash is not None and census.palettes.repeats:
        raise refusals.palettes_refused(census, clash, ())
    codes = found_colors(census)
    lossy = census.lossy_colors or census.lossy.num_masks > 0
    drawn = sorted(codes.keys() - {_BLACK})
    plain = not lossy and _BLACK in codes and len(drawn) == 1 and hints.num_named in (None, 2)
    if not plain:
        table = refusals.suggested_colors(codes, lossy=lossy)
        if clash is not None and not census.colored.num_masks:
            raise refusals.palettes_refused(census, clash, table)
        raise refusals.colors_refused(census, table)
    colors = tuple(rgb_of(code) for code in (_BLACK, *drawn))
    note = f"masks are colour-coded: black is the background, #{drawn[0]:06x} the class"
    if clash is not None:
        note += (
            f"; an index means another colour in {clash.path.name} than in "
            f"{clash.other_path.name}, so colours are read"
        )
    return hints.scheme(2, colors=colors), note


def found_colors(census: MaskCensus) -> Counter[int]:
    """Pixels of every packed colour, those of palettes and grey masks included."""
    found = Counter(census.colored.pixels)
    found.update(census.palettes.pixels)
    for value, count in census.unpaletted.items():
        found[value * 0x010101 if 0 <= value <= 255 else value] += count
    return found


def _close_share(pixels: Counter[int], packed: Sequence[int], colors: Sequence[Color]) -> float:
    pairs = combinations(range(len(colors)), 2)
    gap = min(color_distance(packed[first], colors[second]) for first, second in pairs)
    near = sum(
        count
        for code, count in pixels.items()
        if min(color_distance(code, color) for color in colors) <= gap // 4
    )
    return near / pixels.total()
