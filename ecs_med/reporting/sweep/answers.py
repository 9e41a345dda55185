"""Answers of the budget report about labels: what more would buy, and what a method saves."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ecs_med.analysis import Forecast, Interval, LabelsSaved, Refusal, describe_savings
from ecs_med.errors import SettingsError
from ecs_med.reporting.sweep.charts import FORECAST_REACH
from ecs_med.reporting.sweep.grid import Grid
from ecs_med.reporting.sweep.statistics import Statistics
from ecs_med.reporting.table import Column, Table, Value
from ecs_med.reporting.text import capitalized, decimal
from ecs_med.runs import MethodFacts

__all__ = [
    "Prices",
    "fitted",
    "forecast_sentences",
    "forecast_table",
    "saved_table",
    "savings_sentences",
    "wanted_scores",
]


@dataclass(frozen=True, slots=True)
class Prices:
    """What an expert's labels cost.

    Attributes:
        minutes_per_label: Minutes of an expert for one label, above 0; `None`: not asked for.
        cost_per_hour: Price of an expert's hour in any currency, above 0; needs the minutes.

    Raises:
        SettingsError: If a number is not above 0, or a cost has no minutes.
    """

    minutes_per_label: float | None = None
    cost_per_hour: float | None = None

    def __post_init__(self) -> None:
        for name in ("minutes_per_label", "cost_per_hour"):
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise SettingsError(f"`{name}` {value:g} is not above 0; give a number above 0.")
        if self.cost_per_hour is not None and self.minutes_per_label is None:
            raise SettingsError(
                "`cost_per_hour` is counted by the hour; give `minutes_per_label` too."
            )

    def hours(self, num_labels: int | None) -> float | None:
        """Hours for labels; `None` where either is not known."""
        if num_labels is None or self.minutes_per_label is None:
            return None
        return num_labels * self.minutes_per_label / 60

    def cost(self, num_labels: int | None) -> float | None:
        """Price of labels; `None` where either is not known."""
        hours = self.hours(num_labels)
        return None if hours is None or self.cost_per_hour is None else hours * self.cost_per_hour


TARGET = 0.80
"""The mIoU that a reader asks for first."""

STEP = 0.05


def fitted(forecasts: Mapping[MethodFacts, Forecast | Refusal]) -> dict[MethodFacts, Forecast]:
    """The methods for which there is a forecast."""
    return {method: curve for method, curve in forecasts.items() if isinstance(curve, Forecast)}


def wanted_scores(found: Statistics) -> tuple[float, ...]:
    """The scores asked for: 0.80, and the next multiple of 0.05 above the best measured mean."""
    best = max(cell.seeds.mean for cell in found.scores)
    rung = round(STEP * (math.floor(best / STEP + 1e-9) + 1), 2)
    return tuple(score for score in sorted({TARGET, rung}) if score < 1)


def forecast_sentences(grid: Grid, found: Statistics) -> list[str]:
    """What the forecast says for each method, or why it says nothing; one sentence or two each."""
    sentences = []
    for method, curve in found.forecasts.items():
        name = capitalized(method.short_name)
        if isinstance(curve, Refusal):
            sentences.append(f"{name}: {curve.sentence}")
            continue
        doubled = FORECAST_REACH * curve.largest
        score = curve.score_at(doubled)
        sentences.append(
            f"{name}: with {doubled:,.0f} labelled {grid.unit}s, twice the largest "
            f"number measured, an mIoU of {decimal(score.estimate)} is expected"
            f"{_in_brackets(score)}. {curve.reason}"
        )
    return sentences


def _in_brackets(found: Interval) -> str:
    if found.lower is None or found.upper is None:
        return ""
    return f" (95 % interval {decimal(found.lower)} to {decimal(found.upper)})"


def forecast_table(grid: Grid, found: Statistics) -> Table:
    """Expected scores with more labels, and labels for wanted scores, by method."""
    rows: list[dict[str, Value]] = []
    for method, curve in fitted(found.forecasts).items():
        shared: dict[str, Value] = {"method": method.short_name, "family": curve.family}
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
            labels = curve.labels_for(wanted)
            rows.append(
                shared
                | {
                    "question": f"labels for mIoU {wanted:.2f}",
                    "answer": labels.sentence,
                    "num_labeled": labels.estimate,
                    "miou": wanted,
                    "lower": labels.lower,
                    "upper": labels.upper,
                }
            )
    columns = (
        Column("method", "Method"),
        Column("question", "Question"),
        Column("answer", "Answer"),
        Column("family", "Learning curve"),
        Column("num_labeled"),
        Column("miou"),
        Column("lower"),
        Column("upper"),
    )
    return Table("forecast", "Forecast", columns, rows)


def saved_table(found: Statistics, prices: Prices) -> Table:
    """Labels saved by every method at every budget, in hours and money where these are given."""
    rows: list[dict[str, Value]] = []
    for method, entries in found.saved.items():
        for entry in entries:
            # Whole labels first, so that hours and cost agree with the sentences.
            equal = entry.equal_labels
            saved = None if equal is None else round(equal) - entry.num_labeled
            rows.append(
                {
                    "method": method.short_name,
                    "num_labeled": entry.num_labeled,
                    "miou": entry.score,
                    "equal_labels": entry.equal_labels,
                    "equal": _equal_in_words(entry),
                    "lower": entry.lower,
                    "upper": entry.upper,
                    "interval": _interval_in_words(entry),
                    "saved": saved,
                    "hours": prices.hours(saved),
                    "cost": prices.cost(saved),
                    "share_unbounded": entry.share_unbounded,
                }
            )
    columns = [
        Column("method", "Method"),
        Column("num_labeled", "Labels", "count"),
        Column("miou", "mIoU, mean", "score"),
        Column("equal_labels"),
        Column("equal", "Supervised needs"),
        Column("lower"),
        Column("upper"),
        Column("interval", "95 % interval"),
        Column("saved", "Labels saved", "signed"),
    ]
    if prices.minutes_per_label is not None:
        columns.append(Column("hours", "Hours saved", "hours"))
    if prices.cost_per_hour is not None:
        columns.append(Column("cost", "Cost saved", "signed"))
    columns.append(Column("share_unbounded"))
    return Table("labels-saved", "Labels saved", columns, rows)


def savings_sentences(
    grid: Grid, found: Statistics, prices: Prices
) -> dict[MethodFacts, list[str]]:
    """What every method saves at every budget, in words a clinician reads.

    Returns:
        A text for every budget, from few labels to many, by method.
    """
    return {
        method: [
            describe_savings(
                entry,
                grid.unit,
                prices.minutes_per_label,
                prices.cost_per_hour,
                method=method.short_name,
            )
            for entry in entries
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
