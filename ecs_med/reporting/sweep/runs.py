"""Reads the run folders of a budget report: what is needed of each one, and nothing more."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecs_med.errors import RunFolderError
from ecs_med.reporting.run.history import number
from ecs_med.reporting.run.reading import inner, read_json, texts

__all__ = ["BudgetRun", "Failure", "SplitFacts", "collect_folders", "read_runs"]

Failure = tuple[str, str]
"""Name of a run and the sentence that says why it has no score."""

DRAWN_BY_SEED = "drawn by the seed"
"""Part of the note that a split carries where each seed has its own test or validation cases."""


@dataclass(frozen=True, slots=True)
class SplitFacts:
    """What has to be known of a split to compare runs.

    Attributes:
        test: Digest of the ids of the test cases.
        validation: The same of the validation cases.
        labeled: The same of the labelled cases.
        num_labeled: Labelled cases.
        num_unlabeled: Unlabelled training cases.
        num_test: Test cases.
        drawn_by_seed: Of `test` and `validation`, what the seed drew, so that it may differ
            between seeds.
        warnings: Warnings of the split.
    """

    test: str
    validation: str
    labeled: str
    num_labeled: int
    num_unlabeled: int
    num_test: int
    drawn_by_seed: frozenset[str]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BudgetRun:
    """A finished run as the report needs it.

    Attributes:
        folder: Run folder.
        method: Name of the training method.
        labeled: The budget as it was asked for, such as `1/8`.
        seed: Seed.
        miou: mIoU on the test cases, 0..1.
        iou_per_class: One per class, background first; `None` for a class that does not occur.
        class_names: As many.
        best_iteration: The iteration that validation chose; `None` where it was not recorded.
        split: Facts of `split.json`.
        config: `config.json`.
        manifest: `manifest.json`.
        test: The part `test` of `metrics.json`.
    """

    folder: Path
    method: str
    labeled: str
    seed: int
    miou: float
    iou_per_class: tuple[float | None, ...]
    class_names: tuple[str, ...]
    best_iteration: int | None
    split: SplitFacts
    config: Mapping[str, Any]
    manifest: Mapping[str, Any]
    test: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the run folder."""
        return self.folder.name


def collect_folders(paths: Sequence[Path]) -> tuple[list[Path], list[Failure]]:
    """Run folders behind the arguments of a user, each once, in their order.

    Args:
        paths: Run folders, and sweep folders, which stand for the folders below their `runs/`.

    Returns:
        The folders, and the cells that a sweep plans and has not begun.

    Raises:
        RunFolderError: If a path is no folder.
    """
    folders: dict[Path, Path] = {}
    missing: list[Failure] = []
    for path in paths:
        if not path.is_dir():
            raise RunFolderError(f"{path}: no such run folder; check the path.")
        inside = path / "runs"
        if (path / "config.json").exists() or not inside.is_dir():
            folders.setdefault(path.resolve(), path)
            continue
        for folder in sorted(inside.iterdir()):
            if folder.is_dir() and not folder.name.startswith("."):
                folders.setdefault(folder.resolve(), folder)
        missing += _not_begun(path)
    return list(folders.values()), missing


def _not_begun(sweep: Path) -> list[Failure]:
    cells = read_json(sweep / "sweep.json")[0].get("cells")
    planned = [
        str(cell["folder"])
        for cell in (cells if isinstance(cells, list) else [])
        if isinstance(cell, Mapping) and cell.get("folder")
    ]
    return [
        (Path(folder).name, "The sweep plans this run and has not begun it.")
        for folder in planned
        if not (sweep / folder).is_dir()
    ]


def read_runs(folders: Sequence[Path]) -> tuple[list[BudgetRun], list[Failure]]:
    """Read run folders.

    Args:
        folders: Any number; 500 take a second or two.

    Returns:
        Finished runs, and those without a test score with the reason.

    Raises:
        RunFolderError: If a folder is not there or is no run folder, or a finished run lacks
            a file that says what it was trained on.
    """
    runs: list[BudgetRun] = []
    failures: list[Failure] = []
    splits: dict[str, SplitFacts] = {}
    for folder in folders:
        reason = _reason_without_score(folder)
        if reason:
            failures.append((folder.resolve().name, reason))
        else:
            runs.append(_read_run(folder, splits))
    return runs, failures


