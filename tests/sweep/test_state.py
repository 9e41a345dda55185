"""How far a run is, from what its folder holds."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from ecs_med.errors import RunFolderError
from ecs_med.runs import Failure
from ecs_med.sweep.plan import Cell, SweepConfig, plan_cells
from ecs_med.sweep.state import CellState, can_resume, read_state, refuse_other_settings

Build = Callable[..., SweepConfig]


def put_checkpoint(folder: Path, iteration: int) -> Path:
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text('{"data": "x"}')
    path = folder / "checkpoints" / f"iteration-{iteration:08d}.safetensors"
    save_file({"x": np.zeros(8)}, path, {"iteration": str(iteration), "progress": "{}"})
    return path


def test_nothing_is_missing(tmp_path: Path) -> None:
    assert read_state(tmp_path / "absent") == CellState("missing")
    assert read_state(tmp_path) == CellState("missing")


def test_a_whole_checkpoint_is_resumable_and_a_torn_one_passed_over(tmp_path: Path) -> None:
    put_checkpoint(tmp_path, 20)
    newest = put_checkpoint(tmp_path, 40)
    assert read_state(tmp_path) == CellState("resumable", 40)
    newest.write_bytes(newest.read_bytes()[:-1])
    assert read_state(tmp_path) == CellState("resumable", 20)
    for path in (tmp_path / "checkpoints").iterdir():
        path.write_bytes(b"")
    assert read_state(tmp_path) == CellState("missing")
    assert not can_resume(tmp_path)


def test_a_damaged_failure_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "failure.json").write_text('{"sentence": "No."}')
    assert read_state(tmp_path) == CellState("missing")


def test_a_checkpoint_without_its_settings_is_of_no_use(tmp_path: Path) -> None:
    put_checkpoint(tmp_path, 20)
    (tmp_path / "config.json").unlink()
    assert read_state(tmp_path) == CellState("missing")


def test_a_failure_is_told_and_may_have_a_checkpoint(tmp_path: Path) -> None:
    Failure(sentence="No.", exit_code=2, time="").write(tmp_path / "failure.json")
    assert read_state(tmp_path) == CellState("failed", 0, "No.")
    put_checkpoint(tmp_path, 10)
    assert read_state(tmp_path) == CellState("failed", 10, "No.")


def test_scores_end_it_whatever_else_lies_there(
    tmp_path: Path, put_scores: Callable[[Path], None]
) -> None:
    put_checkpoint(tmp_path, 10)
    Failure(sentence="No.", exit_code=2, time="").write(tmp_path / "failure.json")
    (tmp_path / "metrics.json").write_text('{"test": {"miou":')
    assert read_state(tmp_path).progress == "failed"
    put_scores(tmp_path)
    assert read_state(tmp_path) == CellState("done")


@pytest.fixture
def cell(build: Build) -> Cell:
    found = plan_cells(build())[0]
    found.folder.mkdir(parents=True)
    return found


def test_a_run_with_other_settings_is_refused_by_name(cell: Cell) -> None:
    refuse_other_settings(cell)
    for changes, match in (
        ({"batch": 16}, "run with `batch=16`, and this sweep asks for 2"),
        ({"seed": 9}, "run with `seed=9`"),
        (
            {"augmentation": {"jitter": 0.3}},
            "run with `augmentation.jitter=0.3`, and this sweep asks for 0.0",
        ),
    ):
        ran = cell.config.model_dump(mode="json") | changes
        (cell.folder / "config.json").write_text(json.dumps(ran))
        with pytest.raises(RunFolderError, match=match):
            refuse_other_settings(cell)


def test_what_the_plan_leaves_open_and_where_things_lie_may_differ(cell: Cell) -> None:
    changes = {"max_size": 128, "precision": "fp32", "data": "elsewhere", "run": "moved"}
    ran = cell.config.model_dump(mode="json") | changes
    assert ran["augmentation"]["rotate"] == "auto"
    ran["augmentation"] |= {"flip_vertical": True, "rotate": True}
    (cell.folder / "config.json").write_text(json.dumps(ran))
    refuse_other_settings(cell)


def test_unreadable_settings_are_refused(cell: Cell) -> None:
    (cell.folder / "config.json").write_text("{")
    with pytest.raises(RunFolderError, match="choose another `output`"):
        refuse_other_settings(cell)
