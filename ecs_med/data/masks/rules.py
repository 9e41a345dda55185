"""The rules by which counted mask values become a `LabelScheme`, or a refusal with its remedy."""

from itertools import pairwise

from ecs_med.config import ReadingSettings
from ecs_med.data.masks import refusals
from ecs_med.data.masks.census import MaskCensus, ValueCounts, example, joined
from ecs_med.data.masks.color_rules import (
    colors_decide,
    scheme_from_found_colors,
    scheme_from_given_colors,
)
from ecs_med.data.masks.declared_colors import with_declared_colors
from ecs_med.data.masks.hints import Hints
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.soft_edges import BLACK_TO, WHITE_FROM
from ecs_med.errors import MaskValueError, SettingsError
from ecs_med.types import IGNORE_INDEX, DeclaredLabels

__all__ = ["scheme_from_census"]

BIMODAL_SHARE = 0.98
"""Noisy two-class masks have at least this share of all pixels within 64 of 0 or 255 ..."""

BIMODAL_SHARE_PER_MASK = 0.9
"""... and each mask at least this share, which a photograph among them does not reach."""

BIMODAL_THRESHOLD = 128
"""Noisy two-class masks: stored values from here on are class 1."""

NEAREST_SHARE = 0.95
"""JPEG masks of several values have at least this share of pixels within a quarter of the smallest
distance between two classes."""

SHARP_SHARE = 0.9
"""Two-class masks with soft edges have this share of pixels within 64 of 0 or 255 at least ..."""

SHARP_SHARE_PER_MASK = 0.7
"""... and each mask at least this share."""

_MIN_NOISE_VALUES = 8
_MIN_SOFT_VALUES = 3
_NEARLY_WHITE = 248
_UPPER_GROUP = 192
_TWO_VALUED = ({0, 255}, {0, 65535})


def scheme_from_census(
    census: MaskCensus, settings: ReadingSettings, declared: DeclaredLabels | None
) -> tuple[LabelScheme, str]:
    """Decide how stored values map onto classes, and say so in a sentence for the user.

    What settings say comes first, then what the data set declares (a class named `ignore` is
    unlabelled), then the values themselves. Arguments and errors as of `understand_masks`.
    """
    tables = ("mask_values", "mask_threshold", "mask_colors")
    given = [name for name in tables if getattr(settings, name) is not None]
    if len(given) > 1:
        names = " and ".join(f"`{name}`" for name in given)
        raise SettingsError(f"{names} exclude each other; give one of them.")
    settings, values = with_declared_colors(settings, declared)
    hints = Hints.gathered(settings, values)
    if settings.unlabeled_values is not None:
        refusals.refuse_unlabeled_noise(census, settings)
    if settings.mask_colors is not None:
        return scheme_from_given_colors(census, settings.mask_colors, hints)
    if census.colored.num_masks or (not given and not hints.unlabeled and colors_decide(census)):
        return scheme_from_found_colors(census, hints)
    scheme, note = _from_numbers(census, settings, hints)
    return scheme, note + _unlabeled_note(scheme, census.exact)


def _from_numbers(
    census: MaskCensus, settings: ReadingSettings, hints: Hints
) -> tuple[LabelScheme, str]:
    if settings.mask_threshold is not None:
        scheme = hints.scheme(2, threshold=settings.mask_threshold, void_values=hints.void or ())
        return scheme, f"masks are read with a threshold of {settings.mask_threshold}"
    if settings.mask_values is not None:
        return _from_values(census, settings.mask_values, hints)
    return _from_gray(census, hints)


