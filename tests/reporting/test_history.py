import json

import pytest

from ecs_med.reporting.run.history import Series, condense, number, read_history, series


def train_row(iteration, loss):
    return {"kind": "train", "iteration": iteration, "losses": {"segmentation": loss}}


def write(path, rows, tail=""):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + tail, encoding="utf-8")
    return path


def test_a_torn_last_line_is_skipped_and_counted(tmp_path):
    rows = [train_row(10, 0.5), train_row(20, 0.4)]
    path = write(tmp_path / "history.jsonl", rows, tail='{"kind": "train", "iteration": 30, "lo')
    history = read_history(path)
    assert [row["iteration"] for row in history.train] == [10, 20]
    assert history.num_skipped == 1


def test_bytes_that_are_no_text_do_not_stop_reading(tmp_path):
    path = write(tmp_path / "history.jsonl", [train_row(10, 0.5)])
    path.write_bytes(path.read_bytes() + b"\xff\xfe\x00\n[1]\n\n5\n" + b"[" * 20_000)
    history = read_history(path)
    assert len(history.train) == 1
    assert history.num_skipped == 4


def test_a_repeated_iteration_counts_once_and_the_later_row_holds(tmp_path):
    rows = [train_row(10, 0.5), train_row(20, 0.4), train_row(10, 0.3)]
    history = read_history(write(tmp_path / "history.jsonl", rows))
    assert series(history.train, "losses", "segmentation") == Series((10, 20), (0.3, 0.4))


def test_a_missing_file_is_an_empty_history(tmp_path):
    history = read_history(tmp_path / "history.jsonl")
    assert history.train == history.validation == ()


def test_series_leaves_out_what_is_not_a_finite_number():
    rows = [
        train_row(i, value) for i, value in enumerate([1, None, float("nan"), "0.2", True, 2.5])
    ]
    assert series(rows, "losses", "segmentation") == Series((0, 5), (1.0, 2.5))
    assert not series(rows, "losses", "absent")


@pytest.mark.parametrize("value", [None, "1", True, float("inf"), 10**400, [1]])
def test_number_refuses(value):
    assert number(value) is None


def test_condensing_averages_neighbours_and_keeps_the_mean():
    points = Series(tuple(range(1000)), tuple(float(i) for i in range(1000)))
    condensed, size = condense(points, max_points=100)
    assert size == 10
    assert len(condensed) == 100
    assert condensed.iterations[0] == 9
    assert condensed.values[0] == pytest.approx(4.5)
    assert sum(condensed.values) / 100 == pytest.approx(sum(points.values) / 1000)


def test_condensing_leaves_short_series_alone():
    points = Series((1, 2), (0.1, 0.2))
    assert condense(points) == (points, 1)
