"""Cross-validation in a budget report: the runs of all folds together are one run."""

import hashlib
import statistics
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ecs_med.config import NUM_FOLDS
from ecs_med.errors import RunFolderError
from ecs_med.metrics import (
    Scores,
    dice_per_class,
    foreground_mean,
    known_mean,
    scores_from_confusion,
)
from ecs_med.reporting.sweep.runs import FinishedRun, SplitFacts, Unfinished
from ecs_med.runs import RunFolder, TestCases

if TYPE_CHECKING:
    from ecs_med.runs import Manifest

__all__ = ["pool_folds"]


def pool_folds(runs: Sequence[FinishedRun]) -> tuple[list[FinishedRun], list[Unfinished]]:
    """Put the runs of all folds of a method, budget and seed together.

    Each case is tested on in one fold, by a network that has not seen its mask. So the counts of
    all test cases add up to those of one run that is tested on every case: its scores come from
    the sum of all confusion matrices, as those of any run come from the sum over its cases. The
    mean of scores of folds would be another number.

    Args:
        runs: Finished runs, some or all of them of folds.

    Returns:
        Runs as they were, where they are of no fold, and one for every whole set of folds, whose
        `parts` are its runs; and the runs of sets of which a fold is missing, with the reason.
    """
    pooled = [run for run in runs if run.config.fold is None]
    groups: dict[tuple[str, str, str, int, int], dict[int, FinishedRun]] = {}
    for run in runs:
        if run.config.fold is not None:
            key = (run.method.name, run.config.draw, run.labeled, run.seed, _num_folds(run))
            _refuse_double(groups.setdefault(key, {}).setdefault(run.config.fold, run), run)
    left_out: list[Unfinished] = []
    for (*_, count), folds in groups.items():
        parts = [folds[fold] for fold in sorted(folds)]
        if len(parts) == count:
            try:
                pooled.append(_pooled(parts))
                continue
            except RunFolderError as error:
                reason = f"Its folds cannot be put together: {error}"
        else:
            missing = ", ".join(str(fold) for fold in range(count) if fold not in folds)
            reason = (
                f"Of its {count} folds {missing} {'is' if count - len(parts) == 1 else 'are'} not "
                "finished; cases are scored once all are."
            )
        left_out += [(run.name, reason) for run in parts]
    return pooled, left_out


def _num_folds(run: FinishedRun) -> int:
    return run.config.folds or NUM_FOLDS


def _refuse_double(other: FinishedRun, run: FinishedRun) -> None:
    if other is not run:
        raise RunFolderError(
            f"{other.folder} and {run.folder} are both fold {run.config.fold} of {run.method.name} "
            f"with budget {run.labeled} and seed {run.seed}; name one of them."
        )


def _pooled(parts: Sequence[FinishedRun]) -> FinishedRun:
    """One run that is tested on the cases of all folds.

    Raises:
        RunFolderError: If counts by case are missing, or a case is tested on twice.
    """
    first = parts[0]
    config = first.config.model_copy(update={"fold": None, "folds": _num_folds(first)})
    return replace(
        first,
        config=config,
        manifest=_manifest(parts),
        metrics=first.metrics.model_copy(
            update={"test": _scores(parts), "validation": None, "corrector": None, "last": None}
        ),
        split=_split(parts),
        parts=tuple(parts),
    )


def _scores(parts: Sequence[FinishedRun]) -> Scores:
    import torch

    names = parts[0].metrics.class_names
    rows = [row for part in parts for row in TestCases.read(_file(part)).cases]
    ids = [row.case for row in rows]
    if len(set(ids)) < len(ids):
        twice = next(id_ for place, id_ in enumerate(ids) if id_ in ids[:place])
        raise RunFolderError(f"{twice} is tested on in two of them.")
    try:
        counts = np.array([row.confusion for row in rows], dtype=np.int64)
    except (ValueError, OverflowError) as error:
        raise RunFolderError(f"{_file(parts[0])}: its counts are no numbers of pixels.") from error
    if counts.shape[1:] != (len(names), len(names)):
        raise RunFolderError(f"{_file(parts[0])}: its counts are not of {len(names)} classes.")
    matrices = torch.from_numpy(counts)
    # As `Evaluation` takes it of a run: the mean over cases of their own foreground Dice.
    dice = [foreground_mean(dice_per_class(matrix)) for matrix in matrices]
    total = matrices.sum(dim=0)
    return scores_from_confusion(total, names, num_cases=len(rows), dice_per_case=known_mean(dice))


def _file(run: FinishedRun) -> Path:
    return RunFolder(run.folder).test_cases_file


def _manifest(parts: Sequence[FinishedRun]) -> "Manifest":
    """Of the first fold; times are of all together, memory is the largest."""
    manifests = [part.manifest for part in parts]
    energy = [m.energy_wh for m in manifests if m.energy_wh is not None]
    return manifests[0].model_copy(
        update={
            "seconds": sum(m.seconds for m in manifests),
            "validation_seconds": sum(m.validation_seconds for m in manifests),
            "peak_memory_mb": max(m.peak_memory_mb for m in manifests),
            "energy_wh": sum(energy) if len(energy) == len(manifests) else None,
            "warnings": tuple(dict.fromkeys(w for m in manifests for w in m.warnings)),
            "started": min(m.started for m in manifests),
            "finished": max(m.finished for m in manifests),
        }
    )


def _split(parts: Sequence[FinishedRun]) -> SplitFacts:
    """Numbers of labels are means over folds; tested on are the cases of all."""
    splits = [part.split for part in parts]
    return replace(
        splits[0],
        test=_digest([split.test for split in splits]),
        validation=_digest([split.validation for split in splits]),
        labeled=_digest([split.labeled for split in splits]),
        num_labeled=round(statistics.fmean(split.num_labeled for split in splits)),
        num_labeled_cases=round(statistics.fmean(split.num_labeled_cases for split in splits)),
        num_unlabeled=round(statistics.fmean(split.num_unlabeled for split in splits)),
        num_test=sum(split.num_test for split in splits),
        warnings=tuple(dict.fromkeys(w for split in splits for w in split.warnings)),
    )


def _digest(digests: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
