"""The budget report in a real browser, from a file, with no way to the network."""

import pytest
from browser import load, needs_browser
from sweep_folders import SweepSpec, write_sweep

from ecs_med.reporting.sweep.report import write_budget_report

pytestmark = needs_browser


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return write_budget_report(folder, write_sweep(folder, SweepSpec(num_test=8)))


@pytest.fixture(scope="module")
def loaded(report, tmp_path_factory):
    return load(report, tmp_path_factory.mktemp("browser"))


def test_curve_and_numbers_are_in_the_page(loaded, report):
    assert 'id="score-curve-figure_1"' in loaded.dom
    rows = (report.parent / "tables/scores.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert len(rows) == 10
    for row in rows:
        assert f"{float(row.split(',')[4]):.3f}" in loaded.dom
    assert loaded.dom.count('role="img"') == 8


def test_the_console_is_clean_and_no_request_leaves(loaded):
    assert loaded.console == []
    assert loaded.requests == []


def test_a_page_that_does_ask_elsewhere_is_noticed(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        '<img src="http://example.com/x.png"><script>console.log("said")</script>',
        encoding="utf-8",
    )
    found = load(page, tmp_path)
    assert "said" in found.console[0]
    assert any("example.com/x.png" in request for request in found.requests)
