"""The axes of a grid as a user writes them: budgets, methods, seeds."""

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from ecs_med.config import BASELINE_METHOD, DEFAULT_METHOD
from ecs_med.errors import BudgetError, SettingsError
from ecs_med.names import file_name
from ecs_med.splits import DRAWS, Count, Share, parse_labeled

__all__ = [
    "ALL_LABELS",
    "budget_key",
    "folder_name",
    "parse_budgets",
    "parse_draws",
    "parse_methods",
    "parse_seeds",
]

ALL_LABELS = "all"
"""How a budget of all labels is written."""

_Value = TypeVar("_Value", int, str)

_RANGE = re.compile(r"([0-9]{1,9})\s*\.\.\s*([0-9]{1,9})")
_MOST_SEEDS = 1000


def parse_budgets(text: str | Iterable[object]) -> tuple[str, ...]:
    """Budgets of a list such as `1/16,1/8,50%,1`.

    Each is what `labeled` takes, except that `1` is all labels: as `labeled` it is one
    case, which nobody means at the end of a row of shares.

    Args:
        text: Budgets with commas between them, or one by one.

    Returns:
        The budgets in the given order, those of all labels written `all`.

    Raises:
        BudgetError: If one is no budget, or two are the same.

    Example:
        >>> parse_budgets("1/16, 1/2, 1")
        ('1/16', '1/2', 'all')
    """
    budgets = [ALL_LABELS if part == "1" else part for part in _parts(text)]
    if not budgets:
        raise BudgetError("`budgets` is empty; write shares such as 1/16,1/8,1/4,1/2,1.")
    seen: dict[object, str] = {}
    names: dict[str, str] = {}
    for budget in budgets:
        key = budget_key(budget)
        if key in seen:
            raise BudgetError(
                f"`budgets`: {seen[key]} and {budget} are the same budget; leave one of them out."
            )
        seen[key] = budget
        other = names.setdefault(folder_name(budget), budget)
        if other != budget:
            raise BudgetError(
                f"`budgets`: {other} and {budget} would share a run folder; rename one of them."
            )
    return tuple(ALL_LABELS if budget_key(b) == Fraction(1) else b for b in budgets)


def budget_key(labeled: str) -> Fraction | int | Path:
    """What a budget stands for, equal for two ways of writing the same one.

    Args:
        labeled: As in `ecs_med.splits.parse_labeled`.

    Returns:
        A share as a `Fraction`, a number of cases as an `int`, a split file as its whole path.

    Raises:
        BudgetError: If it is no budget.
    """
    budget = parse_labeled(labeled)
    if isinstance(budget, Share):
        return budget.fraction
    return budget.count if isinstance(budget, Count) else budget.path.resolve()


def folder_name(labeled: str) -> str:
    """A budget as a part of a folder's name: `1/16` is `1-16`, `12.5%` is `12.5pct`."""
    budget = parse_labeled(labeled)
    text = labeled if isinstance(budget, Share | Count) else budget.path.stem
    return file_name(text.replace(" ", "").replace("%", "pct"))


def parse_draws(text: str | Iterable[object]) -> tuple[str, ...]:
    """Draws, and rules of `ecs-med suggest`, of a list with commas between them, or one by one.

    Raises:
        SettingsError: If there is none, one stands there twice, or is none.
    """
    from ecs_med.acquisition.base import ACQUISITIONS

    draws = _distinct(_parts(text), "`draws`", "random,doubt")
    known = {*DRAWS, *ACQUISITIONS.names()}
    wrong = next((draw for draw in draws if draw not in known), None)
    if wrong is not None:
        raise SettingsError(f"`draw={wrong}`; choose among {', '.join(sorted(known))}.")
    return draws


def parse_methods(text: str | Iterable[object]) -> tuple[str, ...]:
    """Methods of a list with commas between them, or given one by one.

    Raises:
        SettingsError: If there is none, or one stands there twice.
    """
    return _distinct(_parts(text), "`methods`", f"{BASELINE_METHOD},{DEFAULT_METHOD}")


def parse_seeds(text: str | Iterable[object]) -> tuple[int, ...]:
    """Seeds of `0..4` (both ends included), of `0,1,7`, of both mixed, or given one by one.

    Raises:
        SettingsError: If it is neither, names a seed twice, or more than 1,000 of them.

    Example:
        >>> parse_seeds("0..2,7")
        (0, 1, 2, 7)
    """
    seeds: list[int] = []
    for part in _parts(text):
        if part.isdecimal() and len(part) < 10:
            seeds.append(int(part))
        elif (match := _RANGE.fullmatch(part)) and int(match[1]) <= int(match[2]):
            if int(match[2]) - int(match[1]) >= _MOST_SEEDS:
                raise SettingsError(
                    f"`seeds={part}`: more than {_MOST_SEEDS} seeds; ask for fewer."
                )
            seeds += range(int(match[1]), int(match[2]) + 1)
        else:
            raise SettingsError(f"`seeds`: '{part}' is no seed; write 0..4 or 0,1,7.")
    return _distinct(seeds, "`seeds`", "0..4")


def _distinct(values: Sequence[_Value], name: str, example: str) -> tuple[_Value, ...]:
    if not values:
        raise SettingsError(f"{name} is empty; write for example {example}.")
    twice = next((v for place, v in enumerate(values) if v in values[:place]), None)
    if twice is not None:
        raise SettingsError(f"{name}: {twice} stands there twice; leave one of them out.")
    return tuple(values)


def _parts(text: str | Iterable[object]) -> list[str]:
    parts = text.split(",") if isinstance(text, str) else map(str, text)
    return [part.strip() for part in parts if part.strip()]
