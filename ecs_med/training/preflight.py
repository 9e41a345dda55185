"""What is said of data and split before any minute of training, and what stops a run.

Errors of files that a run uses stop it. Those of others, such as masks outside the budget, are
told as warnings, since training never reads them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from ecs_med.config import NUM_FOLDS, TrainConfig
from ecs_med.data.checks.examination import Diagnosis
from ecs_med.data.checks.facts import gather_facts
from ecs_med.data.checks.grouping import grouped_sentences
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.reading import understand_masks
from ecs_med.errors import BudgetError, DataError, RunFolderError
from ecs_med.inference.trained_data import TrainedData
from ecs_med.methods import method_class
from ecs_med.runs import DataContents, RunFolder
from ecs_med.splits import Draw, Fold, Role, Split, SplitDocument, draw_split, leak_warnings
from ecs_med.training.acquired import is_acquired, pick_for
from ecs_med.training.exclusion import excluded_masks
from ecs_med.types import Case, CaseCollection, Problem

__all__ = [
    "contents_of",
    "draw_for",
    "problems_of_run",
    "refuse_changed_data",
    "refuse_empty_draw",
    "refuse_errors",
    "scheme_for",
    "warnings_of",
    "warnings_of_split",
]

_READS_MASK: tuple[Role, ...] = ("labeled", "validation", "test")


def refuse_errors(problems: Iterable[Problem]) -> None:
    """Stop at the first error and say how many more there are.

    Raises:
        DataError: If there is one.
    """
    errors = list(dict.fromkeys(p for p in problems if p.severity == "error"))
    if errors:
        more = f" ({len(errors) - 1} more: run `ecs-med check`)" if len(errors) > 1 else ""
        raise DataError(errors[0].sentence() + more)


def draw_for(config: TrainConfig, collection: CaseCollection, found: Diagnosis) -> Split:
    """Draw the split of a run.

    Raises:
        DataError: If the draw looks at masks and one of them cannot be read.
        BudgetError: If the budget cannot be drawn, or `exclude` names what is no case.
    """
    content, pick = None, None
    if is_acquired(config):
        pick = pick_for(config, _roles_in(config.draw_from, config, found))
    elif config.draw != "random":
        refuse_errors(found.understood)
        refuse_errors(p for fact in found.facts.values() for p in fact.mask_problems)
        content = found.class_pixels
    contents = {id_: fact.content for id_, fact in found.facts.items()}
    excluded, changed = excluded_masks(config.exclude, collection.cases, contents)
    split = draw_split(
        collection.cases,
        config.labeled,
        config.seed,
        draw="random" if pick else cast(Draw, config.draw),
        content=content,
        has_validation=config.keep == "best",
        joined=found.joined,
        fold=None if config.fold is None else Fold(config.fold, config.folds or NUM_FOLDS),
        before=_roles_in(config.start_from, config, found),
        excluded=excluded,
        pick=pick,
    )
    return replace(split, warnings=(*split.warnings, *changed))


def _roles_in(run: Path | None, config: TrainConfig, found: Diagnosis) -> Mapping[str, Role]:
    """What an earlier run used these cases for; empty where there is none, or it knows none."""
    if run is None or not RunFolder(run).is_run:
        return {}
    trained = TrainedData.of(run)
    contents = (fact.content for fact in found.facts.values())
    return trained.roles_of(contents, by_place=trained.lies_in(config.data))


def scheme_for(
    config: TrainConfig, collection: CaseCollection, found: Diagnosis, split: Split
) -> tuple[LabelScheme, list[Problem]]:
    """The classes of a data set: as declared, else as all masks say, whatever was drawn.

    Only where masks that this run does not read spoil that, its own masks decide, which is told.

    Returns:
        The scheme, and findings.

    Raises:
        DataError: If the run's own masks cannot be understood.
    """
    if found.scheme is not None:
        return found.scheme, [p for p in found.understood if p.severity != "error"]
    roles = split.roles()
    used = [case for case in collection.cases if roles[case.id] in _READS_MASK and case.mask]
    masks, images = [c.mask for c in used if c.mask], [case.images for case in used]
    scheme, problems = understand_masks(masks, config.reading, collection.labels, images)
    return scheme, [*problems, *map(_unused, found.understood)]


def problems_of_run(
    found: Diagnosis, collection: CaseCollection, split: Split, config: TrainConfig
) -> list[Problem]:
    """Findings about files and set as far as they concern a run; others have no errors."""
    roles = split.roles()
    learns = method_class(config.method).uses_unlabeled
    problems = list(collection.problems)
    unread: set[Case] = set()
    for id_, fact in found.facts.items():
        role = roles[id_]
        if role == "unused" or (role == "unlabeled" and not learns):
            unread.add(fact.case)
        reads_image, reads_mask = fact.case not in unread, role in _READS_MASK
        problems += fact.problems if reads_image else map(_unused, fact.problems)
        problems += fact.mask_problems if reads_mask else map(_unused, fact.mask_problems)
    foreign = {path for case in unread for path in case.images}
    problems += (_unused(p) if p.path in foreign else p for p in found.of_the_set)
    return list(dict.fromkeys(problems))


def _unused(problem: Problem) -> Problem:
    if problem.severity != "error":
        return problem
    return replace(problem, severity="warning", message=f"not used by this run: {problem.message}")


def warnings_of(problems: Iterable[Problem]) -> list[str]:
    """A sentence for each warning, or for many of one kind."""
    return grouped_sentences(p for p in problems if p.severity == "warning")


def refuse_empty_draw(
    config: TrainConfig,
    collection: CaseCollection,
    found: Diagnosis,
    split: Split,
    scheme: LabelScheme,
    axes: tuple[str, str] = ("labeled", "seed"),
) -> None:
    """Refuse labelled cases without one pixel of a foreground class.

    Args:
        config: Settings of the run.
        collection: The data set.
        found: What its examination found.
        split: Of the run.
        scheme: Its classes.
        axes: What budget and seed are called where they were asked for.

    Raises:
        BudgetError: If there is nothing to learn from; names what helps.
    """
    facts = found.facts
    if found.scheme is None:
        roles = split.roles()
        mine = (case for case in collection.cases if roles[case.id] == "labeled")
        facts = {case.id: gather_facts(case, scheme) for case in mine}
    if any(facts[case.id].shows_foreground for case in split.labeled):
        return
    training = {id_ for id_, role in split.roles().items() if role in ("labeled", "unlabeled")}
    masked = [c.id for c in collection.cases if c.id in training and c.mask is not None]
    num_shown = sum(id_ in facts and facts[id_].shows_foreground for id_ in masked)
    drawn = "case" if len(split.labeled) == 1 else f"{len(split.labeled)} cases"
    labeled, seed = axes
    start = f"`{labeled}={config.labeled}` with `{seed}={config.seed}` takes {drawn}"
    if not num_shown:
        raise BudgetError(
            f"{start} without any foreground, and none of the {len(masked)} masks to train on has "
            "some, so there is nothing to learn; annotate cases that show what is looked for."
        )
    raise BudgetError(
        f"{start} without any foreground, so there is nothing to learn ({num_shown} of the "
        f"{len(masked)} masks to draw from show some); use `draw=foreground`, raise `{labeled}`, "
        f"or choose another `{seed}`."
    )


def warnings_of_split(
    found: Diagnosis, split: Split, scheme: LabelScheme, config: TrainConfig
) -> list[str]:
    """What a person should know of the parts of a split, one sentence each."""
    learns = method_class(config.method).uses_unlabeled
    sentences = leak_warnings(split, found.joined, learns_from_unlabeled=learns)
    for part, cases in (("validation", split.validation), ("test", split.test)):
        if found.scheme is not None and cases:
            absent = _absent_foreground(found, cases, scheme.class_names)
            sentences += _told_of_absent(absent, part, cases, scheme.num_classes)
    return sentences


def _absent_foreground(
    found: Diagnosis, cases: Sequence[Case], class_names: Sequence[str]
) -> list[str]:
    """Names of the foreground classes without a pixel in some cases, where these were counted."""
    counts = [found.facts[case.id].class_pixels for case in cases]
    known = [pixels for pixels in counts if pixels is not None]
    return [
        name
        for index, name in enumerate(class_names)
        if index and not any(pixels[index] for pixels in known)
    ]


def _told_of_absent(
    absent: Sequence[str], part: str, cases: Sequence[Case], num_classes: int
) -> list[str]:
    if not absent:
        return []
    given = any(case.partition == part for case in cases)
    how = f"add {part} cases that show some" if given else "choose another `seed` or label more"
    size = f"the {len(cases)} {part} cases" if len(cases) > 1 else f"the one {part} case"
    if len(absent) == num_classes - 1:
        what = f"None of {size} shows" if len(cases) > 1 else "The one {part} case does not show"
        what = what.replace("{part}", part)
        return [f"{what} any foreground, so the {part} score says nothing of it; {how}."]
    return [
        f"Not one pixel of {', '.join(absent)} is in {size}, so that its score counts "
        f"false alarms alone; {how}."
    ]


def contents_of(found: Diagnosis, scheme: LabelScheme) -> DataContents:
    """What the data hold, to be kept in the run folder."""
    return DataContents(labels=scheme, cases=tuple(fact.content for fact in found.facts.values()))


def refuse_changed_data(folder: RunFolder, before: DataContents, now: DataContents) -> list[str]:
    """Make sure that a run goes on with the data with which it began.

    Args:
        folder: The run folder.
        before: What it keeps of its data.
        now: What they hold now.

    Returns:
        What has changed in masks that the run does not use, one sentence or none.

    Raises:
        RunFolderError: If something else has changed: how much, and the first cases.
    """
    changes = before.changes_to(now)
    hidden = _without_used_mask(SplitDocument.read(folder.split_file).roles().items())
    if used := changes.but_masks_of(hidden):
        raise RunFolderError(
            f"{folder.path}: the data are not those with which this run began: {used.words()}; put "
            "them back as they were, or train anew with another `run`."
        )
    if changes:
        return [f"Since this run began, masks that it does not use changed: {changes.words()}."]
    return []


def _without_used_mask(roles: Iterable[tuple[str, Role]]) -> Collection[str]:
    return {id_ for id_, role in roles if role not in _READS_MASK}
