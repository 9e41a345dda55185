"""Splits and scores: classes, draws, leakage, and data that lie elsewhere."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from situations.inputs_splits import SMALL, write_case, write_data, write_mask, write_picture

import ecs_med
from ecs_med.config import TrainConfig
from ecs_med.data.checks.examination import diagnose
from ecs_med.data.layout import open_data
from ecs_med.errors import BudgetError, DataError
from ecs_med.inference.evaluation_run import select_cases
from ecs_med.reporting.run.findings import observations, verdict
from ecs_med.reporting.run.reading import read_run
from ecs_med.runs import RunFolder
from ecs_med.splits import draw_split
from ecs_med.training.data_plan import DataPlan, plan_data
from ecs_med_cli.app import main

Plan = Callable[..., DataPlan]
RARE = [[1, 2]] * 14 + [[1, 2, 3]] * 2


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def plan(data: Path, tmp_path: Path) -> Plan:
    """What a run would be made from."""

    def planned(**values: Any) -> DataPlan:
        settings = {**SMALL, "data": data, "cache": tmp_path / "cache", **values}
        return plan_data(TrainConfig.parse(settings))

    return planned


@pytest.fixture
def train(data: Path, tmp_path: Path) -> Callable[..., RunFolder]:
    def trained(**values: Any) -> RunFolder:
        asked = {**SMALL, "data": data, "cache": tmp_path / "cache", "run": tmp_path / "run"}
        return RunFolder(ecs_med.train({**asked, **values}))

    return trained


def said(plan: DataPlan) -> str:
    return "\n".join(plan.warnings)


def leave(*words: str | Path) -> int:
    """Exit code of the program."""
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    assert isinstance(end.value.code, int)
    return end.value.code


def test_classes_depend_on_draw(data: Path, plan: Plan) -> None:
    write_data(data, RARE)
    for seed in range(4):
        found = plan(labeled="3", seed=seed)
        assert found.scheme.num_classes == 4
    assert plan(labeled="all").scheme.num_classes == 4


def test_a_class_that_is_drawn_nowhere_is_warned_of_by_name(
    data: Path, train: Callable[..., RunFolder]
) -> None:
    write_data(data, RARE)
    run = train(labeled="3", seed=0)
    warnings = run.read_manifest().warnings
    assert any("class 3" in text and "not one labelled pixel" in text for text in warnings)
    assert run.read_metrics().class_names[3] == "class 3"


def test_a_class_in_one_mask_only_is_warned_of_before_training(data: Path, plan: Plan) -> None:
    write_data(data, [[1]] * 9 + [[1, 2]])
    assert "the class 'class 2' occurs in 1 of 10 masks" in said(plan())


def test_a_broken_mask_stops_a_run_only_where_it_is_read(data: Path, plan: Plan) -> None:
    write_data(data, [[1]] * 10)
    split = plan(labeled="2").split
    hidden, labeled = (Path(part[0].id).name for part in (split.unlabeled, split.labeled))
    (data / "masks" / f"{hidden}.png").write_bytes(b"broken")
    assert f"{hidden}.png: not used by this run" in said(plan(labeled="2"))
    (data / "masks" / f"{labeled}.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=rf"{labeled}\.png"):
        plan(labeled="2")


def test_a_broken_unlabelled_image_stops_what_learns_from_it(data: Path, plan: Plan) -> None:
    write_data(data, [[1]] * 10)
    (data / "images" / "odd.png").write_bytes(b"broken")
    assert "odd.png: not used by this run" in said(plan())
    with pytest.raises(DataError, match=r"odd\.png"):
        plan(method="ecs")


def test_a_stray_value_in_a_hidden_mask_is_told_and_spoils_nothing(data: Path, plan: Plan) -> None:
    write_data(data, [[1]] * 10)
    hidden = Path(plan(labeled="2").split.unlabeled[0].id).name
    write_mask(data / "masks" / f"{hidden}.png", [1, 7])
    found = plan(labeled="2")
    assert found.scheme.num_classes == 2
    assert f"{hidden}.png: not used by this run: holds the value 7" in said(found)
    with pytest.raises(DataError, match="the value 7"):
        plan(labeled="all")


def test_train_stops_at_the_first_error_and_counts_the_others(data: Path, plan: Plan) -> None:
    write_data(data, [[1]] * 10)
    for index in range(3):
        (data / "images" / f"case0{index}.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"case00\.png: .*\(2 more: run `ecs-med check`\)"):
        plan(labeled="all")


def test_nothing_to_learn_by_draw(data: Path, plan: Plan, tmp_path: Path) -> None:
    write_data(data, [[]] * 10 + [[1]] * 2)
    seed = next(s for s in range(20) if not shows(plan, s))
    with pytest.raises(BudgetError, match="without any foreground") as caught:
        plan(labeled="2", seed=seed)
    for remedy in ("`draw=foreground`", "`labeled`", "`seed`", "masks to draw from show some"):
        assert remedy in str(caught.value)
    assert plan(labeled="2", seed=seed, draw="foreground").split.labeled
    assert leave("check", data) == 0


def shows(plan: Plan, seed: int) -> bool:
    """Whether the draw of two cases shows foreground, where two masks lie in training."""
    try:
        found = plan(labeled="2", seed=seed)
    except BudgetError as error:
        return "2 of the" not in str(error)
    return bool(found.split.labeled)


def test_check_warns_where_small_draws_show_nothing(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_data(data, [[]] * 10 + [[1]] * 2)
    assert leave("check", data, "--json") == 0
    problems = json.loads(capsys.readouterr().out)["problems"]
    (few,) = [p for p in problems if "to train on show any foreground" in p["message"]]
    assert few["severity"] == "warning"
    assert "--draw foreground" in few["remedy"]


def test_half_of_the_masks_empty_is_no_alarm(data: Path) -> None:
    write_data(data, [[], [1]] * 6)
    assert not [p for p in diagnose(open_data(data)).problems if p.severity == "warning"]


def test_empty_masks_everywhere_are_refused(data: Path, plan: Plan) -> None:
    write_data(data, [[]] * 6)
    with pytest.raises(DataError, match="so do all 6 masks together"):
        plan()


def test_a_test_set_without_foreground_is_told_before_and_after(
    data: Path, train: Callable[..., RunFolder], plan: Plan
) -> None:
    for index in range(5):
        write_case(data / "train", f"a{index}", index)
        write_case(data / "test", f"b{index}", 50 + index, [])
    told = "None of the 5 test cases shows any foreground"
    assert told in said(plan())
    run = train()
    assert run.read_metrics().absent_classes == ("foreground",)
    assert any(told in text for text in run.read_manifest().warnings)
    record = read_run(run.path)
    assert "there is no foreground to score" in verdict(record)
    assert any("do not show any foreground" in text for text in observations(record))
    assert told in run.report_file.read_text(encoding="utf-8")
    report = ecs_med.evaluate(run.path, data)
    assert "do not show any foreground" in report.to_dict()["warnings"][0]


def test_duplicates_in_train(data: Path, plan: Plan, train: Callable[..., RunFolder]) -> None:
    write_data(data, [[1]] * 10)
    for index in range(6):
        write_case(data, f"copy_of_case0{index}", index)
    for seed in range(5):
        roles = plan(seed=seed).split.roles()
        for index in range(6):
            assert roles[f"images/case0{index}"] == roles[f"images/copy_of_case0{index}"]
    run = train()
    (told,) = [w for w in run.read_manifest().warnings if "show what another one shows" in w]
    assert "images/case00 and images/copy_of_case00" in told
    assert told.split(" (")[0] in run.report_file.read_text(encoding="utf-8")


def test_check_says_that_equal_pictures_would_leak(data: Path) -> None:
    write_data(data, [[1]] * 4)
    write_case(data, "copy", 2)
    (same,) = [p for p in ecs_med.examine(open_data(data)) if "same pixels" in p.message]
    assert "would make scores look better" in same.message


def test_equal_pictures_saved_in_two_formats_are_known(data: Path, plan: Plan) -> None:
    from PIL import Image

    write_data(data, [[1]] * 8)
    with Image.open(data / "images" / "case03.png") as picture:
        picture.save(data / "images" / "again.bmp")
    write_mask(data / "masks" / "again.png")
    for seed in range(4):
        roles = plan(seed=seed).split.roles()
        assert roles["images/again"] == roles["images/case03"]


def test_a_copy_without_its_mask_is_not_trained_on_beside_the_test(data: Path, plan: Plan) -> None:
    write_data(data, [[1]] * 10)
    for index in range(10):
        write_case(data, f"copy{index}", index, None)
    split = plan(method="ecs").split
    tested = {int(Path(case.id).name[-2:]) for case in (*split.test, *split.validation)}
    assert {f"images/copy{index}" for index in tested} == {case.id for case in split.unused}


@pytest.mark.parametrize("linked", [False, True])
def test_a_picture_of_the_test_in_training_is_warned_of(
    data: Path, plan: Plan, linked: bool
) -> None:
    for index in range(6):
        write_case(data / "train", f"a{index}", index)
        write_case(data / "validation", f"v{index}", 20 + index)
        write_case(data / "test", f"b{index}", 50 + index)
    path = data / "test" / "images" / "c.png"
    if linked:
        path.symlink_to(data / "train" / "images" / "a1.png")
    else:
        write_picture(path, 1)
    write_mask(data / "test" / "masks" / "c.png")
    (told,) = [text for text in plan().warnings if "in training and in test" in text]
    assert "train/images/a1 and test/images/c" in told
    assert "show what another one shows" not in said(plan())


def test_a_patient_in_two_partitions_is_told_once(data: Path, plan: Plan) -> None:
    for index in range(6):
        write_case(data / "train", f"p{index}_a", index)
        write_case(data / "test", f"p{index + 5}_a", 50 + index)
    found = plan(reading={"patient": "regex:(p[0-9]+)_"})
    told = [text for text in found.warnings if "p5" in text]
    assert len(told) == 1
    assert "in training and in test" in told[0]


def test_budgets_of_a_set_with_copies_are_drawn_as_published() -> None:
    """Copies among the training cases change no draw where the data set gives the parts."""
    cases = [
        ecs_med.Case(f"{part}{i}", (Path("i.png"),), Path("m.png"), partition=part)
        for part in ("train", "validation", "test")
        for i in range(16)
    ]
    alone = draw_split(cases, "1/4", 0)
    joined = draw_split(cases, "1/4", 0, joined=[("train1", "train2", "train9")])
    assert joined.roles() == alone.roles()
    assert joined.warnings == alone.warnings


def test_one_mask_only(data: Path, plan: Plan) -> None:
    write_data(data, [[1]])
    for index in range(4):
        write_case(data, f"bare{index}", 20 + index, None)
    with pytest.raises(BudgetError, match="Only one case with a mask"):
        plan()


def test_split_of_other_data(data: Path, plan: Plan, tmp_path: Path) -> None:
    write_data(data, [[1]] * 8)
    plan().split.write(tmp_path / "split.json")
    write_data(tmp_path / "other", [[1]] * 4)
    with pytest.raises(BudgetError, match="check that `data` is the folder"):
        plan(data=tmp_path / "other", labeled=str(tmp_path / "split.json"))


@pytest.fixture
def moved(data: Path, train: Callable[..., RunFolder], tmp_path: Path) -> tuple[Path, Path]:
    """The folder of a run, and its data, which were moved after training."""
    write_data(data, [[1]] * 10)
    run = train().path
    return run, data.rename(tmp_path / "elsewhere")


def test_evaluate_moved_data(moved: tuple[Path, Path]) -> None:
    run, data = moved
    roles = {c["id"]: c["role"] for c in json.loads((run / "split.json").read_text())["cases"]}
    selection = select_cases(run, data)
    assert {case.id for case in selection.cases} == {i for i in roles if roles[i] == "test"}
    assert "2 test cases" in selection.note
    assert "known by its contents" in selection.note
    assert selection.warnings == ()
    assert len(select_cases(run, data, "train").cases) == 7


def test_evaluate_renamed_and_converted_pictures(moved: tuple[Path, Path]) -> None:
    from PIL import Image

    run, data = moved
    before = {case.mask.name for case in select_cases(run, data).cases if case.mask}
    for path in sorted((data / "images").iterdir()):
        with Image.open(path) as picture:
            picture.save(path.with_name(f"new_{path.stem}.bmp"))
        path.unlink()
        mask = data / "masks" / path.name
        mask.rename(mask.with_name(f"new_{mask.name}"))
    after = {case.mask.name for case in select_cases(run, data).cases if case.mask}
    assert after == {f"new_{name}" for name in before}


def test_evaluate_of_training_pictures_among_others_is_warned_of(moved: tuple[Path, Path]) -> None:
    run, data = moved
    write_case(data, "new", 99)
    selection = select_cases(run, data)
    assert len(selection.cases) == 11
    assert "was trained on 7 of the 11 scored cases" in selection.warnings[0]
    assert "chosen by its score on 1 of the 11" in selection.warnings[1]


def test_evaluate_of_the_test_cases_alone_is_no_alarm(
    moved: tuple[Path, Path], tmp_path: Path
) -> None:
    run, data = moved
    for case in select_cases(run, data).cases:
        for file in (case.images[0], case.mask):
            assert file is not None
            (tmp_path / "mine" / file.parent.name).mkdir(parents=True, exist_ok=True)
            shutil.copy(file, tmp_path / "mine" / file.parent.name)
    selection = select_cases(run, tmp_path / "mine")
    assert (len(selection.cases), selection.warnings) == (2, ())


def test_other_data_with_the_same_names_are_other_data(
    moved: tuple[Path, Path], tmp_path: Path
) -> None:
    run, _ = moved
    for index in range(10):
        write_case(tmp_path / "hospital", f"case{index:02d}", 500 + index)
    selection = select_cases(run, tmp_path / "hospital")
    assert (len(selection.cases), selection.part, selection.warnings) == (10, "all", ())


def test_an_older_run_knows_its_data_by_their_names(moved: tuple[Path, Path]) -> None:
    run, data = moved
    (run / "data.json").unlink()
    selection = select_cases(run, data)
    assert "2 test cases" in selection.note
    assert "known by the names of its cases" in selection.note
