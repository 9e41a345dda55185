"""Reading run folders: sweep folders, unfinished and damaged runs, splits."""

import json
from pathlib import Path

import pytest
from sweep_folders import SweepSpec, change_json, fail, write_sweep

from ecs_med.errors import RunFolderError
from ecs_med.reporting.sweep.runs import collect_folders, read_runs
from ecs_med.runs import PlannedRun, SweepFolder, SweepPlan

TINY = SweepSpec(budgets=("1/8",), seeds=(0, 1), num_samples=0, num_test=4)


@pytest.fixture
def folders(tmp_path):
    return write_sweep(tmp_path, TINY)


def test_a_sweep_folder_stands_for_its_runs(tmp_path, folders):
    found, missing = collect_folders([tmp_path, folders[0]])
    assert sorted(found) == sorted(folders)
    assert missing == []


def test_planned_runs_that_are_not_there_are_named(tmp_path, folders):
    names = [*(folder.name for folder in folders), "ecs-all-s7"]
    cells = tuple(
        PlannedRun(method="ecs", labeled="all", seed=0, folder=Path("runs") / name)
        for name in names
    )
    axes = {"budgets": ("all",), "methods": ("ecs",), "seeds": (0,)}
    plan = SweepPlan(data=Path("data"), **axes, settings={}, cells=cells)
    plan.write(SweepFolder(tmp_path).plan_file)
    _, missing = collect_folders([tmp_path])
    assert [name for name, _ in missing] == ["ecs-all-s7"]
    (tmp_path / "sweep.json").write_text("{")
    with pytest.raises(RunFolderError, match=r"sweep\.json: is damaged"):
        collect_folders([tmp_path])


def test_no_such_folder(tmp_path):
    with pytest.raises(RunFolderError, match="nowhere: no such run folder"):
        collect_folders([tmp_path / "nowhere"])


def test_not_a_run_folder(tmp_path):
    with pytest.raises(RunFolderError, match="not a run folder"):
        read_runs([tmp_path])


def test_what_is_read(folders):
    runs, failures = read_runs(folders)
    assert failures == []
    assert {(run.method.name, run.labeled, run.seed) for run in runs} == {
        (method, "1/8", seed) for method in ("supervised", "ecs") for seed in (0, 1)
    }
    first = runs[0]
    assert (first.split.num_labeled, first.split.num_unlabeled, first.split.num_test) == (
        100,
        700,
        4,
    )
    assert first.miou == pytest.approx((first.iou_of(0) + first.iou_of(1)) / 2)
    assert first.split.labeled == runs[1].split.labeled != runs[2].split.labeled


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "metrics.json: is damaged (Invalid JSON"),
        ('{"best_iteration": 3}', "metrics.json: is damaged (validation: Field required)"),
    ],
)
def test_metrics_without_a_score(folders, content, reason):
    (folders[0] / "metrics.json").write_text(content, encoding="utf-8")
    runs, failures = read_runs(folders)
    assert len(runs) == 3
    assert failures[0][0] == folders[0].name
    assert reason in failures[0][1]


def test_a_test_set_without_a_pixel_has_no_score(folders):
    metrics = json.loads((folders[0] / "metrics.json").read_text(encoding="utf-8"))
    change_json(folders[0] / "metrics.json", test=metrics["test"] | {"miou": None})
    reason = "The run has ended without a score on test cases."
    assert read_runs(folders)[1] == [(folders[0].name, reason)]


def test_a_failed_run_says_why(folders):
    fail(folders[0], "The disk is full.")
    assert read_runs(folders)[1] == [(folders[0].name, "The disk is full.")]


@pytest.mark.parametrize("name", ["config.json", "split.json", "manifest.json"])
def test_a_finished_run_must_say_what_it_was(folders, name):
    (folders[0] / name).unlink()
    with pytest.raises(RunFolderError, match=f"{name}: .*leave this run out"):
        read_runs(folders)


def test_a_setting_that_is_none_is_named_with_its_file(folders):
    change_json(folders[0] / "config.json", batch=0)
    with pytest.raises(RunFolderError, match=r"config.json: batch: .*, or leave this run out"):
        read_runs(folders)


def test_a_damaged_split(folders):
    (folders[0] / "split.json").write_text('{"cases": [1]}', encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"split.json: is .*leave this run out"):
        read_runs(folders)


def test_a_class_that_does_not_occur(folders):
    metrics = json.loads((folders[0] / "metrics.json").read_text(encoding="utf-8"))
    change_json(folders[0] / "metrics.json", test=metrics["test"] | {"iou_per_class": [0.9, None]})
    run = read_runs(folders)[0][0]
    assert [run.iou_of(index) for index in range(3)] == [0.9, None, None]


def test_parts_that_the_seed_drew(folders):
    notes = ["The data set gives no test cases: 4 were drawn by the seed."]
    change_json(folders[0] / "split.json", notes=notes)
    assert read_runs(folders)[0][0].split.drawn_by_seed == {"test"}
