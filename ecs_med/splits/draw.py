"""From cases and a labelled budget to the split of one run."""

import os
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from numbers import Rational
from operator import attrgetter
from typing import NamedTuple

from ecs_med.errors import BudgetError
from ecs_med.memory import without_garbage_collection
from ecs_med.splits.case_list import read_case_list
from ecs_med.splits.continuing import continue_parts
from ecs_med.splits.document import Role, is_split_document
from ecs_med.splits.folds import Fold, put_together
from ecs_med.splits.joining import join_cases, joined_warnings
from ecs_med.splits.ordering import (
    Content,
    Draw,
    Group,
    draw_note,
    nearest_prefix,
    ordered_groups,
)
from ecs_med.splits.partition import Parts, divide
from ecs_med.splits.specification import Count, Share, SplitFile, parse_labeled
from ecs_med.splits.split import Split
from ecs_med.types import Case

__all__ = ["Pick", "Picked", "absent_classes", "absent_classes_warning", "draw_split"]


class Picked(NamedTuple):
    """Labelled cases that were chosen by something else than a draw."""

    ids: frozenset[str] | None
    """Their ids; `None`: they are to be drawn at random after all."""
    note: str
    """How they were chosen, one sentence."""


Pick = Callable[[Sequence[Case], int], Picked]
"""Chooses as many as asked for among training cases that have masks."""


@without_garbage_collection()
def draw_split(
    cases: Iterable[Case],
    labeled: str | float | Rational | os.PathLike[str],
    seed: int,
    *,
    draw: Draw = "random",
    content: Content | None = None,
    has_validation: bool = True,
    joined: Iterable[Sequence[str]] = (),
    fold: Fold | None = None,
    before: Mapping[str, Role] | None = None,
    excluded: Collection[str] = (),
    pick: Pick | None = None,
) -> Split:
    """Decide for every case whether it is labelled, unlabelled, validated or tested on.

    Training, validation and test are as the data set gives them, else as
    `ecs_med.splits.partition.divide` draws them. The budget is a share or a number
    of the training cases that have masks. They are ordered by patient, by hashes of
    the seed and the patient's name, and the front of that order is labelled: as many
    whole patients as come nearest to the target, at least one. So the subset of a
    smaller budget lies inside that of a larger one, no patient is divided, and
    neither the order of `cases` nor the machine matters. All other masks of training
    cases are hidden.

    With a file, its cases are the labelled ones; a `split.json` gives every role.

    Args:
        cases: All cases, ids unique.
        labeled: As in `parse_labeled`.
        seed: Draws the budget, and the parts that the data set does not give.
        draw: The order in which cases enter the budget, see `ordered_groups`; a file is taken
            as it is.
        content: Pixels per class of every training case that has a mask; needed unless the draw
            is `random`.
        has_validation: Whether a model is to be chosen on validation cases, see
            `ecs_med.splits.partition.divide`.
        joined: Groups of ids that belong together as if they were of one patient, such as equal
            pictures; of cases whose part the data set does not give.
        fold: Which cases are tested on in cross-validation, whatever part the data set gives them;
            the others that have masks are trained on and validated on.
        before: What the run that this one starts from used cases for, by id; its validation and
            test cases stay that, see `continue_parts`. Not with a `fold` or a split file.
        excluded: Ids of cases whose masks are used for nothing, since somebody called them wrong.
            The parts are drawn as if all were used, and the budget among the other masks.
        pick: Chooses the labelled cases instead of `draw`; budgets need not be nested then, and
            of a patient some cases may be labelled. Not with a file.

    Raises:
        BudgetError: If the budget is none, asks for more than there is, or leaves
            nothing to train on or to test on.
        UnreadableFileError: If a list of cases is damaged.
        RunFolderError: If a `split.json` is damaged.

    Example:
        >>> import ecs_med
        >>> split = ecs_med.draw_split(ecs_med.open_data(folder).cases, "1/5", seed=0)
        >>> len(split.labeled), len(split.unlabeled), len(split.test)
        (2, 8, 4)
    """
    everyone = _checked(cases)
    budget = parse_labeled(labeled)
    if isinstance(budget, SplitFile):
        if fold is not None:
            raise BudgetError(
                f"`fold` divides all cases that have masks, and {budget.path} says which ones are "
                "trained on; leave one of them out."
            )
        return _split_of_file(everyone, budget, seed, has_validation, joined, excluded)
    loose = everyone if fold is None else put_together(everyone)
    continued = continue_parts(loose, before if before and fold is None else {})
    grouped = join_cases(continued.cases, joined)
    parts = divide(grouped, seed, keep=continued.keep, has_validation=has_validation, fold=fold)
    parts.warnings += joined_warnings(grouped, continued.cases, parts)
    parts.notes += continued.notes
    parts.leave_out(continued.left_out)
    if loose != everyone:
        parts.notes.append("The data set's own parts are put together for this.")
    if excluded:
        parts.exclude(excluded)
    # Of the training cases equal ones may be divided into labelled and not, as published draws do.
    pool = {case.id for case in parts.pool}
    masked = [c for c in everyone if c.id in pool and c.mask is not None and c.id not in excluded]
    picked = pick(masked, budget.target(len(masked))) if pick is not None else None
    if picked is not None:
        parts.notes.append(picked.note)
        if picked.ids is not None:
            return _assemble(everyone, parts, set(picked.ids), seed, budget.text, excluded)
    chosen, warnings = _draw(ordered_groups(masked, draw, seed, content), budget)
    parts.warnings += warnings
    if draw != "random":
        parts.notes.append(draw_note(draw))
        if (
            1 < len(chosen) < len(masked)
            and chosen == _draw(ordered_groups(masked, "random", seed), budget)[0]
        ):
            parts.warnings.append(f"`draw={draw}` gives the same cases here as `draw=random`.")
    return _assemble(everyone, parts, chosen, seed, budget.text, excluded)


