"""What may differ between runs of one report, and what is refused in which words."""

import json

import pytest
from sweep_folders import METHODS, SweepSpec, change_json, write_sweep

from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.reporting.sweep.checks import check_comparable
from ecs_med.reporting.sweep.grid import arrange
from ecs_med.reporting.sweep.runs import read_runs
from ecs_med.reporting.sweep.series import by_draw
from ecs_med.runs import MethodFacts

TINY = SweepSpec(budgets=("1/8", "1/4"), seeds=(0, 1), num_samples=0, num_test=4)


@pytest.fixture
def folders(tmp_path):
    return write_sweep(tmp_path, TINY)


def check(folders, allow=()):
    return check_comparable(by_draw(read_runs(folders)[0]), allow)


def rename_cases(folder, role, notes=()):
    """Give a run other cases of a role."""
    split = json.loads((folder / "split.json").read_text(encoding="utf-8"))
    for case in split["cases"]:
        if case["role"] == role:
            case["id"] += "-other"
    change_json(folder / "split.json", cases=split["cases"], notes=list(notes))


def test_a_sweep_is_comparable(folders):
    assert check(folders) == ()


def test_other_data(folders):
    manifest = json.loads((folders[1] / "manifest.json").read_text(encoding="utf-8"))
    change_json(folders[1] / "manifest.json", data=manifest["data"] | {"name": "cvc"})
    with pytest.raises(RunFolderError) as caught:
        check(folders)
    sentence = str(caught.value)
    assert str(folders[0]) in sentence
    assert str(folders[1]) in sentence
    assert "differ in data set (kvasir-like and cvc)" in sentence
    assert "add `allow` data" in sentence
    assert len(check(folders, ["data"])) == 1


@pytest.mark.parametrize("role", ["test", "validation"])
def test_other_test_or_validation_cases(folders, role):
    rename_cases(folders[3], role)
    with pytest.raises(RunFolderError, match=f"different {role} cases.*`allow` split"):
        check(folders)
    assert check(folders, ["split"])


def test_other_labelled_cases_at_a_seed(folders):
    rename_cases(folders[1], "labeled")
    with pytest.raises(RunFolderError, match="same budget and seed, but different labelled cases"):
        check(folders)


def test_seeds_may_draw_their_own_test_cases(folders):
    note = "The data set gives no test cases: 4 were drawn by the seed."
    for folder in folders:
        if folder.name.endswith("s1"):
            rename_cases(folder, "test", [note])
        else:
            change_json(folder / "split.json", notes=[note])
    assert check(folders) == ()
    rename_cases(folders[0], "test", [note])
    with pytest.raises(RunFolderError, match="different test cases"):
        check(folders)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"batch": 16}, "setting batch (8 and 16)"),
        ({"augmentation": {"jitter": 0.5}}, "setting augmentation.jitter (0.0 and 0.5)"),
    ],
)
def test_other_protocol(folders, values, said):
    change_json(folders[5] / "config.json", **values)
    with pytest.raises(RunFolderError) as caught:
        check(folders)
    assert said in str(caught.value)
    assert "`allow` protocol" in str(caught.value)


def test_how_a_run_was_computed_does_not_matter(folders):
    values = {"workers": 8, "device": "cuda:1", "precision": "bf16", "cache": "/elsewhere"}
    change_json(folders[5] / "config.json", **values)
    assert check(folders) == ()


def test_a_setting_of_one_method_matters_among_its_runs_only(folders):
    names = [folder.name.split("-")[0] for folder in folders]
    change_json(folders[names.index("supervised")] / "config.json", corrector_encoder="resnet34")
    assert check(folders) == ()
    change_json(folders[names.index("ecs")] / "config.json", corrector_encoder="resnet34")
    with pytest.raises(RunFolderError, match="corrector_encoder"):
        check(folders)


