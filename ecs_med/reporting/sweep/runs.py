"""Reads the run folders of a budget report: what is needed of each one, and nothing more."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecs_med.config import TrainConfig
from ecs_med.errors import EcsMedError, RunFolderError
from ecs_med.runs import (
    DataContents,
    Failure,
    Manifest,
    MethodFacts,
    Metrics,
    RunFolder,
    SweepFolder,
)
from ecs_med.splits import SplitDocument

__all__ = ["FinishedRun", "SplitFacts", "Unfinished", "collect_folders", "read_runs"]

Unfinished = tuple[str, str]
"""Name of a run and the sentence that says why it has no score."""

DRAWN_BY_SEED = "drawn by the seed"
"""Part of the note that a split carries where each seed has its own test or validation cases."""


@dataclass(frozen=True, slots=True)
class SplitFacts:
    """What has to be known of a split to compare runs.

    Attributes:
        test: Digest of the ids of the cases, as are the next two.
        num_labeled: Labels: slices where these are labelled one by one, else cases.
        num_labeled_cases: Cases with a label.
        num_unlabeled: Cases without.
        labels_slices: Whether slices are labelled one by one.
        drawn_by_seed: Of `test` and `validation`, what the seed drew, so that it may differ
            between seeds.
    """

    test: str
    validation: str
    labeled: str
    num_labeled: int
    num_labeled_cases: int
    num_unlabeled: int
    num_test: int
    drawn_by_seed: frozenset[str]
    warnings: tuple[str, ...] = ()
    labels_slices: bool = False

    @property
    def num_training(self) -> int:
        """Cases to train on, labelled and unlabelled."""
        return self.num_labeled_cases + self.num_unlabeled

    @classmethod
    def of(cls, split: SplitDocument) -> "SplitFacts":
        """The facts of one split."""
        slices = split.slices()
        test, validation, labeled = (split.ids(role) for role in ("test", "validation", "labeled"))
        return cls(
            test=_digest(test),
            validation=_digest(validation),
            labeled=_digest(
                f"{id_} {slices[id_].axis} {slices[id_].layers}" if id_ in slices else id_
                for id_ in labeled
            ),
            num_labeled=split.num_slices or len(labeled),
            num_labeled_cases=len(labeled),
            num_unlabeled=len(split.ids("unlabeled")),
            num_test=len(test),
            drawn_by_seed=frozenset(
                part
                for part in ("test", "validation")
                if any(f"no {part} cases" in n and DRAWN_BY_SEED in n for n in split.notes)
            ),
            warnings=split.warnings,
            labels_slices=bool(slices),
        )


def _digest(ids: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run with a score on test cases.

    Attributes:
        contents: What its data held; `None` where the run did not keep it.
        parts: In cross-validation the run of each fold, of which this one is made; its folder,
            pictures and course of training are those of the first.
    """

    folder: Path
    config: TrainConfig
    manifest: Manifest
    metrics: Metrics
    split: SplitFacts
    contents: DataContents | None = None
    parts: "tuple[FinishedRun, ...]" = ()

    @property
    def name(self) -> str:
        """Name of the run folder."""
        return self.folder.name

    @property
    def method(self) -> MethodFacts:
        """The training method."""
        return self.manifest.method

    @property
    def labeled(self) -> str:
        """The budget as it was asked for, such as `1/8`."""
        return self.config.labeled

    @property
    def seed(self) -> int:
        """Seed."""
        return self.config.seed

    @property
    def miou(self) -> float:
        """On the test cases, 0..1."""
        assert self.metrics.test.miou is not None, "a run without a score is not read"
        return self.metrics.test.miou

    def iou_of(self, index: int) -> float | None:
        """IoU of a class on the test cases, 0..1; `None` where it does not occur."""
        values = self.metrics.test.iou_per_class
        return values[index] if index < len(values) else None


