"""What the next hour of an expert buys, by form of annotation."""

from collections.abc import Iterator
from statistics import fmean
from typing import NamedTuple

import numpy as np

from ecs_med.analysis import Forecast, ForecastRangeError, Interval
from ecs_med.reporting.sweep.grid import Budget, Grid
from ecs_med.reporting.sweep.prices import DRAFT, Prices
from ecs_med.reporting.sweep.statistics import Statistics, read_counts
from ecs_med.reporting.table import Column, Table, interval
from ecs_med.reporting.text import capitalized, percent, points
from ecs_med.runs import MethodFacts

__all__ = ["Draft", "draft_effort", "hour_sentences", "hour_table", "priced_forms"]

LONG = 10
"""Hours of the second question: one hour is often too little to see."""


class Draft(NamedTuple):
    """How far a model's drafts are from the references.

    Attributes:
        share: Pixels of the test cases to change, of those that drawing from nothing would set;
            at most 1 in each case, since nobody corrects what is quicker to draw. Mean over runs.
    """

    method: MethodFacts
    budget: Budget
    share: float
    num_cases: int


class _Form(NamedTuple):
    """A form of annotation: `is_label` where one is worth a label of the sweep."""

    name: str
    minutes: float
    is_estimated: bool
    is_label: bool

    @property
    def per_hour(self) -> float:
        return 60 / self.minutes


def draft_effort(grid: Grid, found: Statistics) -> Draft | None:
    """Pixels to change in the drafts of the best method and budget; `None` without counts by case.

    A pixel changes where prediction and reference differ; from nothing, those of the foreground are
    set. Both are counted on the test cases, which training has not seen.
    """
    best = max(found.scores, key=lambda cell: cell.seeds.mean)
    shares, num_cases = [], 0
    for run in grid.runs(best.method, best.budget):
        _, counts = read_counts(run)
        if counts is None:
            continue
        drawn = counts[:, 1:, :].sum(axis=(1, 2))
        changed = counts.sum(axis=(1, 2)) - np.trace(counts, axis1=1, axis2=2)
        if drawn.sum() > 0:
            shares.append(float(np.minimum(changed, drawn).sum() / drawn.sum()))
            num_cases = len(counts)
    return Draft(best.method, best.budget, fmean(shares), num_cases) if shares else None


def priced_forms(grid: Grid, prices: Prices, draft: Draft | None) -> list[_Form]:
    """The forms that have minutes; those of a draft are estimated where they were not given."""
    own = prices.form_of(grid.unit)
    minutes = prices.by_form(grid.unit)
    forms = [
        _Form(form, value, is_estimated=False, is_label=form in (own, DRAFT))
        for form, value in minutes.items()
    ]
    if DRAFT not in minutes and own in minutes and draft is not None and draft.share > 0:
        estimated = _Form(DRAFT, minutes[own] * draft.share, is_estimated=True, is_label=True)
        forms.insert([form.name for form in forms].index(own) + 1, estimated)
    return forms


class _Row(NamedTuple):
    form: _Form
    method: MethodFacts | None
    hour: Interval | None
    long: Interval | None


def hour_table(grid: Grid, found: Statistics, forms: list[_Form]) -> Table:
    """Labels in an hour by form, and what these add by method, in mIoU points."""
    return Table.of(
        [row for form in forms for row in _rows(form, found)],
        "next-hour",
        "What the next hour buys",
        Column("form", "Form", value=lambda row: row.form.name),
        Column("minutes", "Minutes", "minutes", lambda row: row.form.minutes),
        Column(
            "source", "Minutes are", value=lambda r: "estimated" if r.form.is_estimated else "given"
        ),
        Column("per_hour", "In an hour", "minutes", lambda row: row.form.per_hour),
        Column("method", "Method", value=lambda row: row.method and row.method.short_name),
        Column("gain", "One hour adds, points", "fine points", lambda r: _estimate(r.hour)),
        *interval("lower", "upper", "95 % interval", "fine points", lambda row: row.hour),
        Column("long_gain", f"{LONG} hours add", "fine points", lambda r: _estimate(r.long)),
        *interval("long_lower", "long_upper", "95 % interval", "fine points", lambda r: r.long),
    )


def _estimate(found: Interval | None) -> float | None:
    return None if found is None else found.estimate


def _rows(form: _Form, found: Statistics) -> Iterator[_Row]:
    curves = {m: curve for m, curve in found.forecasts.items() if isinstance(curve, Forecast)}
    if not form.is_label or not curves:
        yield _Row(form, None, None, None)
        return
    for method, curve in curves.items():
        yield _Row(form, method, *(_gain(curve, n * form.per_hour) for n in (1, LONG)))


def _gain(curve: Forecast, labels: float) -> Interval | None:
    try:
        return curve.gain(labels)
    except ForecastRangeError:
        return None


def hour_sentences(
    grid: Grid, found: Statistics, forms: list[_Form], draft: Draft | None
) -> list[str]:
    """What an hour buys, in words, with what was assumed; empty where no minutes are known."""
    if not forms:
        return []
    counted = [f"{Prices.named(form.name, form.per_hour)}" for form in forms]
    sentences = [f"An hour of an expert buys {_either(counted)}."]
    for method, curve in found.forecasts.items():
        if isinstance(curve, Forecast):
            told = [_added(form, curve) for form in forms if form.is_label]
            if told:
                start = f"{curve.largest:,.0f} labelled {grid.unit}s"
                name = capitalized(method.short_name)
                sentences.append(f"{name}, from {start} on, in mIoU points: {'; '.join(told)}.")
    if not any(isinstance(curve, Forecast) for curve in found.forecasts.values()):
        sentences.append("What they add cannot be said, as there is no forecast.")
    own = next((form for form in forms if form.name == Prices.form_of(grid.unit)), None)
    sentences += [_unknown(form, own) for form in forms if not form.is_label]
    if any(form.name == DRAFT for form in forms):
        sentences.append("A corrected draft is counted as a label like any other.")
    if draft is not None and own is not None:
        sentences.append(_draft_sentence(grid, draft, own))
    return sentences


def _either(counted: list[str]) -> str:
    return counted[0] if len(counted) == 1 else f"{', '.join(counted[:-1])} or {counted[-1]}"


def _added(form: _Form, curve: Forecast) -> str:
    gain = _gain(curve, form.per_hour)
    said = Prices.named(form.name, form.per_hour)
    if gain is None:
        return f"{said} are more than the forecast reaches"
    ends = f"95 % interval {points(gain.lower, 2)} to {points(gain.upper, 2)}"
    return f"{said} add {points(gain.estimate, 2)} ({ends})"


def _unknown(form: _Form, own: _Form | None) -> str:
    said = f"What a {form.name} adds was not measured by this sweep"
    if own is None:
        return f"{said}."
    return (
        f"{said}: an hour of them pays if one adds more than "
        f"{percent(form.minutes / own.minutes, 0)} of what a label adds."
    )


def _draft_sentence(grid: Grid, draft: Draft, own: _Form) -> str:
    return (
        f"Drafts by {draft.method.short_name} with {draft.budget.num_labeled:,} labels differ from "
        f"the references of {draft.num_cases:,} test {grid.case_unit}s in as many pixels as "
        f"{percent(draft.share, 0)} of those that drawing from nothing sets. If time goes with "
        f"pixels, correcting takes {own.minutes * draft.share:.1f} of {own.minutes:g} minutes; "
        "looking at a draft and finding its faults is not counted, so this is the least it takes."
    )
