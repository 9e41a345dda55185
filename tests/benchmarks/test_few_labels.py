"""The table of methods at few labels from made-up run folders: order, results, gains, page."""

import csv
import json
from pathlib import Path

import pytest
from sweep_folders import SHARES, SweepSpec, change_json, write_run

from ecs_med.analysis import compare_over_seeds_and_cases, compare_paired
from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.runs import RunFolder
from ecs_med.sweep.plan import Cell
from ecs_med_benchmarks.few_labels.comparison import compare_rows
from ecs_med_benchmarks.few_labels.grid import FewLabels, Row, settings_of
from ecs_med_benchmarks.few_labels.page import Report, write_report
from ecs_med_benchmarks.few_labels.plan import Planned, best_rival, plan_runs, steps_by_method
from ecs_med_benchmarks.few_labels.results import ResultStore, RunResult, read_result
from ecs_med_benchmarks.few_labels.seconds import (
    MethodSeconds,
    StepSeconds,
    _in_turns,
    steps_in_time,
)
from ecs_med_benchmarks.few_labels.signals import wrong_here
from ecs_med_benchmarks.few_labels.wording import facts_of, remarks_of

TABLE = FewLabels(reference="ecs").restricted(
    sets=["kvasir"],
    methods=["supervised", "ecs", "s4gan"],
    budgets=["1/16", "1/8"],
    seeds=[0, 1, 2],
)


def measured(method: str, seconds: float) -> MethodSeconds:
    return MethodSeconds(
        dataset="kvasir",
        method=method,
        reference="ecs",
        seconds=seconds,
        reference_seconds=0.4,
        repeats=5,
        sizes={"batch": 4, "crop": 96, "encoder": "tf_efficientnet_lite0"},
        threads=1,
        machine="a processor",
        torch="2.15.0",
        date="2026-11-26",
    )


SECONDS = StepSeconds(
    methods=(measured("ecs", 0.4), measured("s4gan", 0.5), measured("supervised", 0.1))
)


def planned(out: Path, table: FewLabels = TABLE, **settings: object) -> list[Planned]:
    steps = steps_by_method(table, 400, SECONDS)
    shared = settings_of("kvasir", {"iterations": 400, "device": "cpu", **settings})
    return plan_runs(table.cells(steps), {"kvasir": shared}, {"kvasir": Path("data")}, out)


def finish(each: Planned, miou: float, *, validation: float | None = None) -> None:
    """Write the folder of a finished run, its last model a point worse than the chosen one."""
    cell, row = each.cell, each.row
    if cell.folder.exists():
        return
    spec = SweepSpec(num_samples=0)
    write_run(cell.folder, spec, method=row.method, labeled=row.budget, seed=cell.seed, miou=miou)
    RunFolder(cell.folder).write_config(cell.config)
    path = cell.folder / "metrics.json"
    test = json.loads(path.read_text())["test"]
    last = {
        "iteration": row.steps,
        "validation": test,
        "test": test | {"miou": test["miou"] - 0.01},
    }
    chosen = test | {"miou": test["miou"] if validation is None else validation}
    change_json(path, last=last, validation=chosen)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Planned]:
    """All runs of a small table; ECS is better everywhere, s4GAN worse."""
    found = planned(tmp_path_factory.mktemp("few"))
    extra = {"supervised": 0.0, "ecs": 0.03, "s4gan": -0.02}
    for each in found:
        more = 0.01 if each.row.equal == "seconds" else 0.0
        noise = 0.004 * (each.cell.seed - 1) * (1 + ("ecs" in each.row.method))
        finish(each, 0.7 + extra[each.row.method] + more + noise)
    return found


@pytest.fixture(scope="module")
def results(runs: list[Planned]) -> list[tuple[Row, int, RunResult | None]]:
    return [(e.row, e.cell.seed, read_result(e.cell, "kvasir")) for e in runs]


