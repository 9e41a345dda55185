"""Answers of the budget report about labels: what more would buy, and what a method saves."""

import math
from collections.abc import Mapping

from ecs_med.analysis import Forecast, Interval, LabelsSaved, Refusal, describe_savings
from ecs_med.reporting.sweep.charts import FORECAST_REACH
from ecs_med.reporting.sweep.grid import Grid, short_name
from ecs_med.reporting.sweep.statistics import Statistics
from ecs_med.reporting.table import Column, Table, Value
from ecs_med.reporting.text import decimal

__all__ = [
    "fitted",
    "forecast_sentences",
    "forecast_table",
    "saved_table",
    "savings_sentences",
    "wanted_scores",
]

TARGET = 0.80
"""The mIoU that a reader asks for first."""

STEP = 0.05


def fitted(forecasts: Mapping[str, Forecast | Refusal]) -> dict[str, Forecast]:
    """The methods for which there is a forecast."""
    return {name: curve for name, curve in forecasts.items() if isinstance(curve, Forecast)}


def wanted_scores(found: Statistics) -> tuple[float, ...]:
    """The scores asked for: 0.80, and the next multiple of 0.05 above the best measured mean."""
    best = max(cell.seeds.mean for cell in found.scores)
    rung = round(STEP * (math.floor(best / STEP + 1e-9) + 1), 2)
    return tuple(score for score in sorted({TARGET, rung}) if score < 1)


def forecast_sentences(grid: Grid, found: Statistics) -> list[str]:
    """What the forecast says for each method, or why it says nothing; one sentence or two each."""
    sentences = []
    for method, curve in found.forecasts.items():
        name = short_name(method)
        if isinstance(curve, Refusal):
            sentences.append(f"{_capital(name)}: {curve.sentence}")
            continue
        doubled = FORECAST_REACH * curve.largest
        score = curve.score_at(doubled)
        sentences.append(
            f"{_capital(name)}: with {doubled:,.0f} labelled {grid.unit}s, twice the largest "
            f"number measured, an mIoU of {decimal(score.estimate)} is expected"
            f"{_in_brackets(score)}. {curve.reason}"
        )
    return sentences


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _in_brackets(found: Interval) -> str:
    if found.lower is None or found.upper is None:
        return ""
    return f" (95 % interval {decimal(found.lower)} to {decimal(found.upper)})"


def forecast_table(grid: Grid, found: Statistics) -> Table:
    """Expected scores with more labels, and labels for wanted scores, by method."""
    rows: list[dict[str, Value]] = []
    for method, curve in fitted(found.forecasts).items():
        shared: dict[str, Value] = {"method": short_name(method), "family": curve.family}
        doubled = FORECAST_REACH * curve.largest
        score = curve.score_at(doubled)
        rows.append(
            shared
            | {
                "question": f"mIoU with {doubled:,.0f} labelled {grid.unit}s",
                "answer": f"{decimal(score.estimate)}{_in_brackets(score)}",
                "num_labeled": doubled,
                "miou": score.estimate,
                "lower": score.lower,
                "upper": score.upper,
            }
        )
        for wanted in wanted_scores(found):
            needed = curve.labels_for(wanted)
            rows.append(
                shared
                | {
                    "question": f"labels for mIoU {wanted:.2f}",
                    "answer": needed.sentence,
                    "num_labeled": needed.estimate,
                    "miou": wanted,
                    "lower": needed.lower,
                    "upper": needed.upper,
                }
            )
    columns = (
        Column("method", "Method"),
        Column("question", "Question"),
        Column("answer", "Answer"),
        Column("family", "Learning curve"),
        Column("num_labeled", ""),
        Column("miou", ""),
        Column("lower", ""),
        Column("upper", ""),
    )
    return Table("forecast", "Forecast", columns, rows)


def saved_table(
    found: Statistics, *, minutes_per_label: float | None, cost_per_hour: float | None
) -> Table:
    """Labels saved by every method at every budget, in hours and money where these are given.

    Args:
        found: Statistics.
        minutes_per_label: Minutes of an expert for one label.
        cost_per_hour: Price of an expert's hour, in any currency.
    """
    rows: list[dict[str, Value]] = []
    for method, entries in found.saved.items():
        for entry in entries:
            # Whole labels first, so that hours and cost agree with the sentences.
            equal = entry.equal_labels
            saved = None if equal is None else round(equal) - entry.num_labeled
            hours = None
            if saved is not None and minutes_per_label is not None:
                hours = saved * minutes_per_label / 60
            rows.append(
                {
                    "method": short_name(method),
                    "num_labeled": entry.num_labeled,
                    "miou": entry.score,
                    "equal_labels": entry.equal_labels,
                    "equal": _equal(entry),
                    "lower": entry.lower,
                    "upper": entry.upper,
                    "interval": _interval_text(entry),
                    "saved": saved,
                    "hours": hours,
                    "cost": None
                    if hours is None or cost_per_hour is None
                    else hours * cost_per_hour,
                    "share_unbounded": entry.share_unbounded,
                }
            )
    columns = [
        Column("method", "Method"),
        Column("num_labeled", "Labels", "count"),
        Column("miou", "mIoU, mean", "score"),
        Column("equal_labels", ""),
        Column("equal", "Supervised needs"),
        Column("lower", ""),
        Column("upper", ""),
        Column("interval", "95 % interval"),
        Column("saved", "Labels saved", "signed"),
    ]
    if minutes_per_label is not None:
        columns.append(Column("hours", "Hours saved", "hours"))
        if cost_per_hour is not None:
            columns.append(Column("cost", "Cost saved", "signed"))
    columns.append(Column("share_unbounded", ""))
    return Table("labels-saved", "Labels saved", columns, rows)


def savings_sentences(
    grid: Grid,
    found: Statistics,
    *,
    minutes_per_label: float | None,
    cost_per_hour: float | None,
) -> dict[str, list[str]]:
    """What every method saves at every budget, in words a clinician reads.

    Args:
        grid: Finished runs.
        found: Their statistics.
        minutes_per_label: Minutes of an expert for one label.
        cost_per_hour: Price of an expert's hour; needs the minutes.

    Returns:
        A text for every budget, from few labels to many, by method.
    """
    return {
        method: [
            describe_savings(
                entry, grid.unit, minutes_per_label, cost_per_hour, method=short_name(method)
            )
            for entry in entries
        ]
        for method, entries in found.saved.items()
    }


def _equal(entry: LabelsSaved) -> str:
    """Labels of supervised training for the same score, or on which side of the range they lie."""
    if entry.equal_labels is not None:
        return f"{entry.equal_labels:,.0f}"
    return "more than measured" if entry.outside == "above" else "fewer than measured"


def _interval_text(entry: LabelsSaved) -> str:
    if not entry.has_interval:
        return "not known"
    lower = "below the range" if entry.lower is None else f"{entry.lower:,.0f}"
    upper = "beyond the range" if entry.upper is None else f"{entry.upper:,.0f}"
    if entry.lower is None and entry.upper is None and entry.outside == "above":
        lower = "beyond the range"
    return f"{lower} to {upper}"
