"""What the next hour buys: minutes by form, gains of the forecast, drafts by their pixels."""

import csv
import json

import numpy as np
import pytest
from sweep_folders import SweepSpec, change_json, write_sweep

from ecs_med.analysis import Forecast, forecast
from ecs_med.errors import SettingsError
from ecs_med.reporting.sweep.grid import arrange
from ecs_med.reporting.sweep.hours import draft_effort, hour_sentences, priced_forms
from ecs_med.reporting.sweep.prices import Prices
from ecs_med.reporting.sweep.report import write_budget_report
from ecs_med.reporting.sweep.runs import read_runs
from ecs_med.reporting.sweep.statistics import compute_statistics

SPEC = SweepSpec(num_samples=0, num_test=8)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    out = tmp_path_factory.mktemp("sweep")
    folders = write_sweep(out, SPEC)
    grid = arrange(read_runs(folders)[0])
    return out, folders, grid, compute_statistics(grid)


@pytest.mark.parametrize(
    ("typed", "minutes"),
    [
        (None, {}),
        (6, {"label": 6}),
        ("6.5", {"label": 6.5}),
        (
            "outline=6, draft=2,slice=1.5,scribble=0.5",
            dict(outline=6, draft=2, slice=1.5, scribble=0.5),
        ),
        ({"draft": 2}, {"draft": 2}),
    ],
)
def test_minutes_are_a_number_or_pairs(typed, minutes):
    assert Prices.read(typed).minutes == minutes


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("six", "cannot be 'six'; write a number of minutes, or outline=6"),
        ("", "cannot be ''"),
        ("6,draft=2", "cannot be"),
        ("draft=", "cannot be"),
        ("draft=nan", "cannot be"),
        ("circle=2", "form 'circle', which is none of outline, draft, slice, scribble"),
        ("draft=2,draft=3", "names 'draft' twice"),
        ("draft=0", "above 0"),
        ("draft=inf", "above 0"),
    ],
)
def test_other_minutes_are_refused_in_a_sentence(typed, said):
    with pytest.raises(SettingsError, match=said):
        Prices.read(typed)


def test_a_number_is_of_what_the_sweep_labels():
    prices = Prices.read("6", 100)
    assert prices.by_form("image") == {"outline": 6}
    assert prices.by_form("slice") == {"slice": 6}
    assert (prices.hours(20, "image"), prices.cost(20, "image")) == (2, 200)
    only_drafts = Prices.read("draft=2")
    assert only_drafts.hours(20, "image") is None


def test_pixels_to_change_are_those_of_the_counts(sweep):
    """Against a count by hand: errors, at most the foreground of a case, over the foreground."""
    _, folders, grid, found = sweep
    draft = draft_effort(grid, found)
    shares = []
    for folder in folders:
        config = json.loads((folder / "config.json").read_text("utf-8"))
        if (config["method"], config["labeled"]) == (draft.method.name, draft.budget.name):
            changed = drawn = 0
            for case in json.loads((folder / "test_cases.json").read_text("utf-8"))["cases"]:
                (_, false), (missed, right) = case["confusion"]
                changed += min(false + missed, missed + right)
                drawn += missed + right
            shares.append(changed / drawn)
    assert len(shares) == 3
    assert draft.share == pytest.approx(np.mean(shares))
    assert draft.num_cases == 8


def test_a_draft_worse_than_nothing_is_drawn_from_nothing(tmp_path):
    folders = write_sweep(
        tmp_path, SweepSpec(budgets=("1/8",), seeds=(0,), methods=("ecs",), num_samples=0)
    )
    names = ["a", "b", "c"]
    # Twice as many errors as foreground; half as many; no foreground at all.
    counts = [[[50, 20], [0, 10]], [[80, 5], [0, 10]], [[90, 7], [0, 0]]]
    cases = [{"case": n, "confusion": c} for n, c in zip(names, counts, strict=True)]
    change_json(folders[0] / "test_cases.json", cases=cases)
    grid = arrange(read_runs(folders)[0])
    draft = draft_effort(grid, compute_statistics(grid))
    assert draft.share == pytest.approx((10 + 5 + 0) / 20)


