"""Scoring a trained run on a data set: which cases count, and the files that keep the scores."""

import csv
import io
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ecs_med.config import ReadingSettings
from ecs_med.data.layout import open_data
from ecs_med.data.masks.other_sets import scheme_of_other_masks
from ecs_med.errors import DataError
from ecs_med.files import RESULT_REMEDY, make_folder, write_json, write_text, written_together
from ecs_med.inference.evaluate import CaseScores, Evaluation, evaluate_cases
from ecs_med.inference.model import Model
from ecs_med.inference.orientation import orientation_notes
from ecs_med.inference.storing import load_model
from ecs_med.inference.trained_data import TrainedData
from ecs_med.metrics import absent_sentence
from ecs_med.names import as_cell
from ecs_med.runs.outputs import claim_folder, mark_files, own_outputs
from ecs_med.splits import Role
from ecs_med.types import Case

__all__ = [
    "EvaluationReport",
    "Selection",
    "evaluate",
    "open_as_trained",
    "select_cases",
    "write_evaluation",
]

EvaluatedPart = Literal["train", "validation", "test", "all"]

CASES_FILE = "cases.csv"
SCORES_FILE = "evaluation.json"

_ROLES: dict[str, tuple[Role, ...]] = {
    "train": ("labeled", "unlabeled"),
    "validation": ("validation",),
    "test": ("test",),
}


@dataclass(frozen=True, slots=True)
class Selection:
    """The cases that are scored.

    Attributes:
        cases: All of them with masks; never empty.
        part: What they are.
        note: How they were chosen, one sentence.
        warnings: What makes the scores other than they seem, one sentence each.
        in_place: Whether the data lie where they lay in training.
    """

    cases: tuple[Case, ...]
    part: EvaluatedPart
    note: str
    warnings: tuple[str, ...] = ()
    in_place: bool = False


