"""Random but reproducible orders of patients, and how many of them reach a target."""

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence

from ecs_med.types import Case

__all__ = ["Group", "digest", "group_key", "nearest_prefix", "shuffled_groups", "take_nearest"]

Group = tuple[Case, ...]
"""Cases that stay together: one patient, or one case whose patient is not known."""


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
    groups: dict[str, list[Case]] = {}
    for case in sorted(cases, key=lambda case: case.id):
        groups.setdefault(group_key(case), []).append(case)
    keys = sorted(groups, key=lambda key: (digest(f"{seed}:{purpose}:{key}"), key))
    return [tuple(groups[key]) for key in keys]


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
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode()).digest()
