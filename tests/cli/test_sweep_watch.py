"""Lines on the runs of a sweep that are under way."""

import json
import time
from pathlib import Path

from ecs_med.config import TrainConfig
from ecs_med.sweep.plan import Cell
from ecs_med_cli import sweep_watch


def cell(folder: Path, *rows: dict[str, object], torn: str = "") -> Cell:
    """A run of 40 iterations whose history holds `rows`."""
    config = TrainConfig.parse({"data": "data", "run": folder, "iterations": 40})
    if rows:
        folder.mkdir(parents=True)
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / "history.jsonl").write_text(lines + torn)
    return Cell("ecs", folder.name, 0, config)


def test_runs_say_how_far_they_are(tmp_path: Path) -> None:
    since = time.time() - 1
    training = {"kind": "train", "iteration": 10}
    scored = {"kind": "validation", "iteration": 10, "validation": {"miou": 0.25}}
    cells = [
        cell(tmp_path / "1"),
        cell(tmp_path / "2", training),
        cell(tmp_path / "3", training, scored, {**training, "iteration": 15}, torn='{"kin'),
        cell(tmp_path / "4", {**training, "iteration": 40}),
        cell(tmp_path / "5", training),
    ]
    (tmp_path / "5" / "metrics.json").write_text("{}")
    assert sweep_watch.under_way(cells, since) == [
        "ecs 2 seed 0: 10 of 40",
        "ecs 3 seed 0: 15 of 40, validation mIoU 0.250",
        "ecs 4 seed 0: scoring the test cases",
    ]
    assert sweep_watch.under_way(cells, time.time() + 60) == []


def test_a_line_is_due_every_few_seconds(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(sweep_watch, "FIRST_SECONDS", 0.01)
    said: list[str] = []
    with sweep_watch.SweepWatch(said.append, [cell(tmp_path / "1")]):
        deadline = time.monotonic() + 5
        while len(said) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert said[:2] == ["  0 s: runs are starting"] * 2
    number = len(said)
    time.sleep(0.05)
    assert len(said) == number