def collect_folders(paths: Sequence[Path]) -> tuple[list[Path], list[Unfinished]]:
    """Run folders behind the arguments of a user, each once, in their order.

    Args:
        paths: Run folders, and sweep folders, which stand for the runs that they have begun.

    Returns:
        The folders, and the cells that a sweep plans and has not begun.

    Raises:
        RunFolderError: If a path is no folder, or the plan of a sweep is damaged.
    """
    folders: dict[Path, Path] = {}
    missing: list[Unfinished] = []
    for path in paths:
        if not path.is_dir():
            raise RunFolderError(f"{path}: no such run folder; check the path.")
        inside = SweepFolder(path).runs
        if RunFolder(path).config_file.exists() or not inside.is_dir():
            folders.setdefault(path.resolve(), path)
            continue
        for folder in sorted(inside.iterdir()):
            if RunFolder(folder).is_run and not folder.name.startswith("."):
                folders.setdefault(folder.resolve(), folder)
        plan = SweepFolder(path).read_plan()
        missing += [
            (cell.folder.name, "The sweep plans this run and has not begun it.")
            for cell in (plan.cells if plan else ())
            if not RunFolder(path / cell.folder).is_run
        ]
    return list(folders.values()), missing


def read_runs(folders: Sequence[Path]) -> tuple[list[FinishedRun], list[Unfinished]]:
    """Read run folders.

    Returns:
        Finished runs, and those without a test score with the reason.

    Raises:
        RunFolderError: If a folder is not there or is no run folder, or a finished run lacks
            a file that says what it was trained on.
    """
    runs: list[FinishedRun] = []
    unfinished: list[Unfinished] = []
    splits: dict[str, SplitFacts] = {}
    contents: dict[str, DataContents] = {}
    for path in folders:
        folder = RunFolder(path.resolve())
        if not folder.is_run:
            raise RunFolderError(
                f"{path}: not a run folder (no config.json in it); name folders that "
                "`ecs-med train` or `ecs-med budget` has written."
            )
        scored = _read_metrics(folder)
        if isinstance(scored, str):
            unfinished.append((folder.path.name, scored))
        else:
            runs.append(_read_run(folder, scored, splits, contents))
    return runs, unfinished


def _read_metrics(folder: RunFolder) -> Metrics | str:
    """The scores of a run, or why it has none."""
    try:
        if folder.is_finished:
            metrics = folder.read_metrics()
            no_score = "The run has ended without a score on test cases."
            return no_score if metrics.test.miou is None else metrics
        if folder.failure_file.is_file():
            return Failure.read(folder.failure_file).sentence
    except RunFolderError as error:
        return str(error).removeprefix(f"{folder.path}/")
    return "The run has stopped or is still going on."


def _read_run(
    folder: RunFolder,
    metrics: Metrics,
    splits: dict[str, SplitFacts],
    contents: dict[str, DataContents],
) -> FinishedRun:
    try:
        return FinishedRun(
            folder=folder.path,
            config=folder.read_config(),
            manifest=folder.read_manifest(),
            metrics=metrics,
            split=_read_split(folder.split_file, splits),
            contents=_read_contents(folder, contents),
        )
    except EcsMedError as error:
        where = "" if str(folder.path) in str(error) else f"{folder.config_file}: "
        sentence = f"{where}{error}".removesuffix(".")
        raise RunFolderError(f"{sentence}, or leave this run out.") from error


def _read_split(path: Path, known: dict[str, SplitFacts]) -> SplitFacts:
    """Facts of a split; runs of one seed and budget share their text, which is parsed once."""
    key = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
    if key not in known:
        known[key] = SplitFacts.of(SplitDocument.read(path))
    return known[key]


def _read_contents(folder: RunFolder, known: dict[str, DataContents]) -> DataContents | None:
    """What the data held; runs on the same data share the file's text, which is parsed once."""
    path = folder.data_file
    if not path.is_file():
        return None
    key = hashlib.sha256(path.read_bytes()).hexdigest()
    if key not in known:
        known[key] = DataContents.read(path)
    return known[key]
