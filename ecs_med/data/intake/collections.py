"""A data set of DICOM under names that name nobody."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from ecs_med.data.intake.links import LinkFolder
from ecs_med.data.intake.pseudonyms import Pseudonyms
from ecs_med.data.intake.resampling import resampled
from ecs_med.types import Case, CaseCollection, Problem

__all__ = ["with_grids", "with_hidden_names"]

_SHORTEST = 3


def with_hidden_names(collection: CaseCollection, identities: Mapping[str, str]) -> CaseCollection:
    """The same cases under hashes, their files as links, findings without a name.

    The folder that the user named stays as it is: a run has to find its data again.

    Args:
        collection: As a layout lists it.
        identities: What each case is known by, by its id; hidden as well.

    Raises:
        DataError: If links cannot be made, or the key cannot be read.
    """
    pseudonyms = Pseudonyms.local()
    links = LinkFolder(collection.root, pseudonyms)
    shown: dict[Path, Path] = {collection.root: collection.root}
    cases = []
    for case in collection.cases:
        name = pseudonyms.of("case", identities[case.id])
        images, mask = links.case(name, case.images, case.mask)
        shown.update(zip(case.images, images, strict=True))
        if case.mask is not None and mask is not None:
            shown.setdefault(case.mask, mask)
        patient = None if case.patient is None else pseudonyms.of("patient", case.patient)
        cases.append(replace(case, id=name, images=images, mask=mask, patient=patient))
    links.clear()
    names = _names(collection)
    problems = []
    for problem in collection.problems:
        path = problem.path
        if path is not None and path not in shown:
            shown[path] = links.other(path)
        problems.append(_told(problem, None if path is None else shown[path], names, pseudonyms))
    return replace(
        collection,
        cases=tuple(sorted(cases, key=lambda case: case.id)),
        problems=tuple(problems),
    )


def with_grids(collection: CaseCollection, identities: Mapping[str, str]) -> CaseCollection:
    """The same with each series that is no grid brought onto one, see `resampled`.

    Args:
        collection: As a layout lists it.
        identities: As of `with_hidden_names`.

    Raises:
        DataError: If a series cannot be read, or the result not be kept.
    """
    pseudonyms = Pseudonyms.local()
    links = LinkFolder(collection.root, pseudonyms)
    cases, problems = [], list(collection.problems)
    for case in collection.cases:
        found = resampled(case.images, links.folder(pseudonyms.of("case", identities[case.id])))
        cases.append(case if found is None else replace(case, images=(found,)))
        if found is not None:
            message = f"{len(case.images)} slices, tilted or uneven, are brought onto a grid"
            problems.append(Problem("note", message, path=case.images[0]))
    return replace(collection, cases=tuple(cases), problems=tuple(problems))


def _names(collection: CaseCollection) -> set[str]:
    """What files, folders and patients are called, where it is long enough to tell anything."""
    found: set[str] = set()
    for case in collection.cases:
        found.update((case.id, case.patient or ""))
        found.update(part for path in _files(case) for part in _below(path, collection.root))
    return {name for name in found if len(name) >= _SHORTEST}


def _files(case: Case) -> tuple[Path, ...]:
    return case.images if case.mask is None else (*case.images, case.mask)


def _below(path: Path, root: Path) -> tuple[str, ...]:
    return path.relative_to(root).parts if path.is_relative_to(root) else path.parts


def _told(problem: Problem, path: Path | None, names: set[str], pseudonyms: Pseudonyms) -> Problem:
    def hidden(text: str) -> str:
        quoted = sorted((name for name in names if name in text), key=len, reverse=True)
        for name in quoted:
            whole = rf"(?<!\w){re.escape(name)}(?!\w)"
            text = re.sub(whole, pseudonyms.of("name", name), text)
        return text

    return replace(
        problem, message=hidden(problem.message), remedy=hidden(problem.remedy), path=path
    )
