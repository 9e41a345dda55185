"""Reproducible orders of patients: at random, or by what their masks show.

Every order is a function of the seed, of names and of masks, and budgets are prefixes of it, so
that a smaller budget lies inside a larger one whatever the draw.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Literal, get_args

import numpy as np

from ecs_med.errors import BudgetError
from ecs_med.types import Case

__all__ = [
    "DRAWS",
    "GUIDED",
    "PERIOD",
    "Content",
    "Draw",
    "Group",
    "digest",
    "draw_note",
    "foreground_first",
    "group_key",
    "nearest_prefix",
    "next_with_foreground",
    "ordered_groups",
    "shuffled_groups",
    "take_nearest",
    "uniform",
]

Group = tuple[Case, ...]
"""Cases that stay together: one patient, or one case whose patient is not known."""

Draw = Literal["random", "foreground", "stratified"]
DRAWS: tuple[Draw, ...] = get_args(Draw)
"""Draws that are functions of seed, names and masks."""

Content = Mapping[str, Sequence[int]]
"""Pixels (or voxels) of each class by case id, background first, void left out."""

GUIDED, PERIOD = 2, 3
"""Two of three draws look for foreground: the 66 % of nnActive's foreground-aware baseline."""

_NUM_SIZES = 3
"""Strata by foreground size among the cases that show the same classes."""


def group_key(case: Case) -> str:
    """Key of the group of a case; a patient never shares it with a case of the same name."""
    return f"case:{case.id}" if case.patient is None else f"patient:{case.patient}"


def shuffled_groups(cases: Iterable[Case], purpose: str, seed: int | None) -> list[Group]:
    """Cases by patient, the patients in an order that only the seed and their names decide.

    The order is that of SHA-256 digests rather than a generator's permutation: it
    does not depend on how files are listed, on other patients, or on the version of
    Python or NumPy, so a subset that was published by its seed can be drawn again,
    and adding a patient leaves the order of the others as it was.

    Args:
        cases: In any order.
        purpose: Separates draws from each other, so that who is tested on tells
            nothing about who is labelled first.
        seed: Any integer; `None` for one fixed order.
    """
    keys, groups = _grouped(sorted(cases, key=attrgetter("id")))
    return [groups[place] for place in _by_digest(keys, f"{seed}:{purpose}:")]


def _grouped(cases: Sequence[Case]) -> tuple[list[str], list[Group]]:
    """The groups that cases form, and their keys."""
    if all(case.patient is None for case in cases):
        return [group_key(case) for case in cases], [(case,) for case in cases]
    groups: dict[str, Group] = {}
    several: dict[str, list[Case]] = {}
    for case in cases:
        key = group_key(case)
        if key in groups:
            several.setdefault(key, [*groups[key]]).append(case)
        else:
            groups[key] = (case,)
    groups |= {key: tuple(group) for key, group in several.items()}
    return list(groups), list(groups.values())


