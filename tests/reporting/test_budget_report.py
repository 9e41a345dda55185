"""The budget report as a whole: what it says, that it is self-contained, that it repeats."""

import csv
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sweep_folders import (
    FOUR_CLASSES,
    METHODS,
    SweepSpec,
    change_json,
    fail,
    write_run,
    write_sweep,
)

from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.reporting.sweep.report import write_budget_report
from ecs_med.runs.outputs import MARKER

SMALL = SweepSpec(budgets=("1/16", "1/4"), num_samples=1, num_test=8)
SECTIONS = {
    "scores",
    "classes",
    "forecast",
    "hours",
    "saved",
    "gallery",
    "health",
    "cost",
    "protocol",
    "failures",
}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A whole sweep with two classes and its report."""
    out = tmp_path_factory.mktemp("sweep")
    folders = write_sweep(out)
    return write_budget_report(out, folders, minutes_per_label=6, cost_per_hour=100), folders


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "runs" not in path.relative_to(folder).parts
    }


def test_every_section_is_there(sweep, read_page):
    page = read_page(sweep[0].read_text(encoding="utf-8"))
    assert {attrs.get("id") for attrs in page.all("section")} == SECTIONS
    assert len(page.ids) == len(set(page.ids))
    names = [attrs["href"][1:] for attrs in page.all("a")]
    assert set(names) <= set(page.ids)


def test_numbers_of_the_table_are_on_the_page(sweep, read_page):
    page = read_page(sweep[0].read_text(encoding="utf-8"))
    with (sweep[0].parent / "tables/scores.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    for row in rows:
        assert f"{float(row['miou']):.3f}" in page.text
        assert row["num_runs"] == "3"


def test_means_are_those_of_the_runs(sweep):
    """The CSV against means taken straight from the folders."""
    found = json.loads((sweep[0].parent / "tables/scores.json").read_text(encoding="utf-8"))
    cells: dict[tuple[str, str], list[float]] = {}
    for folder in sweep[1]:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        name = {"ecs": "ECS"}.get(config["method"], config["method"])
        cells.setdefault((name, config["labeled"]), []).append(metrics["test"]["miou"])
    for row in found["rows"]:
        values = cells[row["method"], row["budget"]]
        assert row["miou"] == pytest.approx(sum(values) / len(values), abs=1e-12)


def test_figures_have_words_and_files(sweep, read_page):
    page = read_page(sweep[0].read_text(encoding="utf-8"))
    charts = [attrs for attrs in page.all("svg") if attrs.get("role") == "img"]
    files = sorted(path.stem for path in (sweep[0].parent / "figures").glob("*.svg"))
    assert len(charts) == len(files) == 8
    assert all(len(attrs["aria-label"]) > 40 for attrs in charts)
    assert files == sorted(path.stem for path in (sweep[0].parent / "figures").glob("*.png"))
    assert all(attrs["alt"] for attrs in page.all("img"))


def test_nothing_is_loaded_from_elsewhere(sweep, read_page):
    text = sweep[0].read_text(encoding="utf-8")
    page = read_page(text)
    assert not re.search(r"https?:|url\((?!#)|@import|<script|<link|<iframe", text)
    for _, attrs in page.elements:
        assert attrs.get("src", "data:").startswith("data:")
        assert attrs.get("href", "#").startswith("#")


def test_forecast_saving_and_money_are_told(sweep, read_page):
    text = read_page(sweep[0].read_text(encoding="utf-8")).text
    assert "with 1,600 labelled images, twice the largest number measured" in text
    assert "labels for mIoU 0.80" in text
    assert re.search(r"it saves about \d+ images \([\d.]+ hours", text)
    assert "Cost saved" in text


def test_the_same_folders_give_the_same_bytes(tmp_path):
    folders = write_sweep(tmp_path, SMALL)
    write_budget_report(tmp_path, folders)
    first = digests(tmp_path)
    write_budget_report(tmp_path, list(reversed(folders)))
    assert digests(tmp_path) == first
    assert len(first) > 20


def test_four_classes(tmp_path, read_page):
    spec = SweepSpec(budgets=("1/16", "1/4"), class_names=FOUR_CLASSES, num_samples=1, num_test=8)
    page = read_page(write_budget_report(tmp_path, write_sweep(tmp_path, spec)).read_text("utf-8"))
    assert "left ventricle" in page.text
    labels = [attrs["aria-label"] for attrs in page.all("svg") if "aria-label" in attrs]
    assert sum("right ventricle" in label for label in labels) == 3


def test_one_seed_has_no_intervals_and_says_so(tmp_path, read_page):
    spec = SweepSpec(seeds=(4,), num_samples=1, num_test=8)
    text = read_page(
        write_budget_report(tmp_path, write_sweep(tmp_path, spec)).read_text("utf-8")
    ).text
    assert "There is one seed, so there are no standard deviations" in text
    assert "single seed, which cannot tell a gain from chance" in text
    assert "A forecast needs at least" in text


def test_one_method_and_one_budget(tmp_path, read_page):
    spec = SweepSpec(methods=("ecs",), budgets=("1/8",), num_samples=0, num_test=8)
    text = read_page(
        write_budget_report(tmp_path, write_sweep(tmp_path, spec)).read_text("utf-8")
    ).text
    assert "There is no second method to compare it with." in text
    assert "The runs have no sample pictures" in text
    assert "There is no gain to show" in text


def test_methods_without_a_baseline_are_not_compared(tmp_path, read_page):
    spec = SweepSpec(methods=("ecs", "s4gan"), budgets=("1/8",), num_samples=0, num_test=8)
    text = read_page(
        write_budget_report(tmp_path, write_sweep(tmp_path, spec)).read_text("utf-8")
    ).text
    assert "None of them learns from labelled images alone" in text
    assert "There is no gain to show" in text


def test_names_from_outside_are_escaped(tmp_path, read_page):
    hostile = "<script>alert('x')</script>"
    facts = METHODS["ecs"].model_copy(
        update={"name": '../e"><script>', "title": hostile, "short_name": hostile}
    )
    spec = SweepSpec(
        methods=("supervised", facts.name),
        budgets=("1/8", "1/4"),
        class_names=("background", hostile),
        num_samples=1,
        num_test=8,
        facts={**METHODS, facts.name: facts},
    )
    runs = tmp_path / "runs"
    folders = []
    for index, method in enumerate(spec.methods):
        for labeled in spec.budgets:
            folder = runs / f"{index}-{labeled.replace('/', '-')}"
            write_run(folder, spec, method=method, labeled=labeled, seed=0, miou=0.6)
            folders.append(folder)
    page = read_page(write_budget_report(tmp_path, folders).read_text("utf-8"))
    assert page.text.count(hostile) > 10
    assert not page.all("script")
    names = {path.name for path in (tmp_path / "figures").iterdir()}
    assert any(re.fullmatch(r"classes-\.\.-e-script--[0-9a-f]{8}\.svg", name) for name in names)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("budget.html", "figures", "runs", "tables", MARKER),
    }


def test_failed_runs_are_shown_and_never_averaged(tmp_path, read_page):
    folders = write_sweep(tmp_path, SMALL)
    fail(folders[0], "The loss became <NaN>; lower the learning rate.")
    (folders[1] / "metrics.json").unlink()
    report = write_budget_report(tmp_path, folders, failures=[("ecs-all-s9", "Not begun.")])
    text = read_page(report.read_text("utf-8")).text
    assert "3 of 13 runs have no score" in text
    assert "The loss became <NaN>; lower the learning rate." in text
    assert "The run has stopped or is still going on." in text
    assert "Not begun." in text
    rows = json.loads((tmp_path / "tables/scores.json").read_text("utf-8"))["rows"]
    assert sorted(row["num_runs"] for row in rows) == [2, 2, 3, 3]


def test_a_later_report_leaves_no_old_figure(tmp_path):
    folders = write_sweep(tmp_path, SMALL)
    write_budget_report(tmp_path, folders)
    assert (tmp_path / "figures/gain.svg").exists()
    (tmp_path / "figures/mine.svg").write_text("kept", encoding="utf-8")
    write_budget_report(tmp_path, [f for f in folders if f.name.startswith("ecs")])
    assert not (tmp_path / "figures/gain.svg").exists()
    assert (tmp_path / "figures/mine.svg").exists()


def test_allowed_differences_are_printed(tmp_path, read_page):
    folders = write_sweep(tmp_path, SMALL)
    change_json(folders[2] / "config.json", iterations=800)
    with pytest.raises(RunFolderError, match=r"setting iterations \(400 and 800\).*`allow` prot"):
        write_budget_report(tmp_path, folders)
    report = write_budget_report(tmp_path, folders, allow=["protocol"])
    text = read_page(report.read_text("utf-8")).text
    assert "Allowed difference:" in text
    assert "400 (11 runs); 800 (1 run)" in text


def test_nothing_to_report(tmp_path):
    folders = write_sweep(tmp_path, SweepSpec(budgets=("1/8",), seeds=(0,), num_samples=0))
    for folder in folders:
        fail(folder)
    with pytest.raises(RunFolderError, match="no run has a score yet"):
        write_budget_report(tmp_path, folders)


@pytest.mark.parametrize(
    ("minutes", "cost", "said"),
    [(0, None, "above 0"), (5, -1, "above 0"), (None, 50, "give `minutes_per_label` too")],
)
def test_wrong_prices(tmp_path, minutes, cost, said):
    with pytest.raises(SettingsError, match=said):
        write_budget_report(tmp_path, [], minutes_per_label=minutes, cost_per_hour=cost)


def test_a_budget_report_is_made_without_torch(tmp_path):
    write_sweep(tmp_path, SMALL)
    code = "import sys; from ecs_med_cli.app import main\ntry: main(sys.argv[1:])\nfinally: "
    code += "print('torch' in sys.modules)"
    words = ["report", str(tmp_path), "--output", str(tmp_path / "report")]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False"


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads its peak from /proc")
def test_500_runs_take_under_20_seconds_and_1_gb(tmp_path):
    folders = write_sweep(tmp_path, SweepSpec(seeds=range(50)))
    assert len(folders) == 500
    # A process of its own: the peak of this one is that of the largest test before. Its own peak is
    # in VmHWM; ru_maxrss would be that of the process that starts it.
    script = (
        "import re, sys, time; from pathlib import Path\n"
        "from ecs_med.reporting.sweep.report import write_budget_report\n"
        "root = Path(sys.argv[1])\n"
        "write_budget_report(root, sorted((root / 'runs').iterdir()))\n"
        "status = Path('/proc/self/status').read_text()\n"
        "print(time.process_time(), re.search(r'VmHWM:\\s+(\\d+)', status)[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
    )
    # CPU time: on a busy machine a clock on the wall measures its neighbours.
    seconds, peak_kb = (float(value) for value in done.stdout.split())
    assert seconds < 20
    assert peak_kb < 1024 * 1024
