"""Rows of the tables in a report, ready for the template."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecs_med.palette import class_color
from ecs_med.reporting.run.history import number
from ecs_med.reporting.run.reading import RunRecord, inner, texts
from ecs_med.reporting.text import NOTHING, count, decimal, percent

__all__ = [
    "Cell",
    "ScoreTable",
    "Tile",
    "class_names",
    "key_figures",
    "score_table",
]


@dataclass(frozen=True, slots=True)
class Tile:
    """One key figure: what it is, its value, and a remark."""

    name: str
    value: str
    remark: str = ""
    main: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
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
        remarks: Scores that are not by class, as `(name, one text per partition)`.
    """

    partitions: tuple[tuple[str, str], ...]
    measures: tuple[str, ...]
    rows: tuple[tuple[str, str | None, tuple[Cell, ...]], ...]
    means: tuple[tuple[str, tuple[Cell, ...]], ...]
    remarks: tuple[tuple[str, tuple[str, ...]], ...]


def class_names(record: RunRecord) -> tuple[str, ...]:
    """Names of the classes, background first, from whichever file has them."""
    for source in (
        record.metrics,
        inner(record.metrics, "test"),
        inner(record.metrics, "validation"),
        record.gallery,
        inner(record.config, "reading"),
    ):
        names = texts(source.get("class_names"))
        if names:
            return names
    lengths = [
        len(texts(inner(record.metrics, part).get("iou_per_class")))
        for part in ("validation", "test")
    ]
    return tuple("background" if i == 0 else f"class {i}" for i in range(max(lengths)))


def color_of(index: int) -> str | None:
    """CSS colour of a class; `None` for the background."""
    return None if index == 0 else "#{:02x}{:02x}{:02x}".format(*class_color(index))


def key_figures(record: RunRecord, unit: str) -> tuple[Tile, ...]:
    """The tiles below the verdict."""
    part = "test" if inner(record.metrics, "test") else "validation"
    scores, data = inner(record.metrics, part), inner(record.manifest, "data")
    on_validation = inner(record.metrics, "validation")
    tiles = []
    for name, key, of in (
        ("Dice", "foreground_dice", "foreground"),
        ("mIoU", "miou", "all classes"),
    ):
        other = f"; validation {decimal(on_validation.get(key))}" if part == "test" else ""
        tiles.append(Tile(f"{name}, {part}", decimal(scores.get(key)), of + other, main=True))
    config = record.config
    budget = config.get("labeled")
    total = sum(number(data.get(key)) or 0 for key in ("num_labeled", "num_unlabeled"))
    labeled = number(data.get("num_labeled"))
    share = f"{percent(labeled / total)} of training" if labeled and total else ""
    method = str(config.get("method", NOTHING))
    seed = config.get("seed", record.manifest.get("seed"))
    unused = "not used by this method" if method == "supervised" else ""
    return (
        *tiles,
        Tile(f"labelled {unit}s", count(labeled), share),
        Tile(f"unlabelled {unit}s", count(data.get("num_unlabeled")), unused),
        Tile("method", "ECS" if method == "ecs" else method, f"budget {budget}" if budget else ""),
        Tile("seed", NOTHING if seed is None else str(seed), "draws subset, order, weights"),
    )


def score_table(record: RunRecord, unit: str) -> ScoreTable | None:
    """Scores by class on validation and test; `None` where nothing has been scored."""
    parts = [
        (name, inner(record.metrics, name))
        for name in ("validation", "test")
        if inner(record.metrics, name)
    ]
    if not parts:
        return None
    measures = [("Dice", "dice_per_class"), ("IoU", "iou_per_class")]
    if any(scores.get("hd95_mm_per_class") for _, scores in parts):
        measures.append(("HD95 (mm)", "hd95_mm_per_class"))
    rows = tuple(
        (
            name,
            color_of(index),
            tuple(
                _distance_cell(scores, index)
                if key.startswith("hd95")
                else _class_cell(scores.get(key), index)
                for _, key in measures
                for _, scores in parts
            ),
        )
        for index, name in enumerate(class_names(record))
    )
    padding = (Cell(""),) * len(parts) * (len(measures) - 2)
    means = tuple(
        (name, (*(_score_cell(s.get(k)) for k in keys for _, s in parts), *padding))
        for name, keys in (
            ("mean of the foreground classes", ("foreground_dice", "foreground_iou")),
            ("mean of all classes", ("dice", "miou")),
        )
    )
    remarks = tuple(
        (name, tuple(form(scores.get(key)) for _, scores in parts))
        for name, key, form in (
            (f"Foreground Dice, mean over {unit}s", "dice_per_case", decimal),
            ("Pixels with the right class", "pixel_accuracy", percent),
        )
        if any(number(scores.get(key)) is not None for _, scores in parts)
    )
    partitions = tuple((name, f"{count(s.get('num_cases'))} {unit}s") for name, s in parts)
    return ScoreTable(partitions, tuple(name for name, _ in measures), rows, means, remarks)


def _class_cell(values: object, index: int) -> Cell:
    value = _at(values, index)
    if value is None and isinstance(values, Sequence) and index < len(values):
        return Cell("does not occur")
    return _score_cell(value)


def _distance_cell(scores: Mapping[str, Any], index: int) -> Cell:
    distance = decimal(_at(scores.get("hd95_mm_per_class"), index), 1)
    missing = number(_at(scores.get("hd95_num_missing_per_class"), index))
    return Cell(f"{distance} ({count(missing)} missing)" if missing else distance)


def _at(values: object, index: int) -> object:
    """Element of a JSON list, `None` where there is no list or it is too short."""
    if isinstance(values, Sequence) and not isinstance(values, str) and index < len(values):
        return values[index]
    return None


def _score_cell(value: object) -> Cell:
    finite = number(value)
    if finite is None:
        return Cell(NOTHING)
    return Cell(decimal(finite), round(100 * min(max(finite, 0.0), 1.0), 1))
