"""What is kept of every run in small files, from which the page is drawn and a sweep goes on."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue

from ecs_med.config import TrainConfig
from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.files import make_folder, regular_file, write_text
from ecs_med.methods import fixed_settings
from ecs_med.metrics import Scores
from ecs_med.names import file_name
from ecs_med.records import Record
from ecs_med.runs import MethodFacts, RunFolder, TestCases, read_history
from ecs_med.sweep.plan import Cell
from ecs_med.sweep.state import read_metrics
from ecs_med_benchmarks.few_labels.signals import WrongHere, wrong_here
from ecs_med_benchmarks.machine import machine_in_words

__all__ = ["FewScores", "ModelScores", "ResultStore", "RunResult", "read_result"]

_FREE = TrainConfig.fields_affecting("place", "machine")
"""Settings in which a stored run may differ from a planned one: it may be from another machine."""


class FewScores(Record):
    """The scores of a model that the table shows, 0..1; `None` where undefined."""

    miou: float | None
    """Mean over the classes that occur."""
    foreground_iou: float | None
    """The same without background."""
    foreground_dice: float | None
    """Dice likewise."""
    dice_per_case: float | None
    """Mean over cases of their foreground Dice."""

    @classmethod
    def of(cls, scores: Scores | None) -> "FewScores | None":
        """Those among all scores."""
        if scores is None:
            return None
        return cls(**scores.model_dump(include=set(cls.model_fields)))


class ModelScores(Record):
    """Scores of one model of a run."""

    iteration: int
    """After which it was taken."""
    validation: FewScores | None
    """On all validation cases."""
    test: FewScores
    """On the test cases."""


class RunResult(Record):
    """One finished run, without weights and pictures."""

    remedy: ClassVar[str] = "take the line away, and start the benchmark again"

    name: str
    """Of the run folder: data set, method, steps, budget and seed."""
    dataset: str
    """Name of the protocol."""
    method: MethodFacts
    """The training method."""
    budget: str
    """Labelled budget as asked for."""
    seed: int
    """Of the run."""
    steps: int
    """Training steps."""
    num_cases: dict[str, int]
    """Labelled, unlabelled, validation and test cases."""
    chosen: ModelScores
    """Of the model that was chosen on validation."""
    last: ModelScores | None
    """Of the last model."""
    class_names: tuple[str, ...]
    """Background first."""
    test_cases: dict[str, tuple[int, ...]]
    """Confusion matrix of the chosen model by test case, row by row; row = reference."""
    wrong_here: WrongHere | None
    """How well its corrector finds errors; `None` without one."""
    seconds: float
    """Of training, validation included, by the clock on the wall."""
    validation_seconds: float
    """Of validation."""
    peak_memory_mb: int
    """Of the process."""
    finished: str
    """ISO 8601, UTC."""
    git_commit: str | None
    """Of the source tree."""
    machine: str
    """Processor, cores and system."""
    device: dict[str, str | int]
    """Type, name, threads."""
    versions: dict[str, str]
    """By package."""
    first_weights: str
    """Of the segmenter, in words."""
    warnings: tuple[str, ...]
    """What the run warned of."""
    settings: dict[str, JsonValue]
    """Every setting but those of places."""

    @property
    def confusions(self) -> dict[str, npt.NDArray[np.int64]]:
        """`(K, K)` counts by test case."""
        count = len(self.class_names)
        return {
            case: np.array(row, dtype=np.int64).reshape(count, count)
            for case, row in self.test_cases.items()
        }

    def differs_from(self, cell: Cell) -> str | None:
        """The first setting in which it is not the planned run, its value there and here.

        A setting that is newer than the result, and open by default, followed from the others.
        """
        try:
            own = TrainConfig.parse({**self.settings, "data": cell.config.data})
            ran = fixed_settings(own, with_defaults=True)
        except SettingsError as error:
            return str(error)
        for name, planned in fixed_settings(cell.config, with_defaults=True).items():
            newer = name not in ran and name.partition(".")[0] not in self.settings
            if name not in _FREE and not newer and planned != ran.get(name):
                return f"`{name}={ran.get(name)}`, not {planned}"
        return None


def read_result(cell: Cell, dataset: str) -> RunResult | None:
    """What the folder of a cell holds; `None` where its run is not finished.

    Raises:
        RunFolderError: If a file of a finished run is damaged.
    """
    metrics = read_metrics(cell.folder)
    if metrics is None:
        return None
    run = RunFolder(cell.folder)
    config, manifest = run.read_config(), run.read_manifest()
    cases = TestCases.read(run.test_cases_file).cases
    health = read_history(run.history_file, validation_only=True).pseudo_labels_at(
        metrics.best_iteration
    )
    counts = ("num_labeled", "num_unlabeled", "num_validation", "num_test")
    test, last = FewScores.of(metrics.test), metrics.last
    assert test is not None
    assert config.iterations is not None
    return RunResult(
        name=cell.name,
        dataset=dataset,
        method=manifest.method,
        budget=cell.labeled,
        seed=cell.seed,
        steps=config.iterations,
        num_cases={name[4:]: getattr(manifest.data, name) for name in counts},
        chosen=ModelScores(
            iteration=metrics.best_iteration,
            validation=FewScores.of(metrics.validation),
            test=test,
        ),
        last=last
        and ModelScores(
            iteration=last.iteration,
            validation=FewScores.of(last.validation),
            test=FewScores.of(last.test) or test,
        ),
        class_names=metrics.class_names,
        test_cases={case.case: tuple(sum(case.confusion, ())) for case in cases},
        wrong_here=wrong_here(
            metrics.corrector.validation.to_json() if metrics.corrector else None,
            health[1].to_json() if health else None,
        ),
        settings=config.model_dump(mode="json", exclude=set(config.fields_affecting("place"))),
        machine=machine_in_words(),
        first_weights=manifest.initialization.segmenter,
        **_of_manifest(manifest.to_json()),
    )


def _of_manifest(manifest: Mapping[str, Any]) -> dict[str, Any]:
    names = (
        *("seconds", "validation_seconds", "peak_memory_mb", "finished", "git_commit"),
        *("device", "versions", "warnings"),
    )
    return {name: manifest[name] for name in names}


class ResultStore:
    """Results of finished runs in files that can be committed: `runs/<data set>-<method>.jsonl`.

    Args:
        folder: Of the benchmark's results; it need not exist.

    Raises:
        RunFolderError: If a line is damaged; names file and field.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._results: dict[str, RunResult] = {}
        for path in sorted((folder / "runs").glob("*.jsonl")):
            for result in _read_lines(path):
                self._results[result.name] = result

    def find(self, cell: Cell) -> RunResult | None:
        """The stored result of a planned run, if it was made with the same settings."""
        result = self._results.get(cell.name)
        return None if result is None or result.differs_from(cell) else result

    def outdated(self, cells: Iterable[Cell]) -> list[str]:
        """Sentences on stored results of other settings than planned, which are made anew."""
        pairs = ((cell, self._results.get(cell.name)) for cell in cells)
        return [
            f"{cell.name}: the stored result is of {why}; it is run again."
            for cell, result in pairs
            if result is not None and (why := result.differs_from(cell))
        ]

    def add(self, result: RunResult) -> None:
        """Keep a result in the place of one of the same name, on the disk too.

        Raises:
            RunFolderError: If it cannot be written.
        """
        self._results[result.name] = result
        path = self._path_of(result)
        same = [each for each in self._results.values() if self._path_of(each) == path]
        ordered = sorted(same, key=lambda each: (each.budget, each.steps, each.seed))
        make_folder(path.parent)
        write_text(path, "".join(f"{each.to_line()}\n" for each in ordered))

    def _path_of(self, result: RunResult) -> Path:
        return self.folder / "runs" / file_name(f"{result.dataset}-{result.method.name}.jsonl")


def _read_lines(path: Path) -> list[RunResult]:
    try:
        lines = regular_file(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise RunFolderError(
            f"{path}: cannot be read ({error.strerror}); check the path and its permissions."
        ) from error
    return [RunResult.parse_json(line, path) for line in lines if line.strip()]