def _checked(cases: Iterable[Case]) -> tuple[Case, ...]:
    everyone = tuple(sorted(cases, key=attrgetter("id")))
    if not everyone:
        raise BudgetError("There are no cases to draw from; check `data`.")
    for case, following in pairwise(everyone):
        if case.id == following.id:
            raise BudgetError(f"The id {case.id} stands for several cases; ids have to be unique.")
    return everyone


def _draw(groups: Sequence[Group], budget: Share | Count) -> tuple[set[str], list[str]]:
    num_masked = sum(len(group) for group in groups)
    target = budget.target(num_masked)
    chosen = {case.id for group in groups[: nearest_prefix(groups, target)] for case in group}
    warnings = []
    if len(chosen) != target:
        warnings.append(
            f"`labeled={budget.text}` is {target} of {num_masked} cases; {len(chosen)} are "
            "labelled, because patients are not divided."
        )
    if isinstance(budget, Count) and budget.count == 1:
        warnings.append("`labeled=1` is one labelled case; all of them is 100% or all.")
    return chosen, warnings


def _split_of_file(
    everyone: Sequence[Case],
    budget: SplitFile,
    seed: int,
    has_validation: bool,
    joined: Iterable[Sequence[str]],
    excluded: Collection[str],
) -> Split:
    if budget.path.suffix.lower() == ".json" and is_split_document(budget.path):
        split = Split.read(budget.path, everyone)
        note = f"All roles are as in {budget.path.name}, drawn with seed {split.seed}."
        split = replace(split, seed=seed, asked=budget.text, notes=(*split.notes, note))
        return split.without(everyone, excluded) if excluded else split
    listed = read_case_list(budget.path, everyone)
    for case in listed:
        if case.partition in ("validation", "test"):
            raise BudgetError(
                f"{budget.path}: {case.id} is a {case.partition} case of the data set; "
                "list training cases only."
            )
        if case.mask is None:
            raise BudgetError(
                f"{budget.path}: {case.id} has no mask; add its mask or take it off the list."
            )
    chosen = {case.id for case in listed}
    grouped = join_cases(everyone, joined)
    parts = divide(grouped, seed, keep=chosen, has_validation=has_validation)
    parts.warnings += joined_warnings(grouped, everyone, parts)
    if excluded:
        parts.exclude(excluded)
        chosen -= set(excluded)
        if not chosen:
            raise BudgetError(f"{budget.path}: `exclude` takes all of its masks; list others.")
    return _assemble(everyone, parts, chosen, seed, budget.text, excluded)


def _assemble(
    everyone: Sequence[Case],
    parts: Parts,
    chosen: set[str],
    seed: int,
    asked: str,
    excluded: Collection[str],
) -> Split:
    roles: dict[str, Role] = dict.fromkeys([case.id for case in parts.pool], "unlabeled")
    roles |= dict.fromkeys(chosen, "labeled")
    held: Mapping[Role, Sequence[Case]]
    held = {"validation": parts.validation, "test": parts.test, "unused": parts.unused}
    for role, cases in held.items():
        roles |= dict.fromkeys([case.id for case in cases], role)
    return Split.from_roles(
        everyone,
        roles,
        seed=seed,
        asked=asked,
        notes=parts.notes,
        warnings=parts.warnings,
        excluded=excluded,
    )


def absent_classes(
    present: Mapping[str, Collection[int]], class_names: Sequence[str]
) -> tuple[str, ...]:
    """Names of the classes without one labelled pixel.

    Args:
        present: Class indices that occur in each labelled case, by case id; void and
            other indices outside the classes are passed over.
        class_names: In class order, background first.

    Example:
        >>> absent_classes({"a": {0, 1}, "b": {0, 255}}, ("background", "polyp", "tool"))
        ('tool',)
    """
    seen: set[int] = set().union(*present.values())
    return tuple(name for index, name in enumerate(class_names) if index not in seen)


def absent_classes_warning(
    present: Mapping[str, Collection[int]], class_names: Sequence[str]
) -> str | None:
    """What `absent_classes` finds in one sentence; `None` if it finds nothing."""
    absent = absent_classes(present, class_names)
    if not absent:
        return None
    noun = "class" if len(absent) == 1 else "classes"
    names = ", ".join(f"'{name}'" for name in absent)
    verb = "has" if len(absent) == 1 else "have"
    return (
        f"The {noun} {names} {verb} not one labelled pixel in the "
        f"{len(present)} labelled case{'' if len(present) == 1 else 's'} and cannot be learned; "
        "raise `labeled` or draw another subset with `seed`."
    )