def test_what_tells_most_comes_first() -> None:
    table = FewLabels().with_installed(["supervised", "ecs", "ecs-plus", "cps", "bcp"])[0]
    steps = dict.fromkeys(
        ((s, e, m) for s in table.sets for e in table.equals for m in table.methods), 1
    )
    order = table.cells(steps, rival="bcp")
    first = order[: 2 * 2 * 5]
    assert {(row.budget, seed) for row, seed in first} == {("1/16", 0)}
    assert {row.dataset for row, _ in first[:10]} == {"kvasir", "hippocampus"}
    assert {row.equal for row, _ in first[:10]} == {"steps"}
    assert [row.budget for row, _ in order] == sorted(
        (row.budget for row, _ in order), key=("1/16", "1/8", "1/4", "1/2", "all").index
    )
    assert {row.method for row, _ in order if row.budget == "all"} == {
        *("supervised", "ecs", "ecs-plus", "bcp")
    }
    assert {row.method for row, seed in order if seed > 2} == {"supervised", "ecs", "ecs-plus"}


def test_methods_that_are_not_installed_are_told() -> None:
    table, absent = FewLabels().with_installed(["ecs", "supervised", "corrector"])
    assert table.methods == ("supervised", "ecs")
    assert "unimatch" in absent
    assert "corrector" not in absent


def test_equal_seconds_are_steps_that_fit(tmp_path: Path) -> None:
    steps = {e.row.method: e.row.steps for e in planned(tmp_path) if e.row.equal == "seconds"}
    assert steps == {"supervised": 1600, "ecs": 400, "s4gan": 320}
    assert steps_in_time(3, 100) == 1
    with pytest.raises(SettingsError, match="step of ecs on kvasir are not measured"):
        steps_by_method(TABLE, 400, StepSeconds(methods=SECONDS.methods[1:]))


class Paced:
    """Takes as long as it is told at each point of a run, every third time much longer."""

    def __init__(self, seconds: dict[float, float]) -> None:
        self.seconds = seconds
        self.count = 0

    def timed(self, share: float) -> float:
        self.count += 1
        return self.seconds[share] * (50 if self.count % 3 == 0 else 1)


def test_seconds_are_medians_at_points_of_a_run_and_their_mean() -> None:
    late = {0.02: 1.0, 0.25: 1.0, 0.5: 2.0, 0.75: 2.0, 0.98: 4.0}
    even = Paced(dict.fromkeys(late, 3.0))
    assert _in_turns([Paced(late), even], repeats=5) == [pytest.approx(2.0), pytest.approx(3.0)]
    assert even.count == 2 + 5 * 5


def test_a_run_of_two_tables_is_one_folder(tmp_path: Path) -> None:
    names = [each.cell.name for each in planned(tmp_path) if each.row.method == "ecs"]
    assert len(names) == 2 * len(set(names))
    [config] = {
        each.cell.config.iterations
        for each in planned(tmp_path, evaluate_every=600)
        if each.row.equal == "seconds" and each.row.method == "supervised"
    }
    assert config == 1600


def test_sizes_follow_the_crop() -> None:
    settings = settings_of("hippocampus", {"crop": 64, "max_size": None})
    assert (settings["crop"], settings["max_size"], settings["min_size"]) == (64, 64, 64)
    assert settings_of("kvasir", {"crop": 64, "max_size": 80})["max_size"] == 80
    assert settings["augmentation"]["flip"] is False


def test_no_data_set_is_enlarged_unless_it_is_asked_for() -> None:
    assert settings_of("kvasir", {})["crop"] == 96
    small = settings_of("hippocampus", {})
    assert (small["crop"], small["max_size"], small["min_size"]) == (64, 64, 64)
    assert settings_of("hippocampus", {"crop": 96})["min_size"] == 96


