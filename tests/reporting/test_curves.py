"""Quantities over iterations, and the curves of them."""

import pytest

from ecs_med.reporting.run.curves import Line, Mark, Series, condense, line_chart, series
from ecs_med.runs import read_history


def test_series_leaves_out_rows_without_the_quantity(log, tmp_path):
    for iteration, signals in ((0, {"a": 1.0}), (1, {"a": None}), (2, {}), (5, {"a": 2.5})):
        log(tmp_path, iteration, {}, signals=signals)
    rows = read_history(tmp_path / "history.jsonl").train
    assert series(rows, lambda row: row.signals.get("a")) == Series((0, 5), (1.0, 2.5))
    assert not series(rows, lambda row: row.losses.get("absent"))


def test_condensing_averages_neighbours_and_keeps_the_mean():
    points = Series(tuple(range(1000)), tuple(float(i) for i in range(1000)))
    condensed, size = condense(points, max_points=100)
    assert size == 10
    assert len(condensed) == 100
    assert condensed.iterations[0] == 9
    assert condensed.values[0] == pytest.approx(4.5)
    assert sum(condensed.values) / 100 == pytest.approx(sum(points.values) / 1000)


def test_condensing_leaves_short_series_alone():
    points = Series((1, 2), (0.1, 0.2))
    assert condense(points) == (points, 1)


def test_the_chosen_iteration_is_ringed_on_every_curve_that_has_it():
    lines = [
        Line("a", Series((1, 2, 3), (0.1, 0.2, 0.3))),
        Line("b", Series((1, 2), (0.4, 0.5))),
        Line("c", Series((1, 3), (0.6, 0.7))),
    ]
    plain = line_chart(lines, chart_id="x", alt="Three curves.")
    marked = line_chart(lines, chart_id="x", alt="Three curves.", mark=Mark(2, "chosen"))
    assert marked.count("chosen") == 1
    assert marked.count("<use") - plain.count("<use") == 2


def test_small_rates_are_written_out():
    line = Line("segmenter", Series((1, 2, 3), (1e-2, 1e-4, 1e-6)))
    chart = line_chart([line], chart_id="x", alt="Rates.", log=True)
    assert "0.00001</text>" in chart
    assert "999" not in chart
