"""What the report of a run tabulates: key figures, scores by class, roles of the cases."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from ecs_med.metrics import Scores
from ecs_med.palette import css_color
from ecs_med.reporting.html import Tile
from ecs_med.reporting.run.reading import RunRecord
from ecs_med.reporting.text import NOTHING, count, decimal, percent, plural
from ecs_med.runs import Metrics
from ecs_med.splits import Role

__all__ = ["ScoreTable", "key_figures", "roles", "score_table"]

MAX_LISTED = 2000
"""Case ids shown of one role; more would only weigh the report down."""

_ROLES: dict[Role, str] = {
    "labeled": "labelled, for training",
    "unlabeled": "unlabelled, for training",
    "validation": "validation, chooses the model",
    "test": "test, scored once",
    "unused": "left out",
}


class Cell(NamedTuple):
    """One score: its text, and the width of its bar in percent (`None`: no bar)."""

    text: str
    bar: float | None = None


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """Scores by class.

    Attributes:
        partitions: Column groups, such as `("validation", 50 cases)`, under every measure.
        measures: `Dice`, `IoU`, and `HD95 (mm)` where it was measured.
        rows: Name, colour (`None` for the background and for means), cells: measure by measure,
            and within it partition by partition.
        means: Name and cells of means over classes.
        remarks: Scores that are not by class, as `(name, one text per partition)`.
    """

    partitions: tuple[tuple[str, str], ...]
    measures: tuple[str, ...]
    rows: tuple[tuple[str, str | None, tuple[Cell, ...]], ...]
    means: tuple[tuple[str, tuple[Cell, ...]], ...]
    remarks: tuple[tuple[str, tuple[str, ...]], ...]


class RoleShare(NamedTuple):
    """One role in the split: `MAX_LISTED` of its cases at most, its share of all in percent."""

    key: Role
    name: str
    num_cases: int
    ids: tuple[str, ...]
    share: float


def key_figures(record: RunRecord) -> list[Tile]:
    """The tiles below the verdict; none before a run has scores."""
    if record.metrics is None:
        return []
    test, validation = record.metrics.test, record.metrics.validation
    manifest, config, unit = record.manifest, record.config, record.unit
    tiles = [
        Tile(
            f"{name}, test",
            decimal(score(test)),
            f"{what}; validation {decimal(score(validation) if validation else None)}",
            main=True,
        )
        for name, what, score in (
            ("Dice", "foreground", lambda scores: scores.foreground_dice),
            ("mIoU", "all classes", lambda scores: scores.miou),
        )
    ]
    if manifest is not None:
        labeled, unlabeled = manifest.data.num_labeled, manifest.data.num_unlabeled
        share = percent(labeled / max(1, labeled + unlabeled))
        unused = "" if manifest.method.uses_unlabeled else "not used by this method"
        if manifest.data.num_slices:
            of = f"of {plural(labeled, unit)}, {share} of those to train on"
            tiles.append(Tile("labelled slices", count(manifest.data.num_slices), of))
        else:
            tiles.append(Tile(f"labelled {unit}s", count(labeled), f"{share} of training"))
        tiles.append(Tile(f"unlabelled {unit}s", count(unlabeled), unused))
    if config is not None:
        method = manifest.method.short_name if manifest else config.method
        tiles.append(Tile("method", method, f"budget {config.labeled}"))
        tiles.append(Tile("seed", str(config.seed), "draws subset, order, weights"))
    return tiles


def score_table(metrics: Metrics | None, unit: str) -> ScoreTable | None:
    """Scores by class on validation and test; `None` where nothing has been scored."""
    if metrics is None:
        return None
    named = (
        ("validation", metrics.validation),
        ("test", metrics.test),
        ("unlabelled slices of labelled volumes", metrics.unlabeled_slices),
    )
    parts = [(name, scores) for name, scores in named if scores is not None]
    measures: list[tuple[str, Callable[[Scores, int], Cell]]] = [
        ("Dice", lambda scores, index: _class_cell(scores.dice_per_class[index])),
        ("IoU", lambda scores, index: _class_cell(scores.iou_per_class[index])),
    ]
    if any(scores.hd95_mm_per_class for _, scores in parts):
        measures.append(("HD95 (mm)", _distance_cell))
    rows = tuple(
        (
            name,
            css_color(index),
            tuple(cell(scores, index) for _, cell in measures for _, scores in parts),
        )
        for index, name in enumerate(metrics.class_names)
    )
    padding = (Cell(""),) * len(parts) * (len(measures) - 2)
    means = tuple(
        (name, (*(_score_cell(getattr(s, key)) for key in keys for _, s in parts), *padding))
        for name, keys in (
            ("mean of the foreground classes", ("foreground_dice", "foreground_iou")),
            ("mean of all classes", ("dice", "miou")),
        )
    )
    per_case = tuple(decimal(scores.dice_per_case) for _, scores in parts)
    right = tuple(percent(scores.pixel_accuracy) for _, scores in parts)
    remarks = (
        (f"Foreground Dice, mean over {unit}s", per_case),
        ("Pixels with the right class", right),
    )
    partitions = tuple((name, f"{count(s.num_cases)} {unit}s") for name, s in parts)
    return ScoreTable(partitions, tuple(name for name, _ in measures), rows, means, remarks)


def _class_cell(value: float | None) -> Cell:
    return Cell("does not occur") if value is None else _score_cell(value)


def _distance_cell(scores: Scores, index: int) -> Cell:
    distances, missing = scores.hd95_mm_per_class, scores.hd95_num_missing_per_class
    distance = decimal(distances[index] if distances else None, 1)
    num_missing = missing[index] if missing else 0
    return Cell(f"{distance} ({count(num_missing)} missing)" if num_missing else distance)


def _score_cell(value: float | None) -> Cell:
    if value is None:
        return Cell(NOTHING)
    return Cell(decimal(value), round(100 * min(max(value, 0.0), 1.0), 1))


def roles(record: RunRecord) -> tuple[RoleShare, ...]:
    """Who does what in the split; `unused` only where there are any."""
    if record.split is None:
        return ()
    total = len(record.split.cases)
    return tuple(
        RoleShare(key, name, len(ids), ids[:MAX_LISTED], round(100 * len(ids) / total, 2))
        for key, name in _ROLES.items()
        if (ids := record.split.ids(key)) or key != "unused"
    )
