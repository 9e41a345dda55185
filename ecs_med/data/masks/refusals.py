"""The sentences that refuse mask values: file, counts, and the option that settles it."""

from collections.abc import Sequence

from ecs_med.config import ReadingSettings
from ecs_med.data.masks.census import MaskCensus, ValueCounts, describe_values, example, joined
from ecs_med.data.masks.hints import Hints
from ecs_med.data.masks.soft_edges import WHITE_FROM
from ecs_med.errors import MaskValueError, SettingsError
from ecs_med.types import IGNORE_INDEX

__all__ = [
    "far_from_table_refused",
    "gaps_refused",
    "mixture_refused",
    "noise_refused",
    "one_class_refused",
    "refuse_unlabeled_noise",
    "scribbles_refused",
    "strange_values_refused",
    "too_many_classes_refused",
]

_MAX_SUGGESTED = 20
_FULL_16_BITS = 65535


def gaps_refused(census: MaskCensus, classes: Sequence[int], hints: Hints) -> MaskValueError:
    """Class numbers that do not count up from 0; `classes` are the values found, in order."""
    exact = census.exact
    strange = next(v for index, v in enumerate(classes) if v != index)
    why = "is negative" if strange < 0 else "leaves a gap: class numbers count up from 0"
    if len(classes) > _MAX_SUGGESTED:
        remedy = "check that these are masks, and store class numbers"
    elif strange < 0:
        remedy = _negative_remedy(census, classes, hints)
    else:
        remedy = ", ".join(_gap_remedies(census, classes, hints))
    return MaskValueError(
        f"{exact.example[strange]}: holds the value {strange}, which {why} (in all masks "
        f"{describe_values(exact.pixels)}); {remedy}."
    )


def _gap_remedies(census: MaskCensus, classes: Sequence[int], hints: Hints) -> list[str]:
    """What values with a gap may mean, and the option for each meaning."""
    found = census.exact.pixels.keys()
    maybe_void = hints.void is None and IGNORE_INDEX in found
    first = "" if classes[0] == 0 else f", of which {classes[0]} becomes the background"
    remedies = []
    if len(classes) > 1:
        ignored = " and 255 is to be ignored" if maybe_void else ""
        option = _values(classes, hints)
        if maybe_void and _FULL_16_BITS in classes:
            option += " and `void_values=255`"
        remedies.append(f"if these are the classes{ignored} give {option}{first}")
    if maybe_void:
        all_of_them = sorted([*classes, IGNORE_INDEX])
        remedies.append(f"if 255 is a class as well give {_values(all_of_them, hints)}")
    if found == {0, IGNORE_INDEX, _FULL_16_BITS}:
        remedies.append("if 255 and 65535 mean the same give `mask_threshold=128`")
    elif classes[0] == 0 and WHITE_FROM <= max(found) <= 255:
        remedies.append("if there are but two, with soft edges, give `mask_threshold=128`")
    missing = classes[-1] + 1 - len(classes)
    if classes[0] >= 0 and missing <= len(classes):
        remedies.append(
            f"if {missing} of them do not occur here name all {classes[-1] + 1} with `class_names`"
        )
    return remedies


def _negative_remedy(census: MaskCensus, classes: Sequence[int], hints: Hints) -> str:
    negative = [value for value in classes if value < 0]
    kept = [value for value in classes if value >= 0]
    met = [IGNORE_INDEX] if hints.void is None and IGNORE_INDEX in census.exact.pixels else []
    void = joined([*(hints.void or ()), *negative, *met])
    ignoring = f"`void_values={void}`"
    if kept != list(range(len(kept))) and len(kept) > 1:
        ignoring += f" and {_values(kept, hints)}"
    what = "it" if len(negative) == 1 else "negative values"
    return f"to ignore {what} give {ignoring}, if it is a class give {_values(classes, hints)}"


def _values(values: Sequence[int], hints: Hints) -> str:
    """The option that makes these values the classes, and the one for their names if need be."""
    option = f"`mask_values={joined(values)}`"
    if hints.names is not None and len(hints.names) != len(values):
        option += f" and name all {len(values)} with `class_names`"
    return option


def strange_values_refused(
    census: MaskCensus, values: Sequence[int], strange: Sequence[int], hints: Hints
) -> MaskValueError:
    """Values beside those that were given or that the data set declares, `values`."""
    exact = census.exact
    found = [value for value in values if value in exact.pixels]
    if list(values) == sorted(values):
        found, strange = sorted([*found, *strange]), sorted(strange)
    else:
        found = [*found, *strange]
    remedy = "correct the mask"
    if 2 <= len(found) <= _MAX_SUGGESTED:
        remedy += f", or give the values that occur, {_values(found, hints)}"
    return MaskValueError(
        f"{exact.example[strange[0]]}: holds the value {strange[0]}, which is none of "
        f"{joined(values)} (in all masks {describe_values(exact.pixels)}); {remedy}."
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
    remedy = "check that these are the right masks, or annotate more"
    others = sorted(census.exact.pixels.keys() - {IGNORE_INDEX})
    if len(others) == 1 and IGNORE_INDEX in census.exact.pixels:
        both = joined([*others, IGNORE_INDEX])
        remedy = f"if 255 is a class, and not void as is assumed, give `mask_values={both}`"
    return MaskValueError(
        f"{path}: holds {what} only, and so do all {count} masks together, so there is nothing to "
        f"learn; {remedy}."
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
    remedy = "store class numbers as PNG"
    if max(group.pixels) >= WHITE_FROM:
        remedy = (
            "if there are two classes give `mask_threshold=128`, if there are more give the value "
            "of each in order with `mask_values`, or store class numbers as PNG"
        )
    return MaskValueError(
        f"{path}: is a {kind} whose values are not near 0 and 255 alone (in all masks "
        f"{describe_values(group.pixels)}); {remedy}."
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


def scribbles_refused(
    census: MaskCensus, classes: Sequence[int], num_named: int | None
) -> MaskValueError:
    """Masks where 0 is unlabelled whose other values do not count up from 1, or are too few."""
    found = describe_values(census.exact.pixels)
    start = f"{example(census.exact)}: 0 is not annotated by `unlabeled_values`, and "
    if len(classes) < 2 and num_named is None:
        only = "no other value occurs" if not classes else f"{classes[0]} is the only other value"
        return MaskValueError(
            f"{start}{only} in all masks (found {found}), so there is nothing to tell apart; mark "
            "some background as well, with a value of its own."
        )
    return MaskValueError(
        f"{start}the classes have to count up from 1, the background, to {num_named or 'the last'} "
        f"(found {found}); give the stored value of every class with `mask_values`."
    )


def refuse_unlabeled_noise(census: MaskCensus, settings: ReadingSettings) -> None:
    """Refuse an unlabelled value in masks that cannot hold one.

    Raises:
        SettingsError: If masks are colour-coded or JPEG.
    """
    for group, kind in ((census.lossy, "JPEG"), (census.colored, "colour-coded")):
        if group.num_masks or (kind == "colour-coded" and settings.mask_colors is not None):
            where = f"{example(group)}: " if group.num_masks else ""
            raise SettingsError(
                f"{where}masks that are {kind} have no unlabelled value; store class numbers as "
                "PNG, or leave `unlabeled_values` out."
            )
