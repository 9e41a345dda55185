"""Which structures the masks of a data set have, and which value each gets."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ecs_med.config import ReadingSettings
from ecs_med.data.masks.census import MaskCensus
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.structures import NamedCounts, Structures, overlap_refused, plain_name
from ecs_med.errors import DataError, MaskValueError, SettingsError
from ecs_med.types import DeclaredLabels, Problem

__all__ = ["NamedClasses", "settle_structures", "with_structures_of"]

_NUM_SHOWN = 10
_TABLES = ("mask_values", "mask_threshold", "mask_colors")


@dataclass(frozen=True, slots=True)
class NamedClasses:
    """What the names in masks say of the classes of a data set.

    Attributes:
        structures: Value of each structure.
        settings: Those of the user, with class names and values as they were found.
        note: How masks are read, for the user.
        problems: What a person should know of it.
    """

    structures: Structures
    settings: ReadingSettings
    note: str
    problems: tuple[Problem, ...]


def settle_structures(
    census: MaskCensus, settings: ReadingSettings, declared: DeclaredLabels | None
) -> NamedClasses:
    """Give each structure one value for the whole data set, and count the masks by it.

    That value is the number that all files give to the name, where they do; else structures are
    numbered anew, from 1.

    Args:
        census: Its named masks are added to those of whole numbers.
        settings: Class names say which structures are meant, and in which order.
        declared: As of `understand_masks`; its names do the same where settings have none.

    Raises:
        SettingsError: If settings speak of stored values, or of a structure that no mask has.
        MaskValueError: If structures overlap and nothing says which one is meant.
        DataError: If numbers disagree and other masks have numbers alone.
    """
    given = next((name for name in _TABLES if getattr(settings, name) is not None), None)
    first = census.named[0].path
    if given is not None:
        raise SettingsError(
            f"`{given}` does not apply where masks name their structures, as {first} does; choose "
            "them with `class_names`."
        )
    numbers = _numbers_by_name(census.named)
    names = _chosen(numbers, settings, declared, census.named)
    if not names:
        raise MaskValueError(
            f"{first}: neither it nor any other annotation file has an object; annotate some."
        )
    values = _agreed_values(names, numbers)
    if values is None:
        _refuse_numbers_alone(census, numbers, names)
        values = tuple(range(1, len(names) + 1))
    told = settings.class_names is not None
    keys = [plain_name(name) for name in names]
    structures = Structures(values=dict(zip(keys, values, strict=True)), later_wins=told)
    background = settings.class_names[0] if settings.class_names else "background"
    shared = add_named(census, structures)
    note = f"masks name their structures: {', '.join(names[:_NUM_SHOWN])}"
    note += ", ..." if len(names) > _NUM_SHOWN else ""
    if shared:
        note += f"; {shared:,} pixels of several are of the one that comes last in `class_names`"
    updated = settings.model_copy(
        update={"mask_values": (0, *values), "class_names": (background, *names)}
    )
    return NamedClasses(structures, updated, note, tuple(_missing(census.named, names)))


def with_structures_of(scheme: LabelScheme, census: MaskCensus) -> LabelScheme:
    """A scheme that reads named masks as well, by its class names if by nothing else.

    The named masks of the census are counted by it.

    Raises:
        MaskValueError: As of `Structures.numbered`.
    """
    if not census.named:
        return scheme
    if scheme.structures is None and scheme.values is not None:
        names = [plain_name(name) for name in scheme.class_names[1:]]
        values = dict(zip(names, scheme.values[1:], strict=True))
        scheme = scheme.model_copy(update={"structures": Structures(values=values)})
    if scheme.structures is None:
        raise MaskValueError(
            f"{census.named[0].path}: names its structures, but masks of the model are read by "
            "colours or a threshold; give masks as they were in training."
        )
    add_named(census, scheme.structures)
    return scheme


def add_named(census: MaskCensus, structures: Structures) -> int:
    """Count named masks among those of whole numbers.

    Returns:
        Number of pixels that lie in several structures.

    Raises:
        MaskValueError: As of `Structures.numbered`.
    """
    shared = 0
    for mask in census.named:
        table = structures.table(mask.names, mask.overlaps, mask.path, drawn=mask.drawn)
        pixels: Counter[int] = Counter()
        for number, count in mask.pixels.items():
            value = table[number]
            if value is None:
                raise overlap_refused(
                    mask.names, mask.overlaps[number], count, structures.values, mask.path
                )
            pixels[value] += count
            meant = {table.get(part) for part in mask.overlaps.get(number, ())} - {0}
            shared += count if len(meant) > 1 else 0
        census.exact.add(dict(pixels), mask.path)
        census.unpaletted.update(pixels)
    return shared


def _numbers_by_name(masks: Sequence[NamedCounts]) -> dict[str, dict[int, NamedCounts]]:
    """The numbers that each name has, with a mask for each; by the name as it is first written."""
    written: dict[str, str] = {}
    found: dict[str, dict[int, NamedCounts]] = defaultdict(dict)
    for mask in masks:
        for number, name in mask.names.items():
            shown = written.setdefault(plain_name(name), " ".join(name.split()))
            found[shown].setdefault(number, mask)
    return found


def _chosen(
    numbers: Mapping[str, Mapping[int, NamedCounts]],
    settings: ReadingSettings,
    declared: DeclaredLabels | None,
    masks: Sequence[NamedCounts],
) -> tuple[str, ...]:
    """The structures that are classes, in class order."""
    wanted = settings.class_names[1:] if settings.class_names else ()
    if not wanted and declared:
        named = [name for value, name in declared.items() if value != 0]
        wanted = tuple(name for name in named if name.lower() != "ignore")
        if all(mask.drawn for mask in masks):
            return wanted  # whether anything of them was drawn or not
    if not wanted:
        agree = _agreed_values([*numbers], numbers) is not None
        by_name = not agree and all(mask.drawn for mask in masks)
        return tuple(sorted(numbers, key=lambda name: (0 if by_name else min(numbers[name]), name)))
    known = {plain_name(name) for name in numbers}
    strange = next((name for name in wanted if plain_name(name) not in known), None)
    if strange is not None:
        shown = ", ".join([*numbers][:_NUM_SHOWN])
        raise SettingsError(
            f"{masks[0].path}: neither it nor any other mask has a structure {strange}; they have "
            f"{shown}: choose of these with `class_names`, background first."
        )
    return wanted


def _agreed_values(
    names: Sequence[str], numbers: Mapping[str, Mapping[int, NamedCounts]]
) -> tuple[int, ...] | None:
    """The number of each name, where all masks agree; `None` where they do not."""
    by_key = {plain_name(name): found for name, found in numbers.items()}
    found = [by_key.get(plain_name(name), {}) for name in names]
    values = tuple(next(iter(of_name), 0) for of_name in found)
    agreed = all(len(of_name) == 1 for of_name in found) and len(set(values)) == len(values)
    return values if agreed else None


def _refuse_numbers_alone(
    census: MaskCensus, numbers: Mapping[str, Mapping[int, NamedCounts]], names: Sequence[str]
) -> None:
    """Refuse masks without names beside named ones that give different numbers to a structure."""
    others = [group for group in (census.exact, census.lossy, census.colored) if group.num_masks]
    if not others:
        return
    other = next(iter(others[0].example.values()))
    keys = {plain_name(name) for name in names}
    for name, found in numbers.items():
        if plain_name(name) in keys and len(found) > 1:
            (one, first), (two, second) = list(found.items())[:2]
            raise DataError(
                f"{first.path}: calls {name} {one}, but {second.path} calls it {two}, so that what "
                f"{other} means, which has numbers alone, is unknown; give all masks with names, "
                "or all with the same numbers."
            )
    raise DataError(
        f"{census.named[0].path}: files give one number to several structures, so that what "
        f"{other} means, which has numbers alone, is unknown; give all masks with names, or all "
        "with the same numbers."
    )


def _missing(masks: Sequence[NamedCounts], names: Sequence[str]) -> Iterator[Problem]:
    """Structures that some masks do not have, where a person may have left them undrawn."""
    masks = [mask for mask in masks if not mask.drawn]
    for name in names:
        key = plain_name(name)
        without = [m for m in masks if key not in {plain_name(own) for own in m.names.values()}]
        if without:
            yield Problem(
                "warning",
                f"has no structure {name}, as {len(without)} of {len(masks)} masks: all of it is "
                f"taken for something else than {name}",
                f"If {name} is there and was not drawn, leave the case out",
                without[0].path,
            )
