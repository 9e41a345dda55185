"""Masks that are used for nothing, since somebody called them wrong: what `exclude` names."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ecs_med.data.checks.contents import CaseContent
from ecs_med.errors import BudgetError, SettingsError
from ecs_med.runs.decisions import DecisionFile, is_decision_file, some
from ecs_med.splits import read_case_list
from ecs_med.splits.specification import SPLIT_FILE_SUFFIXES
from ecs_med.types import Case

__all__ = ["excluded_masks"]


def excluded_masks(
    path: Path | None, cases: Sequence[Case], contents: Mapping[str, CaseContent]
) -> tuple[frozenset[str], list[str]]:
    """Read which masks were called wrong.

    Of `decisions.json` those count that were called wrong and are still the masks that somebody
    looked at. A list names ids or file names as a list of labelled cases does; where it has a
    column `decision`, as `audit.csv` has, its rows with `wrong` count.

    Args:
        path: The file; `None` for none.
        cases: All cases of the data set.
        contents: What each of them holds, by id.

    Returns:
        Ids of cases that have a mask, and a sentence where masks were changed since.

    Raises:
        SettingsError: If the file is not there.
        UnreadableFileError: If it is damaged.
        RunFolderError: If it is a damaged `decisions.json`.
        BudgetError: If it names something that is no case, or several.
    """
    if path is None:
        return frozenset(), []
    if path.suffix.lower() not in SPLIT_FILE_SUFFIXES or not path.is_file():
        raise SettingsError(
            f"{path}: no such list of masks; give decisions.json of an audit to `exclude`, or ids "
            "in a .txt or .csv file."
        )
    masked = {case.id for case in cases if case.mask is not None}
    if path.suffix.lower() == ".json" and is_decision_file(path):
        return _decided(path, masked, contents)
    listed = read_case_list(path, cases, decided="wrong")
    return frozenset(case.id for case in listed) & masked, []


def _decided(
    path: Path, masked: set[str], contents: Mapping[str, CaseContent]
) -> tuple[frozenset[str], list[str]]:
    decisions = DecisionFile.read(path)
    wrong = decisions.of("wrong")
    held, void, unknown = wrong.divided(contents)
    if unknown:
        raise BudgetError(
            f"{path}: {some(unknown)} {'is' if len(unknown) == 1 else 'are'} not in the data set; "
            "check that `data` is what was audited."
        )
    changed = [id_ for id_ in void if id_ in masked]
    notes = []
    if changed:
        notes.append(
            f"Masks that were changed since they were called wrong, and are used: {some(changed)}."
        )
    return frozenset(held) & masked, notes