@dataclass(frozen=True, slots=True)
class EvaluationReport:
    """A run's scores on a data set.

    Attributes:
        run: Run folder of the model.
        data: Folder or list file.
        selection: The cases that were scored.
        evaluation: Their scores.
    """

    run: Path
    data: Path
    selection: Selection
    evaluation: Evaluation

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the scores other than they seem, one sentence each."""
        scores, absent = self.evaluation.scores, self.evaluation.absent_classes
        cases = f"the {scores.num_cases} cases" if scores.num_cases > 1 else "the one case"
        told = absent_sentence(absent, scores.class_names, cases)
        return (*self.selection.warnings, *([told] if told else []))

    def to_dict(self) -> dict[str, Any]:
        """The scores with the keys of `metrics.json`, and what they were taken of."""
        return {
            "model": str(self.run),
            "data": str(self.data),
            "partition": self.selection.part,
            "note": self.selection.note,
            "warnings": list(self.warnings),
            **self.evaluation.scores.to_json(),
        }


def evaluate(
    model: Model | Path | str,
    data: Path | str,
    *,
    partition: EvaluatedPart | None = None,
    reading: Mapping[str, Any] | None = None,
    on_case: Callable[[int, int], None] | None = None,
) -> EvaluationReport:
    """Score a model on the labelled cases of a data set; surface distances too, in volumes.

    Args:
        model: A trained model, or its run folder.
        data: Folder or list file.
        partition: Which cases; `None`: see `select_cases`.
        reading: Values for `ReadingSettings` where the data are not read as those of training:
            another layout, other stored mask values.
        on_case: Called after each case with the number done and the number of all.

    Raises:
        DataError: If there is no case to score, or a file cannot be read.
        SettingsError: If the cases are of another kind than the model was trained on.

    Example:
        >>> import ecs_med
        >>> report = ecs_med.evaluate(run, folder)
        >>> report.selection.note, 0 <= report.evaluation.scores.miou <= 1
        ('scored on 4 test cases (the data that the run was trained on)', True)
    """
    model = model if isinstance(model, Model) else load_model(model)
    data = Path(data)
    selection = select_cases(model.run, data, partition, reading)
    scans = [case.images for case in selection.cases]
    told = orientation_notes(model.run, model.spec, scans)
    selection = replace(selection, warnings=(*selection.warnings, *told))
    settings = ReadingSettings.parse(reading or {})
    scheme, how = scheme_of_other_masks(
        [case.mask for case in selection.cases if case.mask is not None],
        model.spec.labels,
        settings,
        images=[case.images for case in selection.cases if case.mask is not None],
        own=selection.in_place,
    )
    if how:
        selection = replace(selection, note=f"{selection.note}; {how}")
    numbers = itertools.count(1)

    def count(_: CaseScores) -> None:
        if on_case is not None:
            on_case(next(numbers), len(selection.cases))

    evaluation = evaluate_cases(model, selection.cases, surface=True, labels=scheme, on_case=count)
    return EvaluationReport(model.run, data, selection, evaluation)


def select_cases(
    run: Path,
    data: Path,
    partition: EvaluatedPart | None = None,
    reading: Mapping[str, Any] | None = None,
) -> Selection:
    """Decide which cases of a data set a run is scored on.

    Of the run's own training data, the run's split says what is training, validation and test,
    and the default is the test. Own are the data in the folder of the training, and those in
    another one whose every labelled case is known by its contents. Of other data, the layout says
    it, and the default is every case that has a mask; cases among them that the run was trained on
    are warned of.

    Args:
        run: Run folder.
        data: Folder or list file.
        partition: Which cases.
        reading: Values for `ReadingSettings`, laid over those of training for the run's own data.

    Raises:
        DataError: If no case with a mask is left, or a case of the run's split is gone.
    """
    trained = TrainedData.of(run)
    stays = trained.lies_in(data)
    cases = open_as_trained(data, trained, reading or {}, own=stays)
    known = trained.recognized(cases, by_place=stays)
    own = trained.has_split and (stays or trained.covers(cases, known))
    why = "as asked for"
    if partition is None:
        tested = own and (stays or "test" in known.values())
        partition = "test" if tested else "all"
        where = "" if stays else f", known by {trained.known_by}"
        own_data = f"the data that the run was trained on{where}"
        why = own_data if tested else "every mask there is"
    if stays:
        trained.refuse_missing(cases, _ROLES.get(partition, ()), data)
    chosen = _chosen(cases, known if own else None, partition)
    masked = tuple(case for case in chosen if case.mask is not None)
    if not masked:
        which = "case" if partition == "all" else f"{partition} case"
        raise DataError(f"{data}: no {which} with a mask to score; choose another `partition`.")
    what = "labelled" if partition == "all" else partition
    noun = "case" if len(masked) == 1 else "cases"
    note = f"scored on {len(masked)} {what} {noun} ({why})"
    warnings = trained.warnings(masked, known, partition)
    return Selection(masked, partition, note, tuple(warnings), stays)


def open_as_trained(
    data: Path, trained: TrainedData, reading: Mapping[str, Any], *, own: bool
) -> tuple[Case, ...]:
    """The cases, read as those of training where they are these, perhaps in another place."""
    as_trained = ReadingSettings.parse({**trained.reading, **reading})
    if own:
        return open_data(data, as_trained).cases
    try:
        return open_data(data, ReadingSettings.parse(dict(reading))).cases
    except DataError:
        return open_data(data, as_trained).cases


def write_evaluation(report: EvaluationReport, folder: Path) -> None:
    """Write `evaluation.json` and `cases.csv` (one row per case; undefined scores are empty).

    Raises:
        RunFolderError: If a file cannot be written.
    """
    claim_folder(make_folder(folder), {CASES_FILE, SCORES_FILE})
    table = io.StringIO(newline="")
    rows = report.evaluation.rows()
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(table, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: as_cell(v) if isinstance(v, str) else v for k, v in row.items()})
    with written_together():
        write_text(folder / CASES_FILE, table.getvalue(), remedy=RESULT_REMEDY)
        write_json(folder / SCORES_FILE, report.to_dict(), remedy=RESULT_REMEDY)
    if not own_outputs(folder).whole:
        mark_files([folder / CASES_FILE, folder / SCORES_FILE])


def _chosen(
    cases: Iterable[Case], roles: Mapping[str, Role] | None, partition: EvaluatedPart
) -> list[Case]:
    if partition == "all":
        return list(cases)
    if roles is None:
        return [case for case in cases if case.partition == partition]
    return [case for case in cases if roles.get(case.id) in _ROLES[partition]]
