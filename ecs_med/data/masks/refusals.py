"""The sentences that refuse mask values: file, counts, and the option that settles it."""

from collections.abc import Sequence

from ecs_med.data.masks.census import (
    MaskCensus,
    ValueCounts,
    color_distance,
    describe_values,
    rgb_of,
)
from ecs_med.errors import MaskValueError

__all__ = [
    "colors_refused",
    "example",
    "far_from_table_refused",
    "gaps_refused",
    "joined",
    "mixture_refused",
    "noise_refused",
    "one_class_refused",
    "too_many_classes_refused",
]

_MAX_SUGGESTED = 20
_MAX_COLORS = 12
_FAR = 64


def gaps_refused(exact: ValueCounts, classes: Sequence[int]) -> MaskValueError:
    """Class numbers that do not count up from 0; `classes` are the values found, in order."""
    strange = next(v for index, v in enumerate(classes) if v != index)
    why = "is negative" if strange < 0 else "leaves a gap: class numbers count up from 0"
    if len(classes) > _MAX_SUGGESTED:
        remedy = "check that these are masks, and store class numbers"
    else:
        remedy = (
            f"if these are the classes give `mask_values={joined(classes)}`, "
            "if some do not occur here name all of them with `class_names`"
        )
    if strange < 0:
        remedy = f"to ignore it give `void_values={strange}`, else correct the masks"
    return MaskValueError(
        f"{exact.example[strange]}: holds the value {strange}, which {why} (in all masks "
        f"{describe_values(exact.pixels)}); {remedy}."
    )


def too_many_classes_refused(
    exact: ValueCounts, classes: Sequence[int], num_names: int
) -> MaskValueError:
    """More classes in the masks than names for them."""
    strange = next(v for v in classes if v >= num_names)
    return MaskValueError(
        f"{exact.example[strange]}: holds the value {strange}, but only {num_names} classes are "
        f"named (in all masks {describe_values(exact.pixels)}); name every class with "
        "`class_names`, background first."
    )


def one_class_refused(census: MaskCensus, value: int | None = None) -> MaskValueError:
    """Masks in which no second class occurs anywhere; `value` is the one that does, if known."""
    groups = (census.exact, census.lossy, census.colored)
    path = next((example(group) for group in groups if group.num_masks), "the masks")
    count = sum(group.num_masks for group in groups)
    what = "a single class" if value is None else f"the single value {value}"
    return MaskValueError(
        f"{path}: holds {what} only, and so do all {count} masks together, so there is nothing to "
        "learn; check that these are the right masks, or annotate more."
    )


def mixture_refused(census: MaskCensus) -> MaskValueError:
    """Masks of 0 and 1 beside masks of 0 and 255: is 255 void, or the same as 1?"""
    return MaskValueError(
        f"{census.zero_255}: holds 0 and 255, but {census.zero_one} holds 0 and 1; "
        "if both mean the same give `mask_threshold=1`, "
        "if 255 is to be ignored give `void_values=255`."
    )


def noise_refused(census: MaskCensus, group: ValueCounts) -> MaskValueError:
    """Masks of many values that are not two groups near 0 and 255."""
    path = group.least_bimodal_path or example(group)
    kind = "JPEG mask" if group is census.lossy else "mask"
    return MaskValueError(
        f"{path}: is a {kind} whose values are not near 0 and 255 alone (in all masks "
        f"{describe_values(group.pixels)}); store class numbers as PNG, or say what the values "
        "mean with `mask_threshold` or `mask_values`."
    )


def far_from_table_refused(
    group: ValueCounts, share: float, *, colors: bool = False
) -> MaskValueError:
    """JPEG masks whose pixels are not close to the values or colours that were given."""
    found = describe_values(group.pixels, colors=colors)
    return MaskValueError(
        f"{example(group)}: is JPEG, and only {share:.1%} of the pixels of such masks are close to "
        f"a class that was given (found {found}); correct the table, or store the masks as PNG."
    )


def colors_refused(census: MaskCensus) -> MaskValueError:
    """Colour-coded masks without a colour table."""
    pixels = census.colored.pixels
    shown = [code for code, _ in pixels.most_common(_MAX_COLORS)]
    if census.lossy_colors:
        # JPEG turns each colour into a cloud: only those far from more frequent ones are named.
        shown = []
        for code, _ in pixels.most_common(2000):
            if all(color_distance(code, rgb_of(other)) > _FAR for other in shown):
                shown.append(code)
    if 0 in shown:
        shown = [0, *(code for code in shown if code)]
    table = ",".join(f"#{code:06x}" for code in shown[:_MAX_COLORS])
    found = describe_values(pixels, colors=True)
    return MaskValueError(
        f"{example(census.colored)}: is colour-coded, as are {census.colored.num_masks} masks in "
        f"all ({found}); give the colour of every class in order, background "
        f"first, such as `mask_colors='{table}'`."
    )


def example(group: ValueCounts) -> str:
    """A file of the group, as text."""
    return str(next(iter(group.example.values()), "a mask"))


def joined(values: Sequence[int]) -> str:
    """Values as an option takes them, such as `0,50,100`."""
    return ",".join(str(value) for value in values)