def _from_values(
    census: MaskCensus, values: tuple[int, ...], hints: Hints
) -> tuple[LabelScheme, str]:
    void = hints.void
    if void is None:  # 255, unless masks are of 8 or 16 bits with their highest value as a class
        void = () if IGNORE_INDEX in values or 65535 in values else (IGNORE_INDEX,)
    lossy = census.lossy.num_masks > 0
    scheme = hints.scheme(len(values), values=values, void_values=void, nearest=lossy)
    if lossy:
        known, pixels = sorted((*values, *void)), census.lossy.pixels
        reach = min(high - low for low, high in pairwise(known)) // 4
        near = sum(n for v, n in pixels.items() if min(abs(v - k) for k in known) <= reach)
        share = near / pixels.total()
        if share < NEAREST_SHARE:
            raise refusals.far_from_table_refused(census.lossy, share)
    strange = sorted(set(census.exact.pixels) - {*values, *void, *hints.unlabeled})
    if strange:
        raise refusals.strange_values_refused(census, values, strange, hints)
    if lossy:
        return scheme, f"masks are JPEG: the nearest of the values {joined(values)} is taken"
    note = f"mask values {joined(values)} are the {len(values)} classes"
    return scheme, note + _void_note(void, census.exact)


def _from_gray(census: MaskCensus, hints: Hints) -> tuple[LabelScheme, str]:
    found = set(census.exact.pixels) | set(census.lossy.pixels)
    if len(found) == 1:
        raise refusals.one_class_refused(census, found.pop())
    if census.lossy.num_masks or _is_noise(census):
        return _from_noise(census, hints)
    void = hints.no_classes
    if found - void in _TWO_VALUED and not _contradicts(hints, max(found - void)):
        stored = tuple(sorted(found - void))
        scheme = hints.scheme(2, values=stored, void_values=hints.void or ())
        return scheme, f"mask values 0 and {stored[1]} are background and one class"
    if _has_soft_edges(census, hints):
        scheme = hints.scheme(2, threshold=BIMODAL_THRESHOLD, void_values=hints.void or ())
        kind = "masks are black and white with soft edges"
        return scheme, f"{kind}: values 0..255 thresholded at {BIMODAL_THRESHOLD}"
    if hints.declared is not None:
        return _from_values(census, tuple(hints.declared), hints)
    return _from_class_numbers(census, hints)


def _from_noise(census: MaskCensus, hints: Hints) -> tuple[LabelScheme, str]:
    if hints.declared is not None and len(hints.declared) != 2:
        raise MaskValueError(
            f"{example(census.lossy if census.lossy.num_masks else census.exact)}: its "
            f"values are those of JPEG noise, which keeps no class numbers, but the data set "
            f"declares {len(hints.declared)} classes; store class numbers as PNG."
        )
    if census.zero_one is not None:
        other = census.lossy if census.lossy.num_masks else census.exact
        raise MaskValueError(
            f"{census.zero_one}: holds 0 and 1, but {other.example[max(other.pixels)]} holds many "
            "values up to 255; store all masks in one way, as PNG of 0 and 1."
        )
    highest = max(*census.lossy.pixels, *census.exact.pixels)
    for group in (census.lossy, census.exact):
        fits = group.bimodal_share >= BIMODAL_SHARE
        fits = fits and group.least_bimodal >= BIMODAL_SHARE_PER_MASK
        if group.num_masks and not (fits and _UPPER_GROUP <= highest <= 255):
            raise refusals.noise_refused(census, group)
    scheme = hints.scheme(2, threshold=BIMODAL_THRESHOLD, void_values=hints.void or ())
    kind = "are JPEG" if census.lossy.num_masks else "were smoothed or JPEG once"
    return scheme, f"masks {kind}: values 0..255 thresholded at {BIMODAL_THRESHOLD}"


