"""Which cases may be suggested: those without a label that are not held out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import open_data
from ecs_med.errors import DataError
from ecs_med.inference.evaluation_run import open_as_trained
from ecs_med.inference.trained_data import TrainedData
from ecs_med.runs import RunFolder
from ecs_med.splits import Role, SplitDocument
from ecs_med.types import Case, DeclaredLabels

__all__ = ["Candidates", "find_candidates"]

_HELD: tuple[Role, ...] = ("validation", "test")


@dataclass(frozen=True, slots=True)
class Candidates:
    """What may be suggested.

    Attributes:
        cases: Sorted by id, at least one.
        notes: What was left out and why, one sentence each.
        labels: Class name by stored value or colour, where the data set declares them.
        num_labeled: Cases with labels that the run was trained on; 0 where nothing says so.
    """

    cases: tuple[Case, ...]
    notes: tuple[str, ...]
    labels: DeclaredLabels | None = None
    num_labeled: int = 0


def find_candidates(
    data: Path, run: Path | None, reading: Mapping[str, Any] | None = None
) -> Candidates:
    """The cases that an expert may be asked for.

    With a run these are its unlabelled cases, recognised by their contents wherever they lie, and
    cases that it does not know and that have no mask; without a run all that have no mask. Cases
    of validation and test are none, by the run's split or the data set's own folders, and neither
    are other cases of their patients, whose labels would tell of them.

    Args:
        data: Folder or list file.
        run: Run folder of the model; `None` without one.
        reading: Values for `ReadingSettings`, laid over those of training for the run's own data.

    Raises:
        DataError: If nothing is left.
    """
    trained = None if run is None else TrainedData.of(run)
    cases, roles, labels = _known(data, trained, reading or {})
    held = {case.id for case in cases if _is_held(case, roles)}
    patients = {case.patient for case in cases if case.id in held}
    if run is not None and trained is not None and trained.has_split:
        document = SplitDocument.read(RunFolder(run).split_file)
        patients |= {case.patient for case in document.cases if case.role in _HELD}
    open_ones = [c for c in cases if c.id not in held and _is_unlabeled(c, roles)]
    chosen = [c for c in open_ones if c.patient is None or c.patient not in patients]
    notes = _notes(len(held), len(open_ones) - len(chosen), trained)
    if not chosen:
        without = "without a label" if trained else "without a mask"
        raise DataError(
            f"{data}: no case {without} that is not held out for validation or test; add images "
            "that nobody has annotated."
        )
    num_labeled = 0 if trained is None else list(trained.roles.values()).count("labeled")
    return Candidates(tuple(sorted(chosen, key=lambda case: case.id)), notes, labels, num_labeled)


def _known(
    data: Path, trained: TrainedData | None, reading: Mapping[str, Any]
) -> tuple[Sequence[Case], Mapping[str, Role], DeclaredLabels | None]:
    """The cases, what the run used them for, and without a run the classes that are declared."""
    if trained is None:
        found = open_data(data, ReadingSettings.parse(dict(reading)))
        return found.cases, {}, found.labels
    stays = trained.lies_in(data)
    cases = open_as_trained(data, trained, reading, own=stays)
    roles = trained.recognized(cases, by_place=stays)
    # A name that a held-out case has is enough to leave it out, though its file was changed.
    names = {c.id: trained.roles[c.id] for c in cases if trained.roles.get(c.id) in _HELD}
    return cases, {**roles, **names}, None


def _is_held(case: Case, roles: Mapping[str, Role]) -> bool:
    return roles.get(case.id) in _HELD or case.partition in _HELD


def _is_unlabeled(case: Case, roles: Mapping[str, Role]) -> bool:
    role = roles.get(case.id)
    return case.mask is None if role is None else role in ("unlabeled", "unused")


def _notes(held: int, of_patients: int, trained: TrainedData | None) -> tuple[str, ...]:
    notes = []
    if held:
        notes.append(
            f"{held} cases are in validation or test, or are called as one there, and are never "
            "suggested."
        )
    if of_patients:
        notes.append(
            f"{of_patients} unlabelled cases are of patients of validation or test, and are not "
            "suggested."
        )
    if trained is not None and not trained.has_split:
        notes.append(
            "The run folder has no split.json, so that nothing says which cases were tested on: "
            "only those without a mask are candidates."
        )
    return tuple(notes)
