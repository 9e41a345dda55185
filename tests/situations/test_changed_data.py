"""Data that change between two sittings, and budgets that are one on a small set."""

import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from situations.inputs_splits import SMALL, invert, write_case, write_data, write_mask

import ecs_med
from ecs_med.data.checks.examination import diagnose
from ecs_med.data.layout import open_data
from ecs_med.errors import BudgetError, DataError, RunFolderError, TrainingInterrupted
from ecs_med.reporting.sweep.checks import check_comparable
from ecs_med.reporting.sweep.grid import arrange
from ecs_med.reporting.sweep.report import write_budget_report
from ecs_med.reporting.sweep.runs import read_runs
from ecs_med.runs import RunFolder
from ecs_med.sweep.budget import BudgetSweep, budget, count_labels, plan_budget
from ecs_med.sweep.executors import ExecutorOptions
from ecs_med_cli.app import main

SETTINGS = {name: value for name, value in SMALL.items() if name != "method"}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", [[1]] * 10)


@pytest.fixture
def asked(data: Path, tmp_path: Path) -> dict[str, Any]:
    """A sweep of one method over two budgets."""
    settings = {**SETTINGS, "cache": str(tmp_path / "cache")}
    return {
        "data": data,
        "budgets": ["2", "all"],
        "methods": ["supervised"],
        "seeds": [0],
        "settings": settings,
    }


@pytest.fixture
def sweep(asked: dict[str, Any], tmp_path: Path) -> Callable[..., BudgetSweep]:
    """Plans a sweep without running it, as a dry run does."""

    def planned(**values: Any) -> BudgetSweep:
        return plan_budget(
            {**asked, "out": tmp_path / "sweep", **values}, ExecutorOptions(name="inline")
        )

    return planned


@pytest.fixture
def trained(asked: dict[str, Any], tmp_path: Path) -> Path:
    """Folder of a sweep whose runs are done."""
    asked["budgets"] = ["2"]
    assert budget(**asked, output=tmp_path / "sweep").path
    return tmp_path / "sweep"


@pytest.fixture
def stopped(data: Path, tmp_path: Path) -> dict[str, Any]:
    """Settings of a run that was stopped before its end."""
    stop = threading.Event()
    stop.set()
    settings = {**SMALL, "iterations": 4, "data": data, "labeled": "2", "run": tmp_path / "run"}
    settings["cache"] = tmp_path / "cache"
    with pytest.raises(TrainingInterrupted):
        ecs_med.train(settings, stop=stop)
    return settings


def masks_of(run: Path, data: Path, role: str) -> list[Path]:
    """The masks of the cases of a role."""
    from ecs_med.splits import SplitDocument

    ids = SplitDocument.read(run / "split.json").ids(role)  # type: ignore[arg-type]
    return [data / "masks" / f"{Path(id_).name}.png" for id_ in ids]


def test_sweep_edited_masks(
    trained: Path, data: Path, sweep: Callable[..., BudgetSweep], asked: dict[str, Any]
) -> None:
    for mask in (data / "masks").iterdir():
        invert(mask)
    with pytest.raises(RunFolderError, match="10 masks were edited") as caught:
        budget(**{**asked, "seeds": [0, 1]}, output=trained)
    assert "images/case00, images/case01, images/case02 and 7 more" in str(caught.value)
    assert not (trained / "runs" / "supervised-2-s1").exists()
    with pytest.raises(RunFolderError, match="10 masks were edited"):
        sweep(seeds=[0, 1])
    # Both remedies settle it.
    assert sweep(out=trained.with_name("anew")).cells
    shutil.rmtree(trained / "runs" / "supervised-2-s0")
    assert len(sweep(seeds=[0, 1], budgets=["2"]).cells) == 2


def test_a_case_that_is_added_between_sittings(
    trained: Path, data: Path, sweep: Callable[..., BudgetSweep]
) -> None:
    write_case(data, "new", 77)
    with pytest.raises(RunFolderError, match=r"1 case was added \(images/new\)"):
        sweep()


