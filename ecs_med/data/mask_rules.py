"""The rules by which counted mask values become a `LabelScheme`, or a refusal with its remedy."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from ecs_med.config import ReadingSettings
from ecs_med.data.label_scheme import (
    Color,
    LabelScheme,
    default_class_names,
    told_colors,
    told_values,
)
from ecs_med.data.stored_masks import MaskCensus, ValueCounts
from ecs_med.errors import MaskValueError, SettingsError
from ecs_med.types import IGNORE_INDEX

__all__ = ["scheme_from_census"]

BIMODAL_SHARE = 0.98
"""Noisy two-class masks have at least this share of all pixels within 64 of 0 or 255 ..."""

BIMODAL_SHARE_PER_MASK = 0.9
"""... and each mask at least this share, which a photograph among them does not reach."""

BIMODAL_THRESHOLD = 128
"""Noisy two-class masks: stored values from here on are class 1."""

NEAREST_SHARE = 0.98
"""JPEG masks of several values or colours have at least this share of pixels within a quarter of
the smallest distance between two classes (the largest difference of a channel counts)."""

_MIN_NOISE_VALUES = 8
_MAX_SUGGESTED = 20


@dataclass(frozen=True, slots=True)
class _Names:
    """Names and stored values that settings or the data set give."""

    given: tuple[str, ...] | None
    declared: Mapping[int, str] | None

    def for_classes(self, num_classes: int) -> tuple[str, ...]:
        """Names of exactly this many classes."""
        names = self.given
        if names is None and self.declared is not None and len(self.declared) == num_classes:
            names = tuple(self.declared[value] for value in sorted(self.declared))
        if names is None:
            return default_class_names(num_classes)
        if len(names) != num_classes:
            raise SettingsError(
                f"{len(names)} class names for {num_classes} classes; "
                "name every class with --class-names, background first."
            )
        return names


def scheme_from_census(
    census: MaskCensus, settings: ReadingSettings, declared: Mapping[int, str] | None
) -> tuple[LabelScheme, str]:
    """Decide how stored values map onto classes.

    What settings say comes first, then what the data set declares, then the
    values themselves.

    Args:
        census: The counted values of all masks.
        settings: `mask_values`, `mask_threshold`, `mask_colors`, `void_values`, `class_names`.
        declared: Class name by stored value, from the data set; a class named `ignore` is void.

    Returns:
        The scheme, and a sentence for the user on how values were understood.

    Raises:
        MaskValueError: If values cannot be mapped without guessing.
        SettingsError: If settings contradict each other.
    """
    ignored = tuple(v for v, name in (declared or {}).items() if name.lower() == "ignore")
    if declared is not None:
        declared = {value: name for value, name in declared.items() if value not in ignored}
    void = settings.void_values if settings.void_values is not None else (ignored or None)
    names = _Names(settings.class_names, declared or None)
    explicit = [
        name
        for name in ("mask_values", "mask_threshold", "mask_colors")
        if getattr(settings, name) is not None
    ]
    if len(explicit) > 1:
        options = " and ".join("--" + name.replace("_", "-") for name in explicit)
        raise SettingsError(f"{options} exclude each other; give one of them.")
    if settings.mask_colors is not None:
        return _from_colors(census, settings.mask_colors, names)
    if census.colored.num_masks:
        raise _colors_refused(census)
    if settings.mask_threshold is not None:
        scheme = LabelScheme(
            class_names=names.for_classes(2), threshold=settings.mask_threshold,
            void_values=void or (),
        )  # fmt: skip
        return scheme, f"masks are read with a threshold of {settings.mask_threshold}"
    if settings.mask_values is not None:
        return _from_values(census, settings.mask_values, void, names)
    return _from_grey(census, void, names)


def _from_colors(
    census: MaskCensus, colors: tuple[Color, ...], names: _Names
) -> tuple[LabelScheme, str]:
    scheme = LabelScheme(
        class_names=names.for_classes(len(colors)),
        colors=colors,
        nearest=census.lossy_colors or census.lossy.num_masks > 0,
    )
    if not scheme.nearest:
        return scheme, f"masks are colour-coded with {len(colors)} colours"
    gap = min(
        max(abs(a - b) for a, b in zip(first, second, strict=True))
        for index, first in enumerate(colors) for second in colors[:index]
    )  # fmt: skip
    near = sum(
        n for code, n in census.colored.pixels.items()
        if min(_color_distance(code, color) for color in colors) <= gap // 4
    )  # fmt: skip
    total = census.colored.pixels.total()
    if near < NEAREST_SHARE * total:
        raise MaskValueError(
            f"{_example(census.colored)}: only {near / total:.1%} of the pixels of the JPEG masks "
            f"are close to a colour of --mask-colors (found {told_colors(census.colored.pixels)}); "
            "correct the colours, or store the masks as PNG."
        )
    return scheme, f"masks are colour-coded JPEG: the nearest of {len(colors)} colours is taken"


def _from_values(
    census: MaskCensus, values: tuple[int, ...], void: tuple[int, ...] | None, names: _Names
) -> tuple[LabelScheme, str]:
    if void is None:
        void = () if IGNORE_INDEX in values or 65535 in values else (IGNORE_INDEX,)
    lossy = census.lossy.num_masks > 0
    scheme = LabelScheme(
        class_names=names.for_classes(len(values)), values=values, void_values=void, nearest=lossy
    )
    if lossy:
        ordered = sorted((*values, *void))
        gap = min(high - low for low, high in pairwise(ordered))
        pixels = census.lossy.pixels
        near = sum(n for v, n in pixels.items() if min(abs(v - k) for k in ordered) <= gap // 4)
        if near < NEAREST_SHARE * pixels.total():
            raise MaskValueError(
                f"{_example(census.lossy)}: is JPEG, and only {near / pixels.total():.1%} of the "
                f"pixels of such masks are close to one of the values {_joined(values)} (found "
                f"{told_values(pixels)}); store the masks as PNG."
            )
        return scheme, f"masks are JPEG: the nearest of the values {_joined(values)} is taken"
    strange = sorted(set(census.exact.pixels) - {*values, *void})
    if strange:
        raise MaskValueError(
            f"{census.exact.example[strange[0]]}: holds the value {strange[0]}, which is none of "
            f"{_joined(values)} (in all masks: {told_values(census.exact.pixels)}); correct the "
            f"mask, or give --mask-values {_joined(sorted({*values, *strange}))}."
        )
    return scheme, f"mask values {_joined(values)} are the {len(values)} classes" + _void_told(
        void, census.exact
    )


def _from_grey(
    census: MaskCensus, void: tuple[int, ...] | None, names: _Names
) -> tuple[LabelScheme, str]:
    found = set(census.exact.pixels) | set(census.lossy.pixels)
    if len(found) == 1:
        raise one_value_refused(found.pop(), census)
    if census.lossy.num_masks or _is_noise(census.exact):
        return _from_noise(census, void, names)
    if void is None and found in ({0, 255}, {0, 65535}) and not _declares(names, max(found)):
        stored = (0, max(found))
        scheme = LabelScheme(class_names=names.for_classes(2), values=stored)
        return scheme, f"mask values 0 and {stored[1]} are background and one class"
    if names.declared is not None:
        return _from_values(census, tuple(sorted(names.declared)), void, names)
    return _from_indices(census.exact, census, void, names)


def _from_noise(
    census: MaskCensus, void: tuple[int, ...] | None, names: _Names
) -> tuple[LabelScheme, str]:
    if census.zero_one is not None and census.lossy.num_masks:
        raise MaskValueError(
            f"{census.zero_one}: holds 0 and 1, but {_example(census.lossy)} is JPEG with values "
            "up to 255; store all masks in one way, as PNG of 0 and 1."
        )
    for group in (census.lossy, census.exact):
        if not group.num_masks:
            continue
        high = any(value > 255 - 64 for value in (*census.lossy.pixels, *census.exact.pixels))
        fits = set(group.pixels) <= set(range(256)) and group.bimodal_share >= BIMODAL_SHARE
        if not (high and fits and group.least_bimodal >= BIMODAL_SHARE_PER_MASK):
            path = group.least_bimodal_path or _example(group)
            kind = "JPEG mask" if group is census.lossy else "mask"
            raise MaskValueError(
                f"{path}: is a {kind} whose values are not near 0 and 255 alone (in all masks: "
                f"{told_values(group.pixels)}); store class numbers as PNG, or give "
                "--mask-threshold or --mask-values if you know what they mean."
            )
    scheme = LabelScheme(
        class_names=names.for_classes(2), threshold=BIMODAL_THRESHOLD, void_values=void or ()
    )
    kind = "JPEG" if census.lossy.num_masks else "smoothed or were JPEG once"
    return scheme, f"masks are {kind}: values 0..255 thresholded at {BIMODAL_THRESHOLD}"


def _from_indices(
    exact: ValueCounts, census: MaskCensus, void: tuple[int, ...] | None, names: _Names
) -> tuple[LabelScheme, str]:
    found = set(exact.pixels)
    void = (IGNORE_INDEX,) if void is None else void
    classes = sorted(found - set(void))
    if classes == [0, 1] and IGNORE_INDEX in found & set(void) and census.one_and_255 is None:
        raise MaskValueError(
            f"{census.zero_255}: holds 0 and 255, but {census.zero_one} holds 0 and 1; if both "
            "mean the same give --mask-threshold 1, if 255 is to be ignored give --void-values 255."
        )
    num_classes = len(names.given) if names.given is not None else len(classes)
    if len(classes) < 2 and names.given is None:
        raise one_value_refused(classes[0] if classes else void[0], census)
    if classes and (classes[0] < 0 or classes[-1] >= max(num_classes, 2)):
        raise _gaps_refused(exact, classes, names)
    values = tuple(range(num_classes))
    scheme = LabelScheme(
        class_names=names.for_classes(num_classes), values=values, void_values=void
    )
    told = f"mask values 0..{num_classes - 1} are the {num_classes} classes"
    return scheme, told + _void_told(void, exact)


def _gaps_refused(exact: ValueCounts, classes: list[int], names: _Names) -> MaskValueError:
    strange = next(v for v in classes if v < 0 or v >= len(classes) or v not in range(len(classes)))
    why = "negative" if strange < 0 else "not one of a row of class numbers from 0"
    if names.given is not None and classes == list(range(len(classes))):
        return MaskValueError(
            f"{exact.example[classes[-1]]}: the masks hold {len(classes)} classes "
            f"({told_values(exact.pixels)}), but {len(names.given)} are named; name every class "
            "with --class-names, background first."
        )
    remedy = (
        f"if these are the classes give --mask-values {_joined(classes)}, if some do not occur "
        "here name all of them with --class-names"
        if len(classes) <= _MAX_SUGGESTED
        else "check that these are masks, and store class numbers"
    )
    if strange < 0:
        remedy = f"if it is to be ignored give --void-values {strange}, and " + remedy
    return MaskValueError(
        f"{exact.example[strange]}: holds the value {strange}, which is {why} (in all masks: "
        f"{told_values(exact.pixels)}); {remedy}."
    )


def one_value_refused(value: int, census: MaskCensus) -> MaskValueError:
    """The error where no second class occurs anywhere."""
    group = census.exact if census.exact.num_masks else census.lossy
    count = census.exact.num_masks + census.lossy.num_masks + census.colored.num_masks
    path = group.example.get(value, _example(group)) if group.num_masks else "the masks"
    return MaskValueError(
        f"{path}: holds only the value {value}, as do all {count} masks, so there is nothing to "
        "learn; check that these are the right masks."
    )


def _colors_refused(census: MaskCensus) -> MaskValueError:
    pixels = census.colored.pixels
    # JPEG turns each colour into a cloud of them: only those far from more frequent ones are named.
    centres: list[int] = []
    for code, _ in pixels.most_common(2000):
        if len(centres) < 12 and all(_color_distance(code, _rgb(c)) > 64 for c in centres):
            centres.append(code)
    shown = centres if census.lossy_colors else [code for code, _ in pixels.most_common(12)]
    if 0 in shown:
        shown = [0, *(code for code in shown if code)]
    table = ",".join(f"#{code:06x}" for code in shown)
    return MaskValueError(
        f"{_example(census.colored)}: is colour-coded (in {census.colored.num_masks} such masks: "
        f"{told_colors(pixels)}); give the colour of every class in order, background first, "
        f"such as --mask-colors '{table}'."
    )


def _is_noise(exact: ValueCounts) -> bool:
    """Whether lossless masks hold what smoothing or JPEG left: many values around both ends.

    Class numbers with 255 as void have nothing from 128 to 254, and so do not look like this.
    """
    low = sum(1 for value in exact.pixels if 1 <= value < 128)
    high = sum(1 for value in exact.pixels if 128 <= value < 255)
    return min(low, high) >= _MIN_NOISE_VALUES and exact.bimodal_share >= BIMODAL_SHARE


def _declares(names: _Names, value: int) -> bool:
    """Whether the data set itself gives classes that 0 and `value` do not fit as two plain ones."""
    declared = names.declared
    return declared is not None and (value in declared or sorted(declared) != [0, 1])


def _void_told(void: tuple[int, ...], counts: ValueCounts) -> str:
    met = [value for value in void if value in counts.pixels]
    return f"; {_joined(tuple(met))} is ignored (void)" if met else ""


def _example(group: ValueCounts) -> str:
    return str(next(iter(group.example.values()), "a mask"))


def _rgb(code: int) -> Color:
    return code >> 16, code >> 8 & 255, code & 255


def _color_distance(code: int, color: Color) -> int:
    return max(abs(a - b) for a, b in zip(_rgb(code), color, strict=True))


def _joined(values: tuple[int, ...] | list[int]) -> str:
    return ",".join(str(value) for value in values)
