"""Whose image a case is: the rules of the setting `patient`, and what names say without one."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecs_med.errors import DataError, SettingsError
from ecs_med.types import Case, Problem
from ecs_med_datasets.naming import relative_path

__all__ = ["Patients", "find_patients"]

RULES = "none, folder, column, regex:PATTERN, auto"
FEWEST = 3
"""Fewer patients cannot be divided into training, validation and test."""
MANY_FOLDERS = 20
"""So many folders without a number in their names are hardly classes."""

_PERSONS = (
    *("patients?", "pat", "pt", "p", "cases?", "subjects?", "subj", "sub", "persons?", "volunteer"),
    *("individual", "animal", "donor", "mouse", "rat", "study", "exam", "examination", "series"),
    *("scans?", "videos?", "vid", "sequences?", "seq", "clips?"),
)
_PERSON_NAME = re.compile(
    rf"(?:.*[ _.-])?(?:{'|'.join(_PERSONS)})[ _.-]?\d+[a-z]?|TCGA[_-].*", re.IGNORECASE
)
_PART_NAME = re.compile(
    r"(?:.*[ _.-])?(?:folds?|splits?|parts?|batch|chunk|shard|set|dataset|data|class|label|category"
    r"|grade|stage|level|type|group|center|centre|site|hospital|birads|v|version|task)[ _.-]?\d+.*",
    re.IGNORECASE,
)
_PIECES = ("frame", "slice", "frm", "slc", "layer", "view", "tile", "patch", "crop", "img", "image")
_IN_NAMES = (
    *(rf"(?:^|/)([^/]+?)[\s_.-]+{piece}[\s_.-]*\d+[^/]*$" for piece in _PIECES),
    r"(?:^|/)(TCGA[_-]\w\w[_-]\w{4})[^/]*$",
    *(rf"(?:^|/)({person}[\s_.-]?\d+)[\s_.-]+[a-z]*\d+[^/]*$" for person in _PERSONS),
)
"""How names of images tell whose they are, each with one group; searched in the path."""
MOST = 0.9
"""A pattern fits a data set whose names fit it to this share."""


@dataclass(frozen=True, slots=True)
class Patients:
    """Whose the cases are.

    Attributes:
        names: Patient of each case, `None` where the rule names none for it; empty: nobody's.
        problems: What a person should know of that.
    """

    names: tuple[str | None, ...] = ()
    problems: tuple[Problem, ...] = ()


def find_patients(
    cases: Sequence[Case],
    root: Path,
    rule: str,
    structural: Collection[str],
    column: Mapping[str, str] | None,
) -> Patients:
    """The patient of each case by a rule.

    Without a rule (`auto`), folders that are called as patients are, such as `patient03`, count as
    patients; what only may be patients is told with the rule that would make them such.

    Args:
        cases: In order.
        root: Below which patterns are searched.
        rule: The setting `patient`.
        structural: Lower-case names of folders that are nobody's patient.
        column: Patient by case id, from a list that has such a column; `None` where it has none.

    Raises:
        SettingsError: If the rule is unknown, or its pattern is not a regular expression
            with exactly one group.
        DataError: If the rule applies to no case at all.
    """
    if rule == "none":
        return Patients()
    if rule == "auto" and column is None:
        return _automatic(cases, root, structural)
    names = _by_rule(cases, root, rule, structural, column)
    return Patients(tuple(names), tuple(_missing(names, cases, root, rule)))


def _by_rule(
    cases: Sequence[Case],
    root: Path,
    rule: str,
    structural: Collection[str],
    column: Mapping[str, str] | None,
) -> list[str | None]:
    if rule in {"column", "auto"}:
        if column is None:
            raise DataError(
                f"{root}: no patient column here; `patient=column` needs a CSV or JSON list with"
                " a column named patient."
            )
        return [column.get(case.id) or None for case in cases]
    if rule == "folder":
        own = [_own_folders(case, root, structural) for case in cases]
        return [folders[-1] if folders else None for folders in own]
    if not rule.startswith("regex:"):
        raise SettingsError(f"`patient`: '{rule}' is not one of {RULES}.")
    pattern = _compile(rule.removeprefix("regex:"))
    matches = [pattern.search(relative_path(case.images[0], root)) for case in cases]
    return [(match[1] or None) if match else None for match in matches]


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise SettingsError(
            f"`patient`: '{pattern}' is not a regular expression ({error}); one that works is"
            r" 'regex:(patient\d+)'."
        ) from None
    if compiled.groups != 1:
        raise SettingsError(
            f"`patient`: '{pattern}' has {compiled.groups} groups; put exactly one pair of"
            " parentheses around the part that names the patient."
        )
    return compiled


def _own_folders(case: Case, root: Path, structural: Collection[str]) -> list[str]:
    """Folders above a case that are not part of the layout, the outermost first."""
    folders = relative_path(case.images[0], root).split("/")[:-1]
    return [name for name in folders if name.lower() not in structural]


def _missing(
    names: Sequence[str | None], cases: Sequence[Case], root: Path, rule: str
) -> list[Problem]:
    missing = [case for case, name in zip(cases, names, strict=True) if name is None]
    if not missing:
        return []
    if len(missing) == len(cases):
        example = relative_path(cases[0].images[0], root)
        raise DataError(
            f"{root}: `patient={rule}` gives no patient for any of {len(cases)} cases"
            f" (the first is {example}); correct the rule or use `patient=none`."
        )
    return [
        Problem(
            "warning",
            f"{len(missing)} of {len(cases)} cases have no patient under `patient={rule}`,"
            " the first is this one; each counts as a patient of its own",
            "Correct the rule, or name the patients of these cases",
            missing[0].images[0],
        )
    ]


def _automatic(cases: Sequence[Case], root: Path, structural: Collection[str]) -> Patients:
    """Nobody is divided where the data set is so already, so nothing is looked for there."""
    if {case.partition for case in cases} & {"validation", "test"}:
        return Patients()
    own = [_own_folders(case, root, structural) for case in cases]
    named = [next(filter(_PERSON_NAME.fullmatch, folders), None) for folders in own]
    if all(named) and _divides(named):
        return Patients(tuple(named), (_grouped_note(named, root),))
    if all(named) and 1 < len(set(named)) < min(FEWEST, len(named)):
        return Patients(problems=(_too_few_warning(named, root),))
    innermost = [folders[-1] if folders else None for folders in own]
    if _may_be_patients(innermost):
        return Patients(problems=(_folders_warning(innermost, root),))
    return Patients(problems=tuple(_names_warning(cases, root)))


def _divides(names: Sequence[str | None]) -> bool:
    """Whether there are patients enough, and one with several cases."""
    counts = Counter(name for name in names if name)
    return len(counts) >= FEWEST and max(counts.values()) > 1


def _may_be_patients(names: Sequence[str | None]) -> bool:
    """Whether folders that are not called patients may be; classes, folds and sites are not."""
    found = {name for name in names if name}
    if not _divides(names) or any(_PART_NAME.fullmatch(name) for name in found):
        return False
    return all(re.search(r"\d", name) for name in found) or len(found) >= MANY_FOLDERS


def _grouped_note(names: Sequence[str | None], root: Path) -> Problem:
    found = sorted({name for name in names if name})
    message = (
        f"cases are grouped by the folders {found[0]}, {found[1]} and so on as {len(found)}"
        " patients, which are never divided between training and test; `patient=none` undoes that"
    )
    return Problem("note", message, path=root)


def _too_few_warning(names: Sequence[str | None], root: Path) -> Problem:
    found = sorted({name for name in names if name})
    message = (
        f"{len(found)} patients ({', '.join(found)}) are too few to be kept apart; images of one"
        " will be in training and in test, and scores better than they are"
    )
    remedy = "Add images of other patients, or say `patient=none` if they are none"
    return Problem("warning", message, remedy, root)


def _folders_warning(names: Sequence[str | None], root: Path) -> Problem:
    found = sorted({name for name in names if name})
    message = (
        f"images lie in {len(found)} folders ({', '.join(found[:3])}, ...); if each is a patient,"
        " images of one will be in training and in test, and scores better than they are"
    )
    remedy = "Say `patient=folder` to keep each folder together, `patient=none` if they are none"
    return Problem("warning", message, remedy, root)


def _names_warning(cases: Sequence[Case], root: Path) -> list[Problem]:
    """Where names of images tell whose they are, the pattern that reads it from them."""
    texts = [relative_path(case.images[0], root) for case in cases]
    sample = texts[:: max(1, len(texts) // 50)]
    for pattern in _IN_NAMES:
        compiled = re.compile(pattern, re.IGNORECASE)
        if sum(compiled.search(text) is not None for text in sample) < len(sample) / 2:
            continue
        groups: dict[str, list[str]] = defaultdict(list)
        for text in texts:
            if match := compiled.search(text):
                groups[match[1]].append(text)
        sizes = [len(members) for members in groups.values()]
        if sum(sizes) >= MOST * len(texts) and len(sizes) >= FEWEST and max(sizes) > 1:
            return [_pattern_warning(pattern, max(groups.values(), key=len), len(sizes), root)]
    return []


def _pattern_warning(pattern: str, together: Sequence[str], number: int, root: Path) -> Problem:
    examples = " and ".join(text.rpartition("/")[2] for text in together[:2])
    return Problem(
        "warning",
        f"names such as {examples} may be images of one patient ({number} patients then); they"
        " will be in training and in test, and scores better than they are",
        f"Say `patient='regex:(?i){pattern}'` to keep each patient's together, `patient=none` if"
        " they are not of one",
        root,
    )
