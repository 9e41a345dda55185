"""Many problems of one kind in few lines."""

import re
from collections.abc import Iterable

from ecs_med.types import Problem

__all__ = ["group_problems", "grouped_sentences"]

GROUP_ABOVE = 20


def group_problems(problems: Iterable[Problem]) -> list[list[Problem]]:
    """Put problems of one kind together where there are more than 20 of it.

    Kind is what remains of severity and remedy (of the message, for notes) without
    numbers and names that hold numbers.

    Returns:
        Groups in the order of their first problem; most have one member.
    """
    kinds: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        words = re.sub(r"\S*\d\S*", "#", problem.remedy or problem.message)
        kinds.setdefault((problem.severity, words), []).append(problem)
    groups: list[list[Problem]] = []
    for members in kinds.values():
        groups += [members] if len(members) > GROUP_ABOVE else [[member] for member in members]
    return groups


def grouped_sentences(problems: Iterable[Problem]) -> list[str]:
    """A sentence for each problem, or for many of one kind."""
    groups = group_problems(problems)
    return [
        f"{len(group)} files, such as {group[0].sentence()}" if len(group) > 1
        else group[0].sentence()
        for group in groups
    ]  # fmt: skip