def _by_digest(keys: Sequence[str], start: str) -> list[int]:
    """Places of keys in the order of the digests of `start` and each."""
    digests = [digest(start + key) for key in keys]
    # As numbers, since a million digests compared as objects lie all over the memory.
    words = np.frombuffer(b"".join(digests), dtype=">u8").astype(np.uint64)
    first = words[:: len(digests[0]) // 8] if digests else words
    order: list[int] = first.argsort().tolist()
    if (np.diff(first[order]) > 0).all():
        return order
    # Names that differ in nothing but how their accents are stored have one digest.
    return sorted(range(len(keys)), key=lambda place: (digests[place], keys[place]))


def nearest_prefix(groups: Sequence[Group], target: int) -> int:
    """How many groups from the front come nearest to `target` cases, at least one.

    The distance to the target falls and then rises along the prefixes, so a larger
    target never gives a shorter prefix: budgets are nested. On a tie the shorter
    prefix wins.
    """
    taken, num_groups = 0, 0
    for group in groups:
        if num_groups and abs(taken + len(group) - target) >= abs(taken - target):
            break
        taken += len(group)
        num_groups += 1
    return num_groups


def take_nearest(
    groups: Sequence[Group], target: int, *, leave: int = 1
) -> tuple[list[Group], list[Group]]:
    """Divide groups in two, the first part as near to `target` cases as going through them allows.

    Unlike a budget this needs no nesting, so a patient with too many cases is passed
    over. At least one group is taken, the smallest if every one is too large, and at
    least `leave` are left where there are enough.

    Returns:
        The groups taken and the groups left, both in their order.
    """
    chosen: set[int] = set()
    taken = 0
    for position, group in enumerate(groups):
        if taken == target:
            break
        nearer = abs(taken + len(group) - target) < abs(taken - target)
        if nearer and len(chosen) < len(groups) - leave:
            chosen.add(position)
            taken += len(group)
    if not chosen and groups:
        chosen.add(min(range(len(groups)), key=lambda position: len(groups[position])))
    return (
        [group for position, group in enumerate(groups) if position in chosen],
        [group for position, group in enumerate(groups) if position not in chosen],
    )


def digest(text: str) -> bytes:
    """SHA-256 of a text: a stable stand-in for a random number."""
    # NFC, because some file systems hand out names in decomposed form.
    composed = text if text.isascii() else unicodedata.normalize("NFC", text)
    return hashlib.sha256(composed.encode()).digest()


def ordered_groups(
    cases: Iterable[Case], draw: Draw, seed: int | None, content: Content | None = None
) -> list[Group]:
    """Patients in the order in which they are labelled.

    - `random`: by hashes of seed and name.
    - `foreground`: of every three patients, two are the next at random that show a foreground
      class, the classes taking turns, and one is the next at random. It stands for annotators
      who pick images in which they see the target; published active-learning methods beat plain
      random and seldom this.
    - `stratified`: strata by the classes shown, and within these by thirds of foreground share;
      every prefix takes from each stratum in proportion to its size (systematic sampling).

    Args:
        cases: Training cases with masks.
        draw: Which order.
        seed: Seed of the run.
        content: Needed for all but `random`.

    Raises:
        BudgetError: If the content of a case is needed and missing.

    Source:
        Luth et al. 2025, nnActive (foreground-aware random sampling).
    """
    groups = shuffled_groups(cases, "labeled", seed)
    if draw == "random":
        return groups
    pixels = [_pixels(group, content or {}) for group in groups]
    if draw == "foreground":
        return [groups[i] for i in foreground_first(pixels)]
    return [groups[i] for i in _stratified(groups, pixels, seed)]


def draw_note(draw: Draw) -> str:
    """One sentence on how the labelled cases were chosen by a draw that is not random."""
    how = {
        "foreground": "two of three labelled cases were drawn among those that show a foreground "
        "class, the classes taking turns",
        "stratified": "the labelled cases were drawn from strata of shown classes and foreground "
        "size in proportion",
    }[draw]
    return (
        f"Draw {draw}: {how}; for this the masks of all training cases were looked at, as an "
        "annotator looks at images; training reads those in the budget alone."
    )


def _pixels(group: Group, content: Content) -> list[int]:
    try:
        rows = [content[case.id] for case in group]
    except KeyError as error:
        raise BudgetError(
            f"The mask of {error.args[0]} was not looked at, and this draw needs all; use "
            "`draw=random`."
        ) from None
    return [sum(column) for column in zip(*rows, strict=True)]


def foreground_first(pixels: Sequence[Sequence[int]]) -> list[int]:
    """Order in which of every three two show a foreground class, the classes taking turns.

    Args:
        pixels: Counts of each class, background first, by candidate in a random order.

    Returns:
        Places in `pixels`.
    """
    left = list(range(len(pixels)))
    num_classes = max((len(row) for row in pixels), default=1)
    turn = 0
    order: list[int] = []
    while left:
        position = 0
        if len(order) % PERIOD < GUIDED and num_classes > 1:
            position, turn = next_with_foreground(left, pixels, num_classes, turn)
        order.append(left.pop(position))
    return order


def next_with_foreground(
    left: Sequence[int], pixels: Sequence[Sequence[int]], num_classes: int, turn: int
) -> tuple[int, int]:
    """The next candidate that shows the class whose turn it is, else a later class.

    Args:
        left: Places in `pixels` of the candidates, in a random order.
        pixels: Counts of each class, background first.
        num_classes: Of which `num_classes` - 1 take turns.
        turn: Whose turn it is.

    Returns:
        Its place in `left`, and whose turn is next; 0 and `turn` where none shows a class.
    """
    for step in range(num_classes - 1):
        label = 1 + (turn + step) % (num_classes - 1)
        for place, index in enumerate(left):
            if pixels[index][label] > 0:
                return place, turn + step + 1
    return 0, turn


def _stratified(
    groups: Sequence[Group], pixels: Sequence[Sequence[int]], seed: int | None
) -> list[int]:
    by_classes: dict[tuple[bool, ...], list[int]] = {}
    for index, row in enumerate(pixels):
        by_classes.setdefault(tuple(count > 0 for count in row[1:]), []).append(index)
    keys: dict[int, float] = {}
    for shown, members in sorted(by_classes.items()):
        # Sizes are ranked and the ranks cut in thirds; ties go by the random order.
        ranked = sorted(members, key=lambda i: (_foreground_share(pixels[i]), i))
        num_sizes = min(_NUM_SIZES, len(ranked)) if any(shown) else 1
        for size in range(num_sizes):
            stratum = ranked[
                size * len(ranked) // num_sizes : (size + 1) * len(ranked) // num_sizes
            ]
            offset = uniform(f"{seed}:stratum:{shown}:{size}:{group_key(groups[stratum[0]][0])}")
            for place, index in enumerate(sorted(stratum)):
                keys[index] = (place + offset) / len(stratum)
    return sorted(keys, key=lambda index: (keys[index], index))


def _foreground_share(row: Sequence[int]) -> float:
    return sum(row[1:]) / max(1, sum(row))


def uniform(text: str) -> float:
    """A stable stand-in for a random number in 0..1."""
    return int.from_bytes(digest(text)[:8], "big") / 2**64