def test_a_setting_of_two_methods_may_differ_between_them(tmp_path):
    facts = METHODS | {"s4gan": METHODS["s4gan"].model_copy(update={"settings": ("augmentation",)})}
    facts |= {"ecs": METHODS["ecs"].model_copy(update={"settings": ("augmentation",)})}
    spec = SweepSpec(
        methods=("ecs", "s4gan"), budgets=("1/8",), num_samples=0, num_test=4, facts=facts
    )
    folders = write_sweep(tmp_path, spec)
    for folder in folders:
        if folder.name.startswith("ecs"):
            change_json(folder / "config.json", augmentation={"jitter": 0.5})
    assert check(folders) == ()
    change_json(folders[-1] / "config.json", augmentation={"jitter": 0.25})
    with pytest.raises(RunFolderError, match=r"setting augmentation.jitter \(0.0 and 0.25\)"):
        check(folders)


def test_an_unknown_kind_of_difference(folders):
    with pytest.raises(SettingsError, match="choose data, split or protocol"):
        check(folders, ["everything"])


def test_the_same_run_twice_is_refused(folders):
    change_json(folders[2] / "config.json", seed=0)
    change_json(folders[2] / "split.json", **json.loads((folders[0] / "split.json").read_text()))
    runs = [run for run in read_runs(folders)[0] if run.method.name == "supervised"]
    changed = [run for run in runs if run.labeled == "1/8" or run.seed == 0]
    with pytest.raises(RunFolderError, match="are both supervised with"):
        arrange([*changed, changed[0]])


def test_budgets_that_mean_the_same_are_one(folders):
    for folder in folders:
        if "ecs-1-8" in folder.name:
            change_json(folder / "config.json", labeled="12.5%")
        if "ecs-1-4" in folder.name:
            change_json(folder / "config.json", labeled="200")
    grid = arrange(read_runs(folders)[0])
    assert [budget.num_labeled for budget in grid.budgets] == [100, 200]
    assert [budget.share for budget in grid.budgets] == [0.125, 0.25]
    assert all(len(grid.pairs(METHODS["ecs"], budget)) == 2 for budget in grid.budgets)


def test_one_case_and_all_cases_are_not_the_same(folders):
    for folder in folders:
        if "1-8" in folder.name:
            change_json(folder / "config.json", labeled="1")
        else:
            change_json(folder / "config.json", labeled="all")
    grid = arrange(read_runs(folders)[0])
    assert [budget.name for budget in grid.budgets] == ["1", "all"]


def facts_of(name, *, unlabeled, corrector=False):
    values = {"name": name, "title": name.title(), "short_name": name.upper()}
    return MethodFacts(**values, uses_unlabeled=unlabeled, uses_corrector=corrector)


@pytest.mark.parametrize(
    ("given", "baseline", "main"),
    [
        ({"a": {"unlabeled": True}, "z": {"unlabeled": False}}, "z", "a"),
        ({"b": {"unlabeled": False, "corrector": True}, "c": {"unlabeled": False}}, "c", "b"),
        ({"c": {"unlabeled": False}, "b": {"unlabeled": False}}, "b", "c"),
        ({"b": {"unlabeled": True}, "c": {"unlabeled": True, "corrector": True}}, None, "c"),
        ({"b": {"unlabeled": False}}, "b", None),
    ],
)
def test_the_baseline_is_what_learns_from_labelled_images_alone(tmp_path, given, baseline, main):
    facts = {name: facts_of(name, **values) for name, values in given.items()}
    spec = SweepSpec(
        methods=tuple(given), budgets=("1/8",), seeds=(0,), num_samples=0, num_test=4, facts=facts
    )
    grid = arrange(read_runs(write_sweep(tmp_path, spec))[0])
    assert grid.baseline == facts.get(baseline)
    assert grid.main == facts.get(main)
    assert grid.rivals == (() if baseline is None or main is None else (facts[main],))
    assert len({grid.place(method) for method in grid.methods}) == len(grid.methods)


def test_a_method_with_other_draws_is_no_fair_comparison(folders):
    for folder in folders:
        if folder.name.startswith("ecs"):
            change_json(folder / "config.json", draw="foreground")
    with pytest.raises(RunFolderError, match="setting draw"):
        check(folders)