def test_a_result_holds_both_models(runs: list[Planned]) -> None:
    result = read_result(runs[0].cell, "kvasir")
    assert result is not None
    assert result.last is not None
    assert result.chosen.test.miou == pytest.approx(result.last.test.miou + 0.01)
    assert (result.chosen.iteration, result.last.iteration) == (360, runs[0].row.steps)
    counts = json.loads((runs[0].cell.folder / "test_cases.json").read_text())["cases"]
    assert {k: v.tolist() for k, v in result.confusions.items()} == {
        case["case"]: case["confusion"] for case in counts
    }
    assert "data" not in result.settings


def test_stored_results_count_as_done_unless_settings_differ(
    runs: list[Planned], tmp_path: Path
) -> None:
    store = ResultStore(tmp_path)
    for each in runs:
        found = read_result(each.cell, "kvasir")
        assert found is not None
        store.add(found)
    again = ResultStore(tmp_path)
    elsewhere = planned(tmp_path / "elsewhere")
    assert all(again.find(each.cell) for each in elsewhere)
    assert again.outdated(each.cell for each in elsewhere) == []
    assert all(path.stat().st_size < 2**20 for path in (tmp_path / "runs").iterdir())
    # On another device it is the same run; with another crop it is not.
    assert all(again.find(each.cell) for each in planned(tmp_path, device="cuda"))
    other = [each.cell for each in planned(tmp_path, crop=64)]
    assert not any(map(again.find, other))
    assert "`crop=96`, not 64; it is run again" in again.outdated(other)[0]


def test_a_result_from_before_a_setting_was_made_is_found(
    runs: list[Planned], tmp_path: Path
) -> None:
    found = read_result(runs[0].cell, "kvasir")
    assert found is not None
    older = {name: value for name, value in found.settings.items() if name != "dims"}
    store = ResultStore(tmp_path)
    store.add(found.model_copy(update={"settings": older}))

    def planned_with(**changes: object) -> Cell:
        cell = runs[0].cell
        return Cell(
            cell.method, cell.labeled, cell.seed, cell.config.model_copy(update=dict(changes))
        )

    assert store.find(planned_with(dims="2"))
    # One that it knew, or whose default says what was done, still has to agree.
    assert not store.find(planned_with(encoder="mobilenet_v3"))
    assert not store.find(planned_with(context=1))


def test_a_method_with_other_numbers_is_run_again(runs: list[Planned], tmp_path: Path) -> None:
    store = ResultStore(tmp_path)
    [cell] = [e.cell for e in runs if e.row.method == "ecs" and e.row.equal == "steps"][:1]
    found = read_result(cell, "kvasir")
    assert found is not None
    store.add(found)
    assert store.find(cell)
    changed = {"ecs": {"correction_weight": 0.2}}
    other = cell.config.model_copy(update={"method_settings": changed})
    assert found.differs_from(type(cell)(cell.method, cell.labeled, cell.seed, other)) == (
        "`method_settings.ecs.correction_weight=0.1`, not 0.2"
    )


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "kvasir-ecs.jsonl").write_text("{}\n")
    with pytest.raises(RunFolderError, match=r"kvasir-ecs.jsonl: is damaged .* take the line away"):
        ResultStore(tmp_path)


def test_the_best_rival_is_chosen_on_validation(tmp_path: Path) -> None:
    table = FewLabels().restricted(sets=["kvasir"])
    table = table.with_installed(["supervised", "ecs", "s4gan"])[0]
    table = FewLabels(
        sets=("kvasir",), methods=(*table.methods, "s4gan"), seeds=(0,), more_seeds=()
    )
    every = planned(tmp_path, table)
    rivals = [each for each in every if each.row.method == "s4gan"]
    store = ResultStore(tmp_path / "results")
    assert table.rivals == ("s4gan",)
    assert best_rival(table, every, store) is None
    for each in rivals:
        finish(each, 0.5)
        found = read_result(each.cell, "kvasir")
        assert found is not None
        store.add(found)
    assert best_rival(table, every, store) == "s4gan"


