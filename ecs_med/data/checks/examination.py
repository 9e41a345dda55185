"""Examining a data set before any training: every file is decoded once, and what it told kept."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ecs_med.config import ReadingSettings
from ecs_med.data.checks.copies import joined_cases
from ecs_med.data.checks.facts import CaseFacts, DataSummary, gather_facts, summarize
from ecs_med.data.checks.kept import KeptExamination, file_of, key_of, read_kept, write_kept
from ecs_med.data.checks.set_checks import check_leaks, check_set
from ecs_med.data.masks.label_scheme import LabelScheme
from ecs_med.data.masks.reading import understand_masks
from ecs_med.errors import DataError
from ecs_med.types import CaseCollection, Problem

__all__ = ["Diagnosis", "diagnose", "examine"]

MAX_THREADS = 4
"""Each holds a whole case: more would need many GB where volumes are large."""
SEVERITIES = ("error", "warning", "note")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Diagnosis:
    """What an examination found.

    Attributes:
        problems: Errors first, then warnings, then notes, those that the layout found included.
        understood: Of these, how mask values were understood, or why not.
        of_the_set: Of these, what no single file shows, but equal pictures and shared patients.
        facts: Of every case, by its id.
        summary: Counts, sizes and classes.
        scheme: How stored mask values map onto classes; `None` without usable masks.
    """

    problems: tuple[Problem, ...]
    understood: tuple[Problem, ...]
    of_the_set: tuple[Problem, ...]
    facts: Mapping[str, CaseFacts]
    summary: DataSummary
    scheme: LabelScheme | None

    @property
    def num_errors(self) -> int:
        """Problems that make training wrong or impossible."""
        return sum(problem.severity == "error" for problem in self.problems)

    @cached_property
    def joined(self) -> tuple[tuple[str, ...], ...]:
        """Ids of cases that belong on one side of a split, see `joined_cases`."""
        return joined_cases(tuple(self.facts.values()))

    @property
    def class_pixels(self) -> dict[str, tuple[int, ...]]:
        """Pixels of each class, void left out, by the id of every case with a readable mask."""
        return {
            id_: fact.class_pixels[:-1]
            for id_, fact in self.facts.items()
            if fact.class_pixels is not None
        }


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
    cache: Path | None = None,
    anew: bool = False,
) -> Diagnosis:
    """Decode every file of a data set, collect its problems and sum it up.

    Files are read by several threads; at most one case per thread is in memory.

    Args:
        collection: What a layout found.
        settings: How masks are read; defaults to all automatic.
        progress: Called with the number of cases done and of all, from this thread; not where
            everything is known.
        cache: Folder in which it is kept what files told; with the same files nothing is decoded.
        anew: Decode in any case.
    """
    settings = settings or ReadingSettings()
    path = file_of(cache, collection, settings) if cache else None
    key = key_of(collection, settings) if path else ""
    kept = read_kept(path, collection, key) if path and not anew else None
    if kept is None:
        scheme, understood = _understand(collection, settings)
        facts = _gather_all(collection, scheme, settings.window, progress)
        kept = KeptExamination(key=key, scheme=scheme, understood=understood, facts=tuple(facts))
        if path:
            write_kept(path, kept)
    return _summed_up(collection, kept)


def _summed_up(collection: CaseCollection, kept: KeptExamination) -> Diagnosis:
    # Partition and patient are the collection's: they may change while no file does.
    pairs = zip(kept.facts, collection.cases, strict=True)
    facts = [replace(fact, case=case) for fact, case in pairs]
    of_the_set = tuple(check_set(collection, facts, kept.scheme))
    problems = [*collection.problems, *kept.understood]
    for fact in facts:
        problems += (*fact.problems, *fact.mask_problems)
    problems += (*of_the_set, *check_leaks(collection, facts))
    unique = dict.fromkeys(problems)
    return Diagnosis(
        problems=tuple(sorted(unique, key=lambda problem: SEVERITIES.index(problem.severity))),
        understood=kept.understood,
        of_the_set=of_the_set,
        facts={fact.case.id: fact for fact in facts},
        summary=summarize(collection, facts, kept.scheme),
        scheme=kept.scheme,
    )


def _understand(
    collection: CaseCollection, settings: ReadingSettings
) -> tuple[LabelScheme | None, tuple[Problem, ...]]:
    drawn = [(case.mask, case.images) for case in collection.cases if case.mask is not None]
    if not drawn:
        return None, ()
    masks, images = zip(*drawn, strict=True)
    try:
        scheme, found = understand_masks(masks, settings, collection.labels, images)
    except DataError as error:
        return None, (Problem.from_error(error, masks),)
    # Masks that cannot be read are found again, case by case.
    return scheme, tuple(problem for problem in found if problem.severity != "error")


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
