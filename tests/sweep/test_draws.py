"""Labels chosen by the rules of suggest: in one run, and as curves of one sweep."""

from collections.abc import Callable
from pathlib import Path

import pytest

import ecs_med
from ecs_med.acquisition.base import ACQUISITIONS, Pool, choose
from ecs_med.acquisition.lookers import looker_for
from ecs_med.data.layout import open_data
from ecs_med.errors import BudgetError, RunFolderError, SettingsError
from ecs_med.inference.storing import load_model
from ecs_med.reporting.sweep.grid import arrange
from ecs_med.reporting.sweep.report import write_budget_report
from ecs_med.reporting.sweep.runs import read_runs
from ecs_med.reporting.sweep.series import by_draw
from ecs_med.runs import RunFolder
from ecs_med.splits import SplitDocument
from ecs_med.sweep.axes import parse_draws
from ecs_med.sweep.budget import plan_budget
from ecs_med.sweep.executors import ExecutorOptions
from ecs_med.sweep.executors.base import Stop
from ecs_med.sweep.plan import SweepConfig, plan_cells
from ecs_med.sweep.sweep import merge_request, read_plan, run_sweep, write_plan

Build = Callable[..., SweepConfig]


def labeled(run: Path) -> set[str]:
    return set(SplitDocument.read(RunFolder(run).split_file).ids("labeled"))


def test_a_rule_goes_on_from_the_budget_before(build: Build) -> None:
    sweep = build(draws=("random", "entropy"), methods=("supervised",), budgets=("3", "6", "all"))
    cells = {cell.name: cell.config for cell in plan_cells(sweep)}
    assert len(cells) == 6
    chain = [cells[f"supervised-entropy-{budget}-s0"] for budget in ("3", "6", "all")]
    assert [config.draw_from for config in chain] == [None, chain[0].run, chain[1].run]
    assert {cells[f"supervised-random-{b}-s0"].draw_from for b in ("3", "6", "all")} == {None}
    for budgets in (("6", "3"), ("1/4", "6"), ("all", "1/2")):
        with pytest.raises(SettingsError, match="adds to the labels of the budget before"):
            plan_cells(build(draws=("entropy",), budgets=budgets))
    assert parse_draws("random, doubt") == ("random", "doubt")
    with pytest.raises(SettingsError, match="`draw=entropi`; choose among clasp, coldstart,"):
        parse_draws("random,entropi")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_curves_of_one_sweep(build: Build) -> None:
    asked = build(draws=("random", "entropy"), methods=("supervised",), budgets=("3", "6"))
    request = {
        "data": asked.data,
        "out": asked.out,
        "budgets": asked.budgets,
        "methods": asked.methods,
        "seeds": (0, 1),
        "draws": asked.draws,
        "settings": asked.settings,
    }
    sweep = plan_budget(request, ExecutorOptions(name="inline"))
    write_plan(sweep.config, sweep.cells)
    ended: list[str] = []
    # Given the wrong way round, runs still wait for those that they go on from.
    cells = sweep.cells[::-1]
    result = run_sweep(cells, sweep.executor, lambda cell, _: ended.append(cell.name), Stop())
    assert result.exit_code == 0
    assert len(ended) == 8
    for seed in (0, 1):
        assert ended.index(f"supervised-entropy-3-s{seed}") < ended.index(
            f"supervised-entropy-6-s{seed}"
        )
    runs = {cell.name: cell.folder for cell in cells}
    first, second = runs["supervised-entropy-3-s0"], runs["supervised-entropy-6-s0"]
    assert labeled(first) == labeled(runs["supervised-random-3-s0"])
    assert labeled(first) < labeled(second)
    assert labeled(second) - labeled(first) == set(_asked(asked.data, first, 3))
    read, _ = read_runs(list(runs.values()))
    grid = arrange(by_draw(read))
    assert [method.short_name for method in grid.methods] == [
        "supervised at random",
        "supervised by entropy",
    ]
    assert grid.against == "supervised training on labels at random"
    assert len(grid.pairs(grid.methods[1], grid.budgets[0])) == 2
    page = write_budget_report(asked.out / "report", list(runs.values())).read_text()
    assert "Gain over supervised training on labels at random" in page
    assert "as many labelled images" in page
    stored = read_plan(asked.out)
    assert stored is not None
    assert merge_request(stored, {"out": asked.out, "draws": ("foreground",)}).draws == (
        "random",
        "entropy",
        "foreground",
    )


def _asked(data: Path, run: Path, count: int) -> list[str]:
    """What the rule picks among unlabelled cases, by hand."""
    model, unlabeled = load_model(run, "cpu"), SplitDocument.read(
        RunFolder(run).split_file
    ).ids("unlabeled")  # fmt: skip
    cases = [case for case in open_data(data).cases if case.id in unlabeled and case.mask]
    cases.sort(key=lambda case: case.id)
    looker = looker_for("model", model, model.device)
    looks = [looker(case.without_mask(), "") for case in cases]
    pool = Pool(cases, looks, count, 0, model.spec.class_names)
    return [cases[index].id for index in choose(ACQUISITIONS.get("entropy")(pool))]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_one_run_goes_on_from_another_one(build: Build, tmp_path: Path) -> None:
    sweep = build()
    settings = {**sweep.settings, "data": sweep.data, "method": "supervised"}
    first = ecs_med.train({**settings, "labeled": "4", "run": tmp_path / "first"})
    more = {**settings, "labeled": "7", "draw_from": first, "run": tmp_path / "more"}
    run = ecs_med.train({**more, "draw": "foreground"})
    assert labeled(first) < labeled(run)
    assert len(labeled(run)) == 7
    notes = SplitDocument.read(RunFolder(run).split_file).notes
    assert any(
        "4 labelled cases are those of" in note and "3 were picked" in note for note in notes
    )
    again = {**more, "run": tmp_path / "again"}
    for wrong, error, match in (
        ({"draw": "entropy", "labeled": "2"}, BudgetError, "is 2 cases, and .*first has 4"),
        ({"draw": "doubt"}, SettingsError, "needs a corrector, and .* 'supervised', has none"),
        ({"draw": "stratified"}, SettingsError, "`draw=stratified` has no rule"),
        ({"draw": "entropy", "draw_from": tmp_path / "no"}, RunFolderError, "no: not finished"),
    ):
        with pytest.raises(error, match=match):
            ecs_med.train({**again, **wrong})
    alone = ecs_med.train({**settings, "labeled": "4", "draw": "entropy", "run": tmp_path / "one"})
    assert labeled(alone) == labeled(first)
    assert any(
        "drawn at random" in n for n in SplitDocument.read(RunFolder(alone).split_file).notes
    )