def test_images_that_are_replaced_while_masks_stay(
    trained: Path, data: Path, sweep: Callable[..., BudgetSweep]
) -> None:
    write_case(data, "case04", 77)
    with pytest.raises(RunFolderError, match=r"1 image was replaced \(images/case04\)"):
        sweep()


def test_touching_moving_and_saving_anew_change_nothing(
    trained: Path, data: Path, sweep: Callable[..., BudgetSweep]
) -> None:
    from PIL import Image

    for path in data.rglob("*.png"):
        os.utime(path, (1, 1))
    path = data / "masks" / "case00.png"
    with Image.open(path) as mask:
        copy = mask.copy()
    copy.save(path, compress_level=0)
    assert sweep().cells
    place = data.with_name("moved")
    data.rename(place)
    data.symlink_to(place)
    assert sweep().cells


def test_runs_on_other_contents_are_not_averaged(
    trained: Path, data: Path, asked: dict[str, Any]
) -> None:
    invert(data / "masks" / "case03.png")
    other = budget(**{**asked, "seeds": [1]}, output=trained.with_name("other")).runs
    runs = [trained / "runs" / "supervised-2-s0", *other]
    with pytest.raises(RunFolderError, match=r"1 mask was edited \(images/case03\).*`allow` data"):
        write_budget_report(trained.with_name("report"), runs)
    (allowed,) = check_comparable(read_runs(runs)[0], ["data", "split"])
    assert "1 mask was edited" in allowed


def test_resume_after_masks_were_edited(stopped: dict[str, Any], data: Path) -> None:
    (mask, _) = masks_of(stopped["run"], data, "labeled")
    invert(mask)
    with pytest.raises(RunFolderError, match="1 mask was edited") as caught:
        ecs_med.train(stopped, resume=True)
    assert mask.stem in str(caught.value)
    assert "put them back as they were, or train anew with another `run`" in str(caught.value)
    invert(mask)
    assert RunFolder(ecs_med.train(stopped, resume=True)).is_finished


def test_resume_after_images_were_replaced_and_cases_added(
    stopped: dict[str, Any], data: Path
) -> None:
    write_case(data, "case02", 77)
    write_case(data, "new", 78)
    with pytest.raises(
        RunFolderError, match=r"1 image was replaced \(images/case02\), 1 case was added"
    ):
        ecs_med.train(stopped, resume=True)


def test_resume_after_hidden_masks_changed_goes_on_and_says_so(
    stopped: dict[str, Any], data: Path
) -> None:
    hidden = masks_of(stopped["run"], data, "unlabeled")
    # A class that the run does not know must not change its network.
    write_mask(hidden[0], [1, 2])
    hidden[1].unlink()
    run = RunFolder(ecs_med.train(stopped, resume=True))
    (told,) = [text for text in run.read_manifest().warnings if "does not use changed" in text]
    assert "1 mask was edited" in told
    assert "1 mask is gone" in told
    assert len(run.read_metrics().class_names) == 2


