"""Cross-validation: every case that has a mask is tested on once, patients undivided."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ecs_med.errors import BudgetError
from ecs_med.splits.ordering import Group, shuffled_groups
from ecs_med.types import Case

__all__ = ["Fold", "fold_groups", "put_together"]


@dataclass(frozen=True, slots=True)
class Fold:
    """One of several parts that take turns as the test set.

    Attributes:
        index: Which one, from 0.
        count: How many there are, at least 2.

    Raises:
        ValueError: If there is no such fold.
    """

    index: int
    count: int

    def __post_init__(self) -> None:
        if self.count < 2 or not 0 <= self.index < self.count:
            raise ValueError(f"there is no fold {self.index} of {self.count}")


def put_together(cases: Sequence[Case]) -> tuple[Case, ...]:
    """Cases without the parts that the data set gives to those that have masks.

    Images of a validation or test set without masks stay there, and so are left out as ever.
    """
    return tuple(case if case.mask is None else replace(case, partition=None) for case in cases)


def fold_groups(cases: Sequence[Case], fold: Fold) -> list[Group]:
    """The patients of a fold.

    Folds are the same for every seed, so that seeds differ in what they train on and not in what
    they are tested on. Patients come in an order that hashes of their names decide; each goes to
    the fold that has the fewest cases so far, of equal ones the first. Sizes differ by no more
    than the cases of one patient.

    Args:
        cases: All that have masks, in any order.
        fold: Which one.

    Raises:
        BudgetError: If there are fewer patients than folds, or only as many as there must be
            outside of the fold.

    Example:
        >>> from pathlib import Path
        >>> from ecs_med.types import Case
        >>> cases = [Case(name, (Path(name),), Path(name)) for name in "abcdef"]
        >>> [len(fold_groups(cases, Fold(k, 3))) for k in range(3)]
        [2, 2, 2]
    """
    groups = shuffled_groups(cases, "fold", None)
    if len(groups) < fold.count:
        noun = "case" if all(len(group) == 1 for group in groups) else "patient"
        raise BudgetError(
            f"`folds={fold.count}` is more than the {len(groups)} {noun}{'s' * (len(groups) != 1)} "
            "with masks; ask for fewer folds."
        )
    sizes = [0] * fold.count
    chosen: list[Group] = []
    for group in groups:
        smallest = sizes.index(min(sizes))
        sizes[smallest] += len(group)
        if smallest == fold.index:
            chosen.append(group)
    return chosen
