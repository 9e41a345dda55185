"""From a sweep to its cells, and the plan on disk."""

import json
from collections.abc import Callable

import pytest

from ecs_med.config import TrainConfig
from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.sweep.plan import FREE_SETTINGS, SweepConfig, plan_cells
from ecs_med.sweep.sweep import merge_request, read_plan, write_plan

Build = Callable[..., SweepConfig]


def test_every_combination_once_with_equal_steps(build: Build) -> None:
    sweep = build(seeds=(0, 3), budgets=("1/16", "12.5%", "all"))
    cells = plan_cells(sweep)
    assert len({cell.name for cell in cells}) == len(cells) == 2 * 3 * 2
    assert {cell.config.iterations for cell in cells} == {4}
    first = cells[1]
    assert (first.name, first.label) == ("ecs-1-16-s0", "ecs, 1/16, seed 0")
    assert first.folder == sweep.out / "runs" / "ecs-1-16-s0"
    assert (first.config.labeled, first.config.seed) == ("1/16", 0)
    assert cells[2].name == "supervised-12.5pct-s0"


def test_whole_curves_come_first(build: Build) -> None:
    seeds = [cell.seed for cell in plan_cells(build(seeds=(5, 0)))]
    assert seeds == [5] * 4 + [0] * 4


def test_an_interval_longer_than_the_run_is_the_run(build: Build) -> None:
    cells = plan_cells(build({"evaluate_every": 100}))
    assert {cell.config.evaluate_every for cell in cells} == {4}


def test_steps_have_to_be_decided(build: Build) -> None:
    with pytest.raises(SettingsError, match="`iterations`"):
        plan_cells(build({"iterations": None}))


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"seed": 3}, "'seed' is decided by the sweep"),
        ({"labeled": "10%"}, "'labeled' is decided by the sweep"),
    ],
)
def test_settings_of_single_cells_are_refused(
    build: Build, settings: dict[str, object], match: str
) -> None:
    with pytest.raises(SettingsError, match=match):
        build(settings)


def test_unknown_settings_are_refused(build: Build) -> None:
    with pytest.raises(SettingsError, match="did you mean 'batch'"):
        plan_cells(build({"batches": 3}))


def test_the_plan_comes_back_from_disk(build: Build) -> None:
    sweep = build()
    assert read_plan(sweep.out) is None
    write_plan(sweep, plan_cells(sweep))
    assert read_plan(sweep.out) == sweep
    content = json.loads((sweep.out / "sweep.json").read_text())
    assert content["version"] == 1
    assert content["cells"][1] == {
        "method": "ecs",
        "labeled": "1/4",
        "seed": 0,
        "folder": "runs/ecs-1-4-s0",
    }


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 1}', '{"version": 7}'])
def test_a_damaged_plan_is_refused(build: Build, text: str) -> None:
    out = build().out
    out.mkdir()
    (out / "sweep.json").write_text(text)
    with pytest.raises(RunFolderError, match=r"sweep\.json"):
        read_plan(out)


def test_another_version_is_named(build: Build) -> None:
    sweep = build()
    write_plan(sweep, plan_cells(sweep))
    file = sweep.out / "sweep.json"
    file.write_text(file.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(RunFolderError, match="update ecs-med"):
        read_plan(sweep.out)


def test_budgets_methods_and_seeds_may_be_added(build: Build) -> None:
    stored = build(methods=("supervised",), seeds=(1,))
    asked = {"budgets": ("50%", "all"), "methods": ("ecs", "supervised"), "seeds": (0, 1)}
    merged = merge_request(stored, {"out": stored.out, **asked})
    assert merged.budgets == ("1/4", "1/2", "all")
    assert merged.methods == ("supervised", "ecs")
    assert merged.seeds == (0, 1)
    assert merged.settings == stored.settings


def test_another_setting_is_refused_by_name(build: Build) -> None:
    stored = build()
    for settings, match in (
        ({"batch": 4}, "started with `batch=2`, not 4"),
        ({"precision": "bf16"}, "started with `precision=auto`, not bf16"),
    ):
        with pytest.raises(SettingsError, match=match):
            merge_request(stored, {"out": stored.out, "settings": settings})
    with pytest.raises(SettingsError, match="started with `data="):
        merge_request(stored, {"out": stored.out, "data": stored.out})


def test_settings_that_change_no_result_may_differ(build: Build) -> None:
    stored = build()
    asked = {"out": stored.out, "settings": {"workers": 2, "encoder": "auto", "batch": 2}}
    merged = merge_request(stored, asked)
    assert merged.settings == {**stored.settings, "workers": 2}


def test_what_may_differ_and_what_is_open_follows_from_the_fields_of_settings() -> None:
    assert {"cache", "data", "run", "tensorboard", "workers"} == FREE_SETTINGS
    comparable = TrainConfig.fields_affecting("result", "machine")
    assert comparable == set(TrainConfig.model_fields) - FREE_SETTINGS
    assert {"device", "precision", "evaluate_every", "batch"} <= comparable