def test_the_program_refuses_to_resume_in_one_sentence(
    stopped: dict[str, Any], data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for mask in (data / "masks").iterdir():
        invert(mask)
    with pytest.raises(SystemExit) as end:
        main(["train", "--resume", "--run", str(stopped["run"])])
    assert end.value.code == 2
    sentence = capsys.readouterr().err
    assert sentence.count("\n") == 1
    assert "masks were edited" in sentence
    assert "another --run" in sentence


def test_equal_budgets_refused(
    sweep: Callable[..., BudgetSweep],
    asked: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_data(asked["data"], [[1]] * 12)
    del asked["budgets"]
    found = sweep()
    assert found.num_labeled == {"1/16": 1, "1/4": 2, "1/2": 5, "all": 9}
    assert [cell.labeled for cell in found.cells] == ["1/16", "1/4", "1/2", "all"]
    (note,) = found.notes
    assert note == (
        "Budgets 1/16 and 1/8 are 1 label each in these data: they are run as one, 1/16."
    )


def test_all_labels_are_the_one_that_is_kept(sweep: Callable[..., BudgetSweep]) -> None:
    found = sweep(budgets=["1/2", "7", "95%", "all"])
    assert list(found.num_labeled) == ["1/2", "all"]
    assert "run as one, all" in found.notes[0]


def test_a_list_as_long_as_a_budget_is_refused_before_training(
    sweep: Callable[..., BudgetSweep], data: Path, tmp_path: Path
) -> None:
    drawn = {case.id for case in ecs_med.draw_split(open_data(data).cases, "2", 0).labeled}
    others = sorted({case.id for case in open_data(data).cases} - drawn)[:2]
    (tmp_path / "mine.txt").write_text("\n".join(others))
    with pytest.raises(BudgetError, match="2 labels each, but not the same cases"):
        sweep(budgets=["2", str(tmp_path / "mine.txt")])


def test_a_sweep_that_trained_equal_budgets_before_has_a_report(
    trained: Path, sweep: Callable[..., BudgetSweep]
) -> None:
    run = trained / "runs" / "supervised-2-s0"
    twin = shutil.copytree(run, run.with_name("supervised-25pct-s0"))
    text = (twin / "config.json").read_text()
    (twin / "config.json").write_text(text.replace('"labeled": "2"', '"labeled": "25%"'))
    grid = arrange(read_runs([run, twin])[0])
    assert [len(runs) for runs in grid.cells.values()] == [1]


def test_sweep_refused_classes(data: Path, sweep: Callable[..., BudgetSweep]) -> None:
    for index in range(10):
        write_mask(data / "masks" / f"case{index:02d}.png", [1, 2, 3] if index == 9 else [1, 2])
    found = sweep(budgets=["1/4", "all"], seeds=[0, 1])
    assert any("The class 'class 3' has not one labelled pixel at" in w for w in found.warnings)
    assert count_labels(found.cells) == {"1/4": 2, "all": 7}
    result = budget(
        found.config.data,
        budgets=["1/4", "all"],
        methods=["supervised"],
        seeds=[0],
        settings=SETTINGS,
        output=found.out,
    )
    assert result.path
    assert result.failures == ()


def test_a_sweep_says_what_is_wrong_before_its_first_run(
    data: Path, sweep: Callable[..., BudgetSweep], tmp_path: Path
) -> None:
    (data / "images" / "case05.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"case05\.png"):
        sweep()
    assert not (tmp_path / "sweep").exists()


def test_a_sweep_with_an_empty_draw_is_refused_before_its_first_run(
    data: Path, sweep: Callable[..., BudgetSweep]
) -> None:
    for mask in sorted((data / "masks").iterdir())[2:]:
        write_mask(mask, [])
    with pytest.raises(BudgetError, match="`draw=foreground`, raise `budgets`, or choose another"):
        sweep(budgets=["2"], seeds=range(8))


def test_what_was_decoded_is_kept_and_a_damaged_file_is_made_anew(
    data: Path, tmp_path: Path
) -> None:
    collection, seen = open_data(data), []
    cache = tmp_path / "cache"

    def progress(done: int, total: int) -> None:
        seen.append(done)

    first = diagnose(collection, progress=progress, cache=cache)
    assert len(seen) == 10
    again = diagnose(collection, progress=progress, cache=cache)
    assert len(seen) == 10
    assert again == first
    (kept,) = (cache / "examined").iterdir()
    whole = kept.read_text()
    for damage in ("", whole[:-100], whole.replace('"shape"', '"form"')):
        kept.write_text(damage)
        assert diagnose(collection, progress=progress, cache=cache) == first
        assert kept.read_text() == whole
    assert len(seen) == 40
    invert(data / "masks" / "case00.png")
    assert diagnose(collection, cache=cache).facts != first.facts