def _reason_without_score(folder: Path) -> str:
    """Why a folder has no score; empty where it has one."""
    known = ("config.json", "split.json", "metrics.json", "failure.json", "output.log")
    if not folder.is_dir() or not any((folder / name).exists() for name in known):
        raise RunFolderError(
            f"{folder}: not a run folder (no config.json in it); name folders that "
            "`ecs-med train` or `ecs-med budget` has written."
        )
    metrics, damage = read_json(folder / "metrics.json")
    if damage:
        return f"metrics.json {damage}."
    if metrics:
        scored = number(inner(metrics, "test").get("miou")) is not None
        return "" if scored else "The run has ended without a score on test cases."
    failure = read_json(folder / "failure.json")[0].get("sentence")
    return str(failure) if failure else "The run has stopped or is still going on."


def _read_run(folder: Path, splits: dict[str, SplitFacts]) -> BudgetRun:
    config = _required(folder / "config.json")
    metrics = _required(folder / "metrics.json")
    manifest, _ = read_json(folder / "manifest.json")
    test = inner(metrics, "test")
    per_class = test.get("iou_per_class")
    ious = tuple(map(number, per_class)) if isinstance(per_class, list) else ()
    names = texts(test.get("class_names")) or texts(metrics.get("class_names"))
    if len(names) != len(ious):
        names = tuple("background" if i == 0 else f"class {i}" for i in range(len(ious)))
    best, seed = number(metrics.get("best_iteration")), number(config.get("seed"))
    miou = number(test.get("miou"))
    assert miou is not None, "a folder without a score is not read"
    return BudgetRun(
        folder=folder.resolve(),
        method=str(config.get("method", "unknown")),
        labeled=str(config.get("labeled", "all")),
        seed=0 if seed is None else int(seed),
        miou=miou,
        iou_per_class=ious,
        class_names=names,
        best_iteration=None if best is None else int(best),
        split=_read_split(folder / "split.json", splits),
        config=config,
        manifest=manifest,
        test={key: value for key, value in test.items() if not isinstance(value, list)},
    )


def _required(path: Path) -> Mapping[str, Any]:
    content, damage = read_json(path)
    if not content:
        raise RunFolderError(
            f"{path}: {damage or 'is missing'}; leave this run out, or train it again."
        )
    return content


def _read_split(path: Path, known: dict[str, SplitFacts]) -> SplitFacts:
    """Facts of a split; runs of one seed and budget share their text, which is parsed once."""
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or "cannot be read"
        raise RunFolderError(f"{path}: {reason}; leave this run out, or train it again.") from error
    key = hashlib.sha256(content).hexdigest()
    if key not in known:
        known[key] = _split_facts(path, content)
    return known[key]


def _split_facts(path: Path, content: bytes) -> SplitFacts:
    ids: dict[str, list[str]] = {}
    try:
        document = json.loads(content)
        for case in document["cases"]:
            ids.setdefault(case["role"], []).append(case["id"])
        notes, warnings = texts(document.get("notes")), texts(document.get("warnings"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RunFolderError(
            f"{path}: is damaged; leave this run out, or train it again."
        ) from error
    digests = {
        role: hashlib.sha256("\n".join(sorted(ids.get(role, ()))).encode()).hexdigest()
        for role in ("test", "validation", "labeled")
    }
    return SplitFacts(
        **digests,
        num_labeled=len(ids.get("labeled", ())),
        num_unlabeled=len(ids.get("unlabeled", ())),
        num_test=len(ids.get("test", ())),
        drawn_by_seed=frozenset(
            part
            for part in ("test", "validation")
            if any(f"no {part} cases" in note and DRAWN_BY_SEED in note for note in notes)
        ),
        warnings=warnings,
    )