def test_an_hour_adds_what_the_forecast_says(sweep, read_page):
    out, folders, grid, found = sweep
    page = write_budget_report(out, folders, minutes_per_label="outline=6,draft=2,scribble=0.5")
    with (out / "tables/next-hour.csv").open(encoding="utf-8") as file:
        rows = {(row["form"], row["method"]): row for row in csv.DictReader(file)}
    for method, curve in found.forecasts.items():
        assert isinstance(curve, Forecast)
        for form, labels in (("outline", 10), ("draft", 30)):
            row, gain = rows[form, method.short_name], forecast(grid.points(method)).gain(labels)
            told = [float(row[key]) for key in ("gain", "lower", "upper", "per_hour")]
            assert told == pytest.approx([gain.estimate, gain.lower, gain.upper, labels])
            assert row["source"] == "given"
    assert rows["scribble", ""]["gain"] == ""
    text = read_page(page.read_text("utf-8")).text
    assert "10 outlines drawn from nothing, 30 corrected drafts or 120 scribbles." in text
    assert "pays if one adds more than 8 % of what a label adds" in text.replace("\u00a0", " ")


def test_drafts_without_minutes_are_estimated_and_said_to_be(sweep):
    _, _, grid, found = sweep
    draft = draft_effort(grid, found)
    forms = priced_forms(grid, Prices.read("6"), draft)
    assert [(form.name, form.is_estimated) for form in forms] == [
        ("outline", False),
        ("draft", True),
    ]
    assert forms[1].minutes == pytest.approx(6 * draft.share)
    said = " ".join(hour_sentences(grid, found, forms, draft))
    assert f"correcting takes {6 * draft.share:.1f} of 6 minutes" in said
    assert "finding its faults is not counted, so this is the least it takes" in said
    assert "A corrected draft is counted as a label like any other." in said


def test_nobody_is_told_of_minutes_that_were_not_given(sweep, read_page):
    out, folders, _, _ = sweep
    text = read_page(write_budget_report(out / "none", folders).read_text("utf-8")).text
    assert "minutes" not in text
    assert "hour" not in text.lower()
    assert json.loads((out / "none/tables/next-hour.json").read_text("utf-8"))["rows"] == []


def test_without_a_forecast_an_hour_has_labels_and_no_gain(tmp_path, read_page):
    spec = SweepSpec(budgets=("1/16", "1/4"), num_samples=0, num_test=8)
    page = write_budget_report(tmp_path, write_sweep(tmp_path, spec), minutes_per_label=6)
    text = read_page(page.read_text("utf-8")).text
    assert "An hour of an expert buys 10 outlines drawn from nothing" in text
    assert "What they add cannot be said, as there is no forecast." in text


def test_the_report_says_what_its_test_set_resolves(sweep, read_page):
    out, folders, _, found = sweep
    text = read_page(write_budget_report(out / "told", folders).read_text("utf-8")).text
    first = found.gains[0].resolution
    assert (first.num_cases, first.num_seeds) == (8, 3)
    points = f"{100 * first.difference:.1f} mIoU points or more from chance"
    assert f"8 test images and 3 seeds tell a difference of about {points}" in text
    rows = json.loads((out / "told/tables/gains.json").read_text("utf-8"))["rows"]
    told = [gain.resolution.difference for gain in found.gains]
    assert [row["resolvable"] for row in rows] == pytest.approx(told)


def test_one_seed_says_that_another_training_is_left_out(tmp_path, read_page):
    spec = SweepSpec(seeds=(4,), num_samples=0, num_test=8)
    page = write_budget_report(tmp_path, write_sweep(tmp_path, spec))
    text = read_page(page.read_text("utf-8")).text
    assert "8 test images tell a difference of about" in text
    assert "Another training, of which a single seed knows nothing, is left out." in text
