"""Cases that show the same: equal pictures under two names, links, frames of one file."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from ecs_med.data.checks.facts import CaseFacts

__all__ = ["equal_pictures", "joined_cases"]


def equal_pictures(facts: Iterable[CaseFacts]) -> list[list[CaseFacts]]:
    """Groups of two and more cases with equal pixels, in the order of their first case."""
    groups: dict[str, list[CaseFacts]] = defaultdict(list)
    for fact in facts:
        if fact.is_readable:
            groups[fact.content.pixels].append(fact)
    return [group for group in groups.values() if len(group) > 1]


def joined_cases(facts: Sequence[CaseFacts]) -> tuple[tuple[str, ...], ...]:
    """Ids of cases that must not be divided among training and test.

    Returns:
        Groups of two and more: equal pictures, and the frames of one file.
    """
    files: dict[tuple[Path, ...], list[str]] = defaultdict(list)
    for fact in facts:
        files[fact.case.images].append(fact.case.id)
    frames = [tuple(ids) for ids in files.values() if len(ids) > 1]
    copies = [tuple(fact.case.id for fact in group) for group in equal_pictures(facts)]
    return tuple(dict.fromkeys((*copies, *frames)))
