"""From listed cases to a collection: partitions, patients, and what is told of them all."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ecs_med.config import ReadingSettings
from ecs_med.errors import DataError, SettingsError
from ecs_med.types import Case, CaseCollection, Partition, Problem

__all__ = [
    "EXPECTED",
    "PARTITION_NAMES",
    "collect",
    "partition_of",
    "relative_path",
    "settle_partitions",
]

PARTITION_NAMES: dict[str, Partition] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("validation", "val", "valid", "dev"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
RULES = "none, folder, column, regex:PATTERN, auto"
EXPECTED = (
    "expected images/ beside masks/ (or labels/, annotations/), optionally inside train/,"
    " validation/, test/"
)


def collect(
    found: CaseCollection,
    settings: ReadingSettings,
    structural: Collection[str],
    *,
    folder: Path | None = None,
    column: Mapping[str, str] | None = None,
) -> CaseCollection:
    """Sort the cases of a layout, fill in their patients, and say how many are unlabelled.

    Args:
        found: Its cases have no patients yet.
        settings: `settings.patient` is the rule.
        structural: Lower-case folder names that belong to the layout (`images`, `train`)
            and are nobody's patient.
        folder: Below which patterns are searched; `None`: `found.root`.
        column: Patient by case id, from a list that has such a column; `None` where it has none.

    Returns:
        The same with a warning if the rule left some cases without a patient.

    Raises:
        SettingsError: If the rule is unknown, or its pattern is not a regular expression
            with exactly one group.
        DataError: If the rule applies to no case at all.
    """
    cases = sorted(found.cases, key=lambda case: case.id)
    root = folder or found.root
    patients = _patients(cases, root, settings.patient, structural, column)
    problems = [*found.problems]
    if patients is not None:
        cases = [replace(case, patient=name) for case, name in zip(cases, patients, strict=True)]
        problems += _missing_patients(cases, root, settings.patient)
    problems += _labeling_problems(cases, found.root)
    return replace(found, cases=tuple(cases), problems=tuple(problems))


def partition_of(relative: str) -> Partition | None:
    """The partition that the first fitting folder of a path names.

    Example:
        >>> partition_of("val/images")
        'validation'
    """
    for part in relative.lower().split("/"):
        if part in PARTITION_NAMES:
            return PARTITION_NAMES[part]
    return None


def settle_partitions(cases: Sequence[Case]) -> tuple[Case, ...]:
    """Make the partitions of a data set one statement.

    Where validation or test is given, unlabelled images outside of all
    partitions serve training. Where `train` is all that is given, nothing was
    held back yet and the partition says nothing, so it is dropped.
    """
    if not {"validation", "test"} & {case.partition for case in cases}:
        return tuple(replace(case, partition=None) if case.partition else case for case in cases)
    return tuple(
        replace(case, partition="train") if case.mask is None and not case.partition else case
        for case in cases
    )


def relative_path(path: Path, root: Path) -> str:
    """`path` below `root` with `/` between parts; the whole path if it lies elsewhere.

    Works on the text: nothing is resolved, so a link keeps the name that the user gave it.

    Example:
        >>> relative_path(Path("data/images/1.png"), Path("data"))
        'images/1.png'
    """
    text, base = path.as_posix(), root.as_posix().rstrip("/") + "/"
    return text.removeprefix(base)


def _patients(
    cases: Sequence[Case],
    root: Path,
    rule: str,
    structural: Collection[str],
    column: Mapping[str, str] | None,
) -> list[str | None] | None:
    """The patient of each case, where the rule names one; `None`: patients are not known."""
    if rule == "none" or (rule == "auto" and column is None):
        return None
    if rule in {"column", "auto"}:
        if column is None:
            raise DataError(
                f"{root}: no patient column here; `patient=column` needs a CSV or JSON list with"
                " a column named patient."
            )
        return [column.get(case.id) or None for case in cases]
    if rule == "folder":
        return [_folder_patient(case, root, structural) for case in cases]
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


def _folder_patient(case: Case, root: Path, structural: Collection[str]) -> str | None:
    folders = relative_path(case.images[0], root).split("/")[:-1]
    own = [name for name in folders if name.lower() not in structural]
    return own[-1] if own else None


def _missing_patients(cases: Sequence[Case], root: Path, rule: str) -> list[Problem]:
    missing = [case for case in cases if case.patient is None]
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


def _labeling_problems(cases: Sequence[Case], root: Path) -> list[Problem]:
    """Say how many cases are unlabelled; an error if all of them are."""
    num_unlabeled = sum(case.mask is None for case in cases)
    if num_unlabeled == len(cases):
        remedy = f"To train, add masks: {EXPECTED}"
        return [Problem("error", f"{len(cases)} image(s) and not one mask", remedy, root)]
    note = f"{num_unlabeled} of {len(cases)} images have no mask and count as unlabelled"
    return [Problem("note", note, path=root)] if num_unlabeled else []
