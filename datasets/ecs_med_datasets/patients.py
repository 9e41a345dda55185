"""Which patient a case belongs to, as the settings say."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ecs_med.config import ReadingSettings
from ecs_med.errors import DataError, SettingsError
from ecs_med.types import Case, Problem

__all__ = ["assign_patients", "relative_path"]

RULES = "none, folder, column, regex:PATTERN, auto"


def assign_patients(
    cases: Sequence[Case],
    root: Path,
    settings: ReadingSettings,
    *,
    structural: Collection[str] = (),
    column: Mapping[str, str] | None = None,
) -> tuple[tuple[Case, ...], list[Problem]]:
    """Fill in `Case.patient`.

    Args:
        cases: Cases without patients.
        root: Folder below which patterns are searched.
        settings: `settings.patient` is the rule.
        structural: Lower-case folder names that belong to the layout (`images`, `train`)
            and are nobody's patient.
        column: Patient by case id, from a list that has such a column; `None` where it has none.

    Returns:
        The cases, and a warning if the rule left some of them without a patient.

    Raises:
        SettingsError: If the rule is unknown, or its pattern is not a regular expression
            with exactly one group.
        DataError: If the rule applies to no case at all.
    """
    rule = settings.patient
    if rule == "none" or (rule == "auto" and column is None):
        return tuple(cases), []
    if rule in {"column", "auto"}:
        if column is None:
            raise DataError(
                f"{root}: no patient column here; --patient column needs a CSV or JSON list with"
                " a column named patient."
            )
        patients = [column.get(case.id) or None for case in cases]
    elif rule == "folder":
        patients = [_folder_patient(case, root, structural) for case in cases]
    elif rule.startswith("regex:"):
        pattern = _compile(rule.removeprefix("regex:"))
        matches = [pattern.search(relative_path(case.images[0], root)) for case in cases]
        patients = [(match[1] or None) if match else None for match in matches]
    else:
        raise SettingsError(f"--patient: '{rule}' is not one of {RULES}.")
    return _with_patients(cases, patients, root, rule)


def relative_path(path: Path, root: Path) -> str:
    """`path` below `root` with `/` between parts; the whole path if it lies elsewhere.

    Works on the text: nothing is resolved, so a link keeps the name that the user gave it.

    Example:
        >>> relative_path(Path("data/images/1.png"), Path("data"))
        'images/1.png'
    """
    text, base = path.as_posix(), root.as_posix().rstrip("/") + "/"
    return text.removeprefix(base)


def _compile(pattern: str) -> re.Pattern[str]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise SettingsError(
            f"--patient: '{pattern}' is no regular expression ({error}); an example that works is"
            r" 'regex:(patient\d+)'."
        ) from None
    if compiled.groups != 1:
        raise SettingsError(
            f"--patient: '{pattern}' has {compiled.groups} groups; put exactly one pair of"
            " parentheses around the part that names the patient."
        )
    return compiled


def _folder_patient(case: Case, root: Path, structural: Collection[str]) -> str | None:
    folders = relative_path(case.images[0], root).split("/")[:-1]
    own = [name for name in folders if name.lower() not in structural]
    return own[-1] if own else None


def _with_patients(
    cases: Sequence[Case], patients: Sequence[str | None], root: Path, rule: str
) -> tuple[tuple[Case, ...], list[Problem]]:
    num_missing = sum(patient is None for patient in patients)
    if cases and num_missing == len(cases):
        example = relative_path(cases[0].images[0], root)
        raise DataError(
            f"{root}: --patient {rule} gives no patient for any of {len(cases)} cases"
            f" (the first is {example}); correct the rule or use --patient none."
        )
    problems = []
    if num_missing:
        first = next(c for c, patient in zip(cases, patients, strict=True) if patient is None)
        problems.append(
            Problem(
                "warning",
                f"{num_missing} of {len(cases)} cases have no patient under --patient {rule},"
                " the first is this one; each counts as a patient of its own",
                "Correct the rule, or name the patients of these cases",
                first.images[0],
            )
        )
    assigned = (
        replace(case, patient=patient) for case, patient in zip(cases, patients, strict=True)
    )
    return tuple(assigned), problems
