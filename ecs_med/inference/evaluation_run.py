"""Scoring a trained run on a data set: which cases count, and the files that keep the scores."""

import csv
import io
import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ecs_med.config import ReadingSettings, TrainConfig
from ecs_med.data.layout import open_data
from ecs_med.data.masks.reading import LabelScheme, understand_masks
from ecs_med.errors import DataError, SettingsError
from ecs_med.files import RESULT_REMEDY, make_folder, write_json, write_text, written_together
from ecs_med.inference.evaluate import CaseScores, Evaluation, evaluate_cases
from ecs_med.inference.model import Model, load_model
from ecs_med.names import as_cell
from ecs_med.runs import RunFolder
from ecs_med.runs.outputs import claim_folder, mark_files, own_outputs
from ecs_med.splits import Role, SplitDocument
from ecs_med.types import Case

__all__ = ["EvaluationReport", "Selection", "evaluate", "select_cases", "write_evaluation"]

EvaluatedPart = Literal["train", "validation", "test", "all"]

CASES_FILE = "cases.csv"
SCORES_FILE = "evaluation.json"

_MASK_OPTIONS = ("mask_values", "mask_threshold", "mask_colors", "void_values")

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
    """

    cases: tuple[Case, ...]
    part: EvaluatedPart
    note: str


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

    def to_dict(self) -> dict[str, Any]:
        """The scores with the keys of `metrics.json`, and what they were taken of."""
        return {
            "model": str(self.run),
            "data": str(self.data),
            "partition": self.selection.part,
            "note": self.selection.note,
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
    scheme = _label_scheme(model, selection, reading or {})
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
    and the default is the test. Of other data, the layout says it, and the default is every case
    that has a mask.

    Args:
        run: Run folder.
        data: Folder or list file.
        partition: Which cases.
        reading: Values for `ReadingSettings`, laid over those of training for the run's own data.

    Raises:
        DataError: If no case with a mask is left, or a case of the run's split is gone.
    """
    files = RunFolder(run)
    config = TrainConfig.from_file(files.config_file) if files.config_file.is_file() else None
    own = config is not None and config.data.resolve() == data.resolve()
    trained = config.reading.model_dump() if config is not None and own else {}
    cases = open_data(data, ReadingSettings.parse({**trained, **(reading or {})})).cases
    roles = None
    if own and files.split_file.is_file():
        roles = SplitDocument.read(files.split_file).roles()
    if partition is None:
        partition = "test" if roles is not None else "all"
        why = "the data that the run was trained on" if roles is not None else "every mask there is"
    else:
        why = "as asked for"
    chosen = _chosen(cases, roles, partition, data)
    masked = tuple(case for case in chosen if case.mask is not None)
    if not masked:
        which = "case" if partition == "all" else f"{partition} case"
        raise DataError(f"{data}: no {which} with a mask to score; choose another `partition`.")
    what = "labelled" if partition == "all" else partition
    noun = "case" if len(masked) == 1 else "cases"
    return Selection(masked, partition, f"scored on {len(masked)} {what} {noun} ({why})")


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


def _label_scheme(
    model: Model, selection: Selection, reading: Mapping[str, Any]
) -> LabelScheme | None:
    """The scheme of masks that are stored in another way than those of training."""
    if not any(name in reading for name in _MASK_OPTIONS):
        return None
    names = model.spec.class_names
    settings = ReadingSettings.parse({"class_names": names, **reading})
    masks = [case.mask for case in selection.cases if case.mask is not None]
    scheme, _ = understand_masks(masks, settings)
    if scheme.num_classes != len(names):
        raise SettingsError(
            f"{model.run}: has {len(names)} classes ({', '.join(names)}), but the mask options "
            f"give {scheme.num_classes}; name one stored value for each class."
        )
    return scheme


def _chosen(
    cases: Iterable[Case],
    roles: dict[str, Role] | None,
    partition: EvaluatedPart,
    data: Path,
) -> list[Case]:
    if partition == "all":
        return list(cases)
    if roles is None:
        return [case for case in cases if case.partition == partition]
    known = {case.id: case for case in cases}
    ids = [id_ for id_, role in roles.items() if role in _ROLES[partition]]
    missing = [id_ for id_ in ids if id_ not in known]
    if missing:
        raise DataError(
            f"{data}: {missing[0]}, a {partition} case of the run, is not there any more; put it "
            "back, or score `partition=all`."
        )
    return [known[id_] for id_ in ids]
