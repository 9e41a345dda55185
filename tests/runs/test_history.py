"""The log of a run, whatever a crash has left of it."""

import json

import pytest

from ecs_med.runs import TrainRow, ValidationRow, read_history


def line(iteration, loss):
    row = TrainRow(iteration=iteration, losses={"segmentation": loss}, lr={}, images_per_second=1.0)
    return row.to_line() + "\n"


def test_a_torn_last_line_is_skipped_and_counted(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text(line(10, 0.5) + line(20, 0.4) + '{"kind": "train", "iteration": 30, "lo')
    history = read_history(path)
    assert [row.iteration for row in history.train] == [10, 20]
    assert history.num_skipped == 1


def test_bytes_that_are_no_text_do_not_stop_reading(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_bytes(line(10, 0.5).encode() + b"\xff\xfe\x00\n[1]\n\n5\n" + b"[" * 20_000)
    history = read_history(path)
    assert len(history.train) == 1
    assert history.num_skipped == 4


def test_a_repeated_iteration_counts_once_and_the_later_row_holds(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text(line(10, 0.5) + line(20, 0.4) + line(10, 0.3))
    rows = read_history(path).train
    assert [(row.iteration, row.losses["segmentation"]) for row in rows] == [(10, 0.3), (20, 0.4)]


@pytest.mark.parametrize("value", ["NaN", "Infinity"])
def test_a_loss_that_is_no_finite_number_is_refused(tmp_path, value):
    path = tmp_path / "history.jsonl"
    path.write_text(line(10, 0.5) + line(20, 0.25).replace("0.25", value))
    history = read_history(path)
    assert [row.iteration for row in history.train] == [10]
    assert history.num_skipped == 1


def test_a_missing_file_is_an_empty_history(tmp_path):
    history = read_history(tmp_path / "history.jsonl")
    assert history.train == history.validation == ()


def test_validations_alone_can_be_read(tmp_path):
    scores = {
        "miou": 0.5,
        "dice": 0.6,
        "iou_per_class": [0.5],
        "dice_per_class": [0.6],
        "foreground_iou": None,
        "foreground_dice": None,
        "pixel_accuracy": 0.9,
        "class_names": ["background"],
    }
    row = {"kind": "validation", "iteration": 10, "validation": scores}
    path = tmp_path / "history.jsonl"
    path.write_text(line(10, 0.5) + json.dumps(row) + "\n")
    history = read_history(path, validation_only=True)
    assert history.train == ()
    assert history.validation == (ValidationRow.model_validate_json(json.dumps(row)),)