def test_gains_are_those_of_pairs(results: list[tuple[Row, int, RunResult | None]]) -> None:
    rows = compare_rows(results, ("supervised", "ecs"))
    assert len(rows) == 2 * 2 * 3
    [ecs] = [e for e in rows if e.row == Row("kvasir", "steps", "1/16", "ecs", 400)]
    gain = ecs.gain("supervised")
    assert gain is not None
    ours, theirs = (
        [r for row, _, r in results if r and row == Row("kvasir", "steps", "1/16", name, 400)]
        for name in ("ecs", "supervised")
    )
    pairs = [[r.chosen.test.miou or 0 for r in own] for own in (ours, theirs)]
    assert gain.seeds == compare_paired(*pairs)
    expected = compare_over_seeds_and_cases(
        *([r.confusions for r in own] for own in (ours, theirs))
    )
    assert gain.both == expected
    assert gain.last is not None
    assert gain.last.difference == pytest.approx(gain.seeds.difference)
    assert ecs.gain("ecs") is None
    # Two budgets, two methods against supervised training: four tests in each table.
    own = [g for e in rows for g in e.gains if e.row.equal == "steps" and g.over == "supervised"]
    smallest = min(own, key=lambda g: g.seeds.p_value or 1)
    assert smallest.corrected == pytest.approx(4 * (smallest.seeds.p_value or 0))


def test_the_page_and_its_files(
    results: list[tuple[Row, int, RunResult | None]], tmp_path: Path
) -> None:
    lost = [
        (row, seed, None if (row.method, seed) == ("s4gan", 2) else r) for row, seed, r in results
    ]
    rows = compare_rows(lost, ("supervised", "ecs"))
    found = [result for *_, result in lost if result is not None]
    report = Report(
        rows=rows,
        over=("supervised", "ecs"),
        seconds=SECONDS,
        facts=facts_of(found),
        remarks=remarks_of(rows, SECONDS, TABLE, ("bcp",)),
        command=lambda each: f"make {each.row.method} {each.row.steps}",
    )
    page = write_report(tmp_path, report)
    text, html = page.with_suffix(".md").read_text(), page.read_text()
    for said in (text, html):
        assert "Kvasir-SEG, equal steps" in said
        assert "Kvasir-SEG, equal seconds" in said
        assert "make supervised 1600" in said
        assert "bcp is not installed" in said
        assert "160 CPU seconds" in said
        assert "Not yet run, and in no average: 4 runs of 4 rows." in said
    assert "| 1/16 (50) | s4GAN | 400 |" in text
    assert "2, 1 missing" in text
    assert all(
        (tmp_path / f"{name}-kvasir.png").read_bytes().startswith(b"\x89PNG")
        for name in ("score-seconds", "gains")
    )
    with (tmp_path / "runs.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == len(found)
    [line] = [
        each
        for each in lines
        if (each["equal"], each["method"], each["budget"], each["seed"])
        == ("seconds", "supervised", "1/8", "1")
    ]
    assert (line["steps"], line["step_cpu_seconds"], line["wall_seconds"]) == (
        "1600",
        "160.0",
        "301.5",
    )
    assert float(line["test_miou"]) == pytest.approx(float(line["last_test_miou"]) + 0.01)
    assert line["num_labeled"] == str(SHARES["1/8"])


def test_wrong_here_of_records_with_and_without() -> None:
    detection = {
        "all_pixels": {"corrector": {"auroc": 0.9}, "confidence": {"auroc": 0.8}},
        "foreground": {"corrector": {"auroc": 0.7}, "confidence": {"auroc": None}},
    }
    found = wrong_here({"miou": 0.5, "detection": detection}, {"detection": detection})
    assert found is not None
    assert (found.validation, found.validation_confidence) == (0.9, 0.8)
    assert (found.validation_foreground, found.unlabeled_foreground) == (0.7, 0.7)
    assert wrong_here({"miou": 0.5}, None) is not None
    assert wrong_here(None, None) is None