def _from_class_numbers(census: MaskCensus, hints: Hints) -> tuple[LabelScheme, str]:
    exact = census.exact
    void = (IGNORE_INDEX,) if hints.void is None else hints.void
    classes = sorted(set(exact.pixels) - {*void, *hints.unlabeled})
    if 0 in hints.unlabeled:
        return _from_scribbles(census, classes, void, hints)
    mixed = census.zero_one is not None and census.zero_255 is not None
    if hints.void is None and classes == [0, 1] and mixed and census.one_and_255 is None:
        raise refusals.mixture_refused(census)
    num_classes = len(classes) if hints.names is None else len(hints.names)
    if not classes or (len(classes) == 1 and hints.names is None):
        raise refusals.one_class_refused(census)
    if hints.names is not None and classes[0] >= 0 and classes == list(range(len(classes))):
        if len(classes) > num_classes:
            raise refusals.too_many_classes_refused(exact, classes, num_classes)
    elif classes[0] < 0 or classes[-1] >= num_classes:
        raise refusals.gaps_refused(census, classes, hints)
    values = tuple(range(num_classes))
    scheme = hints.scheme(num_classes, values=values, void_values=void)
    note = f"mask values 0..{num_classes - 1} are the {num_classes} classes"
    return scheme, note + _void_note(void, exact)


def _from_scribbles(
    census: MaskCensus, classes: list[int], void: tuple[int, ...], hints: Hints
) -> tuple[LabelScheme, str]:
    """Classes that count from 1, since 0 is where nobody has drawn."""
    num_classes = len(classes) if hints.names is None else len(hints.names)
    values = tuple(range(1, num_classes + 1))
    if len(classes) < 2 or not set(classes) <= {*values}:
        raise refusals.scribbles_refused(census, classes, hints.num_named)
    scheme = hints.scheme(num_classes, values=values, void_values=void)
    note = f"mask values 1..{num_classes} are the {num_classes} classes, 1 the background"
    return scheme, note + _void_note(void, census.exact)


def _is_noise(census: MaskCensus) -> bool:
    """Whether lossless masks hold what smoothing or JPEG left: many values around both ends.

    Class numbers with 255 as void have nothing from 128 to 254, and so do not look like this;
    numbers of many objects have patches of values in between.
    """
    exact = census.exact
    low = sum(1 for value in exact.pixels if 1 <= value < 128)
    high = sum(1 for value in exact.pixels if 128 <= value < 255)
    many = min(low, high) >= _MIN_NOISE_VALUES and exact.bimodal_share >= BIMODAL_SHARE
    return many and census.edges.are_edges


def _has_soft_edges(census: MaskCensus, hints: Hints) -> bool:
    """Whether lossless masks are black and white, with values in between along borders alone.

    So are those of nearly white (254 beside 255). Numbers that count up from 0 are classes.
    """
    exact = census.exact
    found = sorted(set(exact.pixels) - hints.no_classes)
    numbers = [value for value in found if value != IGNORE_INDEX]
    if hints.num_named not in (None, 2) or numbers == list(range(len(numbers))):
        return False
    if found[0] != 0 or not _UPPER_GROUP <= found[-1] <= 255:
        return False
    if found[1] >= _NEARLY_WHITE:
        return True
    between = [value for value in found if BLACK_TO < value < WHITE_FROM]
    sharp = exact.bimodal_share >= SHARP_SHARE and exact.least_bimodal >= SHARP_SHARE_PER_MASK
    many = len(found) - 2 >= _MIN_SOFT_VALUES
    return bool(between) and many and sharp and census.edges.are_edges


def _contradicts(hints: Hints, value: int) -> bool:
    """Whether the data set declares other classes than two that 0 and `value` may stand for."""
    if hints.declared is None:
        return False
    return value in hints.declared or list(hints.declared) != [0, 1]


def _void_note(void: tuple[int, ...], counts: ValueCounts) -> str:
    met = [value for value in void if value in counts.pixels]
    return f"; {joined(met)} is ignored (void)" if met else ""


def _unlabeled_note(scheme: LabelScheme, counts: ValueCounts) -> str:
    met = [value for value in scheme.unlabeled_values if value in counts.pixels]
    if not met:
        return ""
    share = sum(counts.pixels[value] for value in met) / max(1, counts.pixels.total())
    return f"; {joined(met)} is not annotated (unlabelled), {share:.2%} of the pixels"
