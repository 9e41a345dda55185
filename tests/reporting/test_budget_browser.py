"""The budget report in a real browser, from a file, with no way to the network."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest
from sweep_folders import SweepSpec, write_sweep

from ecs_med.reporting.sweep.report import write_budget_report

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--v=0",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="no Chromium or Chrome on this machine"),
]


class Loaded(NamedTuple):
    """What a browser made of a page."""

    dom: str
    console: list[str]
    requests: list[str]


def load(page: Path, folder: Path) -> Loaded:
    """Load a page; `requests` are the page's own, not those that the browser makes for itself."""
    log = folder / "net.json"
    done = subprocess.run(
        [
            str(BROWSER),
            *FLAGS,
            f"--user-data-dir={folder / 'profile'}",
            f"--log-net-log={log}",
            "--dump-dom",
            page.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    events = log.read_text(encoding="utf-8").splitlines()
    return Loaded(
        done.stdout,
        [line for line in done.stderr.splitlines() if "CONSOLE" in line],
        [line for line in events if "site=file://" in line and '"url":"http' in line],
    )


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
