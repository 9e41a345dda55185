"""Examining a data set before any training: every file is decoded once."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ecs_med.config import ReadingSettings
from ecs_med.data.checks.facts import CaseFacts, DataSummary, gather_facts, summarize
from ecs_med.data.checks.set_checks import check_set
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.reading import understand_masks
from ecs_med.errors import DataError
from ecs_med.types import CaseCollection, Problem

__all__ = ["Diagnosis", "diagnose", "examine"]

MAX_THREADS = 4
"""Each holds a whole case: more would need many GB where volumes are large."""
SEVERITIES = ("error", "warning", "note")

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What an examination found.

    Attributes:
        problems: Errors first, then warnings, then notes, those that the layout found included.
        summary: Counts, sizes and classes.
        scheme: How stored mask values map onto classes; `None` without usable masks.
    """

    problems: tuple[Problem, ...]
    summary: DataSummary
    scheme: LabelScheme | None

    @property
    def num_errors(self) -> int:
        """Problems that make training wrong or impossible."""
        return sum(problem.severity == "error" for problem in self.problems)


def examine(collection: CaseCollection, settings: ReadingSettings | None = None) -> list[Problem]:
    """All problems of a data set, those that its layout found included.

    Args:
        collection: What a layout found.
        settings: How masks are read; defaults to all automatic.

    Returns:
        Errors first, then warnings, then notes; empty if all is well.

    Example:
        >>> import ecs_med
        >>> {problem.severity for problem in ecs_med.examine(ecs_med.open_data(folder))}
        {'note'}
    """
    return list(diagnose(collection, settings).problems)


def diagnose(
    collection: CaseCollection,
    settings: ReadingSettings | None = None,
    *,
    progress: Progress | None = None,
) -> Diagnosis:
    """Decode every file of a data set, collect its problems and sum it up.

    Files are read by several threads; at most one case per thread is in memory.

    Args:
        collection: What a layout found.
        settings: How masks are read; defaults to all automatic.
        progress: Called with the number of cases done and of all, from this thread.
    """
    settings = settings or ReadingSettings()
    problems = list(collection.problems)
    scheme = _understand(collection, settings, problems)
    facts = _gather_all(collection, scheme, settings.window, progress)
    for fact in facts:
        problems += fact.problems
    problems += check_set(collection, facts, scheme)
    unique = dict.fromkeys(problems)
    ordered = sorted(unique, key=lambda problem: SEVERITIES.index(problem.severity))
    return Diagnosis(tuple(ordered), summarize(collection, facts, scheme), scheme)


def _understand(
    collection: CaseCollection, settings: ReadingSettings, problems: list[Problem]
) -> LabelScheme | None:
    masks = [case.mask for case in collection.cases if case.mask is not None]
    if not masks:
        return None
    try:
        scheme, found = understand_masks(masks, settings, collection.labels)
    except DataError as error:
        problems.append(Problem.from_error(error, masks))
        return None
    # Masks that cannot be read are found again, case by case.
    problems += [problem for problem in found if problem.severity != "error"]
    return scheme


def _gather_all(
    collection: CaseCollection,
    scheme: LabelScheme | None,
    window: tuple[float, float] | None,
    progress: Progress | None,
) -> Sequence[CaseFacts]:
    facts: list[CaseFacts] = []
    pool = ThreadPoolExecutor(min(MAX_THREADS, os.cpu_count() or 1))
    try:
        for fact in pool.map(lambda case: gather_facts(case, scheme, window), collection.cases):
            facts.append(fact)
            if progress is not None:
                progress(len(facts), len(collection.cases))
    finally:
        # Otherwise Ctrl-C would wait until all other cases are decoded.
        pool.shutdown(cancel_futures=True)
    return facts
