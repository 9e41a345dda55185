"""What Figure 3 is drawn from: the corrector's score over epochs, read from run folders."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecs_med.errors import RunFolderError
from ecs_med.methods import method_settings
from ecs_med.methods.correcting import CorrectorSettings
from ecs_med.reporting.run.reading import RunRecord, read_run

__all__ = ["CorrectorCurve", "MeanPoint", "curve_rows", "mean_curve", "read_curve", "share_name"]

_BUDGET = r"all|[\d.]+\s*%?|\d+\s*/\s*\d+"
"""A budget as `labeled` takes it, where it is no file."""


@dataclass(frozen=True, slots=True)
class CorrectorCurve:
    """One run of the method `corrector`.

    Attributes:
        run: Run folder.
        dataset: Name of the data set.
        labeled: The labelled budget, such as `1/8`.
        num_labeled: Labelled images, which an epoch passes over.
        num_scored: Images that every point is scored on.
        seed: Seed of the run.
        loss: `cross_entropy` or `focal`.
        class_weight: Weight of the N real classes in the loss; "right" has 1.
        iterations: Of the validations, ascending.
        epochs: The same as passes over the labelled images.
        miou: Over N+1 classes, 0..1, at each of them.
        iou_right: Of the class "right" alone; `None` where it does not occur.
    """

    run: Path
    dataset: str
    labeled: str
    num_labeled: int
    num_scored: int
    seed: int
    loss: str
    class_weight: float
    iterations: tuple[int, ...]
    epochs: tuple[float, ...]
    miou: tuple[float, ...]
    iou_right: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class MeanPoint:
    """Mean of several seeds at one iteration.

    Attributes:
        iteration: Iteration.
        epoch: Mean over seeds, whose labelled sets may differ in size.
        miou: Over N+1 classes, 0..1, mean over seeds.
        lowest: Lowest of the seeds.
        highest: Highest of the seeds.
        num_seeds: Number of seeds.
    """

    iteration: int
    epoch: float
    miou: float
    lowest: float
    highest: float
    num_seeds: int


def read_curve(run: Path, *, labeled: str | None = None) -> CorrectorCurve:
    """Read a run of the method `corrector`, finished or not.

    Args:
        run: Run folder.
        labeled: Name of the budget; `None`: as it was asked for, or where that was a file, the
            share of the training images.

    Raises:
        RunFolderError: If it is no run folder, or holds no score of a corrector.
    """
    record = read_run(run)
    rows = [
        (row.iteration, row.corrector)
        for row in record.history.validation
        if row.corrector is not None and row.corrector.miou is not None
    ]
    if not rows or record.config is None:
        raise RunFolderError(
            f"{run}: holds no score of a corrector; name runs of `method=corrector`."
        )
    config = record.config
    num_labeled, num_unlabeled = _counts(record)
    settings = method_settings(config)
    assert isinstance(settings, CorrectorSettings)
    if labeled is None:
        is_budget = re.fullmatch(_BUDGET, config.labeled) is not None
        labeled = config.labeled if is_budget else share_name(num_labeled, num_unlabeled)
    iterations = tuple(iteration for iteration, _ in rows)
    return CorrectorCurve(
        run=run,
        dataset=record.manifest.data.name if record.manifest else config.data.name,
        labeled=labeled,
        num_labeled=num_labeled,
        num_scored=rows[-1][1].num_cases,
        seed=config.seed,
        loss=settings.corrector_loss,
        class_weight=settings.class_weight,
        iterations=iterations,
        epochs=tuple(iteration * (config.batch or 0) / num_labeled for iteration in iterations),
        miou=tuple(scores.miou or 0.0 for _, scores in rows),
        iou_right=tuple(scores.iou_per_class[-1] for _, scores in rows),
    )


def share_name(num_labeled: int, num_unlabeled: int) -> str:
    """A budget by its share, such as `12.5 %`; `all` where nothing is unlabelled."""
    if not num_unlabeled:
        return "all"
    return f"{100 * num_labeled / (num_labeled + num_unlabeled):.3g} %"


def mean_curve(curves: Sequence[CorrectorCurve]) -> list[MeanPoint]:
    """Mean over seeds and their range, at the iterations that all curves have.

    Args:
        curves: Of one loss on one budget, one per seed; at least one.
    """
    common = sorted(set.intersection(*(set(curve.iterations) for curve in curves)))
    points = []
    for iteration in common:
        places = [(curve, curve.iterations.index(iteration)) for curve in curves]
        epochs = [curve.epochs[place] for curve, place in places]
        scores = [curve.miou[place] for curve, place in places]
        points.append(
            MeanPoint(
                iteration=iteration,
                epoch=math.fsum(epochs) / len(epochs),
                miou=math.fsum(scores) / len(scores),
                lowest=min(scores),
                highest=max(scores),
                num_seeds=len(scores),
            )
        )
    return points


def curve_rows(curves: Iterable[CorrectorCurve]) -> list[dict[str, Any]]:
    """One row per run and validation, for a table; scores in 0..1."""
    return [
        {
            "dataset": curve.dataset,
            "labeled": curve.labeled,
            "num_labeled": curve.num_labeled,
            "seed": curve.seed,
            "loss": curve.loss,
            "class_weight": curve.class_weight,
            "iteration": iteration,
            "epoch": round(epoch, 4),
            "miou": miou,
            "iou_right": iou_right,
            "num_scored": curve.num_scored,
            "run": curve.run.name,
        }
        for curve in curves
        for iteration, epoch, miou, iou_right in zip(
            curve.iterations, curve.epochs, curve.miou, curve.iou_right, strict=True
        )
    ]


def _counts(record: RunRecord) -> tuple[int, int]:
    """Labelled and unlabelled images by the split, which is there from the beginning."""
    if record.split is None:
        raise RunFolderError(
            f"{record.folder / 'split.json'}: is missing or damaged; leave this run out, or train "
            "it again."
        )
    return len(record.split.ids("labeled")), len(record.split.ids("unlabeled"))
