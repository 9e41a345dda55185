"""A whole budget sweep from Python."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecs_med.errors import SettingsError, TrainingInterrupted
from ecs_med.sweep.budget import budget, count_labels, plan_budget
from ecs_med.sweep.executors import ExecutorOptions
from ecs_med.sweep.executors.base import Stop
from ecs_med.sweep.plan import SweepConfig, plan_cells

Build = Callable[..., SweepConfig]


def asked(sweep: SweepConfig) -> dict[str, Any]:
    """Arguments of `budget` that ask for the same sweep, but its budgets."""
    return {
        "data": sweep.data,
        "methods": sweep.methods,
        "seeds": sweep.seeds,
        "settings": sweep.settings,
        "output": sweep.out,
    }


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_two_runs_and_their_report_then_one_budget_more(build: Build) -> None:
    sweep = build(methods=("supervised",))
    found = budget(budgets=["1/4", "1/2"], **asked(sweep))
    assert found.path == sweep.out / "budget.html"
    assert [run.name for run in found.runs] == ["supervised-1-4-s0", "supervised-1-2-s0"]
    assert found.failures == ()
    page = found.path.read_text()
    assert "1/4" in page
    before = [(run / "metrics.json").stat().st_mtime_ns for run in found.runs]
    wider = budget(output=sweep.out, budgets=["1"])
    assert [run.name for run in wider.runs][2:] == ["supervised-all-s0"]
    assert [(run / "metrics.json").stat().st_mtime_ns for run in found.runs] == before
    plan = json.loads((sweep.out / "sweep.json").read_text())
    assert plan["budgets"] == ["1/4", "1/2", "all"]
    assert plan["settings"]["iterations"] == 4


def test_failures_are_named_and_a_stop_is_an_interruption(build: Build) -> None:
    sweep = build({"start_from": "absent"}, methods=("supervised",))
    found = budget(budgets=["1/2"], **asked(sweep))
    assert (found.path, found.runs) == (None, ())
    ((name, why),) = found.failures
    assert name == "supervised, 1/2, seed 0"
    assert "absent" in why
    stop = Stop()
    stop.request()
    with pytest.raises(TrainingInterrupted, match="0 of 1 runs done"):
        budget(output=sweep.out, stop=stop)


def test_what_cannot_be_is_refused_before_the_first_run(build: Build, tmp_path: Path) -> None:
    for wrong in ({"methods": ["superwised"]}, {"budgets": ["1000"]}, {"executor": "threads"}):
        sweep = build(methods=("supervised",))
        with pytest.raises(Exception, match=r"supervised|1000|threads"):
            budget(**({"budgets": ["1/2"]} | asked(sweep) | wrong))
        assert not sweep.out.exists()
    with pytest.raises(SettingsError, match="`data`"):
        budget()
    with pytest.raises(SettingsError, match="holds no sweep"):
        budget(output=tmp_path / "empty")


def test_labels_are_counted_as_they_are_drawn(build: Build) -> None:
    sweep = build({"draw": "stratified"})
    found = plan_budget(
        {"data": sweep.data, "out": sweep.out, "settings": sweep.settings},
        ExecutorOptions(name="inline"),
    )
    assert found.config.budgets == ("1/16", "1/8", "1/4", "1/2", "all")
    assert found.num_labeled == {"1/16": 1, "1/8": 2, "1/4": 5, "1/2": 9, "all": 18}
    assert count_labels(plan_cells(sweep)) == {"1/4": 5, "1/2": 9}
