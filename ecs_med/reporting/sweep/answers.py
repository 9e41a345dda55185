"""Answers of a budget report about labels: what more would buy, what a method saves."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ecs_med.analysis import (
    Forecast,
    Interval,
    LabelsNeeded,
    LabelsSaved,
    Refusal,
    describe_savings,
)
from ecs_med.reporting.sweep.charts import FORECAST_REACH
from ecs_med.reporting.sweep.grid import Grid
from ecs_med.reporting.sweep.prices import Prices
from ecs_med.reporting.sweep.statistics import Statistics
from ecs_med.reporting.sweep.tables import CELL_COLUMNS
from ecs_med.reporting.table import Column, Table
from ecs_med.reporting.text import capitalized, decimal
from ecs_med.runs import MethodFacts

__all__ = ["forecast_sentences", "forecast_table", "saved_table", "savings_sentences"]


TARGET = 0.80
"""The mIoU that a reader asks for first."""

STEP = 0.05


def _wanted_scores(found: Statistics) -> list[float]:
    """The scores asked for: 0.80, and the next multiple of 0.05 above the best measured mean."""
    best = max(cell.seeds.mean for cell in found.scores)
    rung = round(STEP * (math.floor(best / STEP + 1e-9) + 1), 2)
    return [score for score in sorted({TARGET, rung}) if score < 1]


def forecast_sentences(grid: Grid, found: Statistics) -> list[str]:
    """What the forecast says for each method, or why it says nothing; one sentence or two each."""
    sentences = []
    for method, curve in found.forecasts.items():
        name = capitalized(method.short_name)
        if isinstance(curve, Refusal):
            sentences.append(f"{name}: {curve.sentence}")
            continue
        doubled = FORECAST_REACH * curve.largest
        sentences.append(
            f"{name}: with {doubled:,.0f} labelled {grid.unit}s, twice the largest number "
            f"measured, an mIoU of {_with_interval(curve.score_at(doubled), ' is expected')}. "
            f"{' '.join(filter(None, (curve.disagreement(doubled), curve.reason)))}"
        )
    return sentences


def _with_interval(score: Interval, words: str = "") -> str:
    said = f"{decimal(score.estimate)}{words}"
    if score.lower is None or score.upper is None:
        return said
    return f"{said} (95 % interval {decimal(score.lower)} to {decimal(score.upper)})"


class _Answer(NamedTuple):
    method: MethodFacts
    curve: Forecast
    question: str
    answer: str
    num_labeled: float | None
    miou: float
    found: Interval | LabelsNeeded


def forecast_table(grid: Grid, found: Statistics) -> Table:
    """Expected scores with more labels, and labels for wanted scores, by method."""
    return Table.of(
        [
            answer
            for method, curve in found.forecasts.items()
            if isinstance(curve, Forecast)
            for answer in _answers(method, curve, _wanted_scores(found), grid.unit)
        ],
        "forecast",
        "Forecast",
        CELL_COLUMNS[0],
        Column("question", "Question", value=lambda row: row.question),
        Column("answer", "Answer", value=lambda row: row.answer),
        Column("family", "Most weight", value=lambda row: row.curve.family),
        Column("num_labeled", value=lambda row: row.num_labeled),
        Column("miou", value=lambda row: row.miou),
        Column("lower", value=lambda row: row.found.lower),
        Column("upper", value=lambda row: row.found.upper),
    )


def _answers(
    method: MethodFacts, curve: Forecast, wanted: Sequence[float], unit: str
) -> Iterator[_Answer]:
    doubled = FORECAST_REACH * curve.largest
    score = curve.score_at(doubled)
    question = f"mIoU with {doubled:,.0f} labelled {unit}s"
    answer = _with_interval(score)
    yield _Answer(method, curve, question, answer, doubled, score.estimate, score)
    for miou in wanted:
        labels = curve.labels_for(miou)
        question = f"labels for mIoU {miou:.2f}"
        yield _Answer(method, curve, question, labels.sentence, labels.estimate, miou, labels)


class _Saved(NamedTuple):
    method: MethodFacts
    labels: LabelsSaved

    @property
    def num_saved(self) -> int | None:
        # Whole labels first, so that hours and cost agree with the sentences.
        equal = self.labels.equal_labels
        return None if equal is None else round(equal) - self.labels.num_labeled


def saved_table(grid: Grid, found: Statistics, prices: Prices) -> Table:
    """Labels saved by every method at every budget, in hours and money where these are given."""
    priced = []
    unit = grid.unit
    if prices.minutes_per_label(unit) is not None:
        priced.append(
            Column("hours", "Hours saved", "hours", lambda row: prices.hours(row.num_saved, unit))
        )
        if prices.cost_per_hour is not None:
            priced.append(
                Column("cost", "Cost saved", "signed", lambda row: prices.cost(row.num_saved, unit))
            )
    return Table.of(
        [_Saved(method, labels) for method, entries in found.saved.items() for labels in entries],
        "labels-saved",
        "Labels saved",
        CELL_COLUMNS[0],
        Column("num_labeled", "Labels", "count", lambda row: row.labels.num_labeled),
        Column("miou", "mIoU, mean", "score", lambda row: row.labels.score),
        Column("equal_labels", value=lambda row: row.labels.equal_labels),
        Column("equal", "Baseline needs", value=lambda row: _equal_in_words(row.labels)),
        Column("lower", value=lambda row: row.labels.lower),
        Column("upper", value=lambda row: row.labels.upper),
        Column("interval", "95 % interval", value=lambda row: _interval_in_words(row.labels)),
        Column("saved", "Labels saved", "signed", lambda row: row.num_saved),
        *priced,
        Column("share_unbounded", value=lambda row: row.labels.share_unbounded),
    )


def savings_sentences(
    grid: Grid, found: Statistics, prices: Prices
) -> dict[MethodFacts, list[str]]:
    """What every method saves at every budget, from few labels to many, in a clinician's words."""
    minutes = prices.minutes_per_label(grid.unit)
    costs = minutes, prices.cost_per_hour if minutes is not None else None
    return {
        method: [
            describe_savings(e, grid.unit, *costs, method=method.short_name, against=grid.against)
            for e in entries
        ]
        for method, entries in found.saved.items()
    }


def _equal_in_words(entry: LabelsSaved) -> str:
    """Labels of supervised training for the same score, or on which side of the range they lie."""
    if entry.equal_labels is not None:
        return f"{entry.equal_labels:,.0f}"
    return "more than measured" if entry.outside == "above" else "fewer than measured"


def _interval_in_words(entry: LabelsSaved) -> str:
    if not entry.has_interval:
        return "not known"
    lower = "below the range" if entry.lower is None else f"{entry.lower:,.0f}"
    upper = "beyond the range" if entry.upper is None else f"{entry.upper:,.0f}"
    if entry.lower is None and entry.upper is None and entry.outside == "above":
        lower = "beyond the range"
    return f"{lower} to {upper}"
