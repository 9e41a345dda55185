"""What Figure 3 is drawn from: the corrector's score over epochs, read from run folders."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ecs_med.errors import RunFolderError
from ecs_med.methods import method_settings
from ecs_med.methods.correcting import CorrectorOnly, CorrectorSettings
from ecs_med.reporting.table import Value
from ecs_med.runs import RunFolder, read_history
from ecs_med.splits.document import SplitDocument
from ecs_med_benchmarks.panels import mean

__all__ = ["CorrectorCurve", "MeanPoint", "curve_rows", "mean_curve", "read_curve"]


@dataclass(frozen=True, slots=True)
class CorrectorCurve:
    """One run of a corrector alone.

    Attributes:
        run: Run folder.
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


def read_curve(run: Path, labeled: str) -> CorrectorCurve:
    """Read a run of a corrector alone, finished or not.

    Args:
        run: Run folder.
        labeled: Name of its budget.

    Raises:
        RunFolderError: If a file is missing or damaged, or there is no score of a corrector.
    """
    folder = RunFolder(run)
    config = folder.read_config()
    settings = method_settings(config)
    rows = [
        (row.iteration, row.corrector.miou, row.corrector)
        for row in read_history(folder.history_file, validation_only=True).validation
        if row.corrector is not None and row.corrector.miou is not None
    ]
    if not rows or not isinstance(settings, CorrectorSettings):
        raise RunFolderError(
            f"{run}: holds no score of a corrector; name runs of `method={CorrectorOnly.name}`."
        )
    num_labeled = len(SplitDocument.read(folder.split_file).ids("labeled"))
    iterations = tuple(iteration for iteration, _, _ in rows)
    return CorrectorCurve(
        run=run,
        labeled=labeled,
        num_labeled=num_labeled,
        num_scored=rows[-1][2].num_cases,
        seed=config.seed,
        loss=settings.corrector_loss,
        class_weight=settings.class_weight,
        iterations=iterations,
        epochs=tuple(iteration * (config.batch or 0) / num_labeled for iteration in iterations),
        miou=tuple(miou for _, miou, _ in rows),
        iou_right=tuple(scores.iou_per_class[-1] for _, _, scores in rows),
    )


def mean_curve(curves: Sequence[CorrectorCurve]) -> list[MeanPoint]:
    """Mean over seeds and their range, at the iterations that all curves have.

    Args:
        curves: Of one loss on one budget, one per seed; at least one.
    """
    points = []
    for iteration in sorted(set.intersection(*(set(curve.iterations) for curve in curves))):
        places = [curve.iterations.index(iteration) for curve in curves]
        epoch = mean(curve.epochs[place] for curve, place in zip(curves, places, strict=True))
        scores = [curve.miou[place] for curve, place in zip(curves, places, strict=True)]
        low, high = min(scores), max(scores)
        points.append(MeanPoint(iteration, epoch, mean(scores), low, high, len(scores)))
    return points


def curve_rows(curves: Iterable[CorrectorCurve], dataset: str) -> list[dict[str, Value]]:
    """One row per run and validation, for a table; scores in 0..1."""
    return [
        {
            "dataset": dataset,
            "labeled": curve.labeled,
            "num_labeled": curve.num_labeled,
            "seed": curve.seed,
            "loss": curve.loss,
            "class_weight": curve.class_weight,
            "iteration": iteration,
            "epoch": round(curve.epochs[place], 4),
            "miou": curve.miou[place],
            "iou_right": curve.iou_right[place],
            "num_scored": curve.num_scored,
            "run": curve.run.name,
        }
        for curve in curves
        for place, iteration in enumerate(curve.iterations)
    ]
