"""Training on annotation files is training on the masks that they stand for."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from annotation_sets import add_pictures, coco, runs_of
from PIL import Image

from ecs_med.runs import RunFolder
from ecs_med.training.train import train


def losses(run: RunFolder) -> list[object]:
    rows = [json.loads(line) for line in run.history_file.read_text().splitlines()]
    return [row["losses"] for row in rows if row["kind"] == "train"]


def test_runs_of_coco_give_the_losses_of_the_same_masks(tmp_path: Path, settings: Any) -> None:
    rng = np.random.default_rng(0)
    objects, names = {}, [f"{number:02}.png" for number in range(10)]
    (tmp_path / "png/masks").mkdir(parents=True)
    for name in names:
        mask = np.zeros((48, 40), np.bool_)
        top, left = rng.integers(2, 20, 2)
        mask[top : top + 15, left : left + 17] = rng.random((15, 17)) < 0.9
        Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "png/masks" / name)
        objects[name] = [("polyp", runs_of(mask))]
    for kind in ("png", "json"):
        add_pictures(tmp_path / kind / "images", *names, size=(48, 40))
    coco(tmp_path / "json/annotations.json", objects, categories=("polyp",), size=(48, 40))
    runs = [
        RunFolder(train(settings(data=tmp_path / kind, iterations=2, run=tmp_path / f"run {kind}")))
        for kind in ("png", "json")
    ]
    assert losses(runs[0]) == losses(runs[1]) != []
    scores = [run.read_metrics().validation for run in runs]
    assert scores[0].iou_per_class == scores[1].iou_per_class
    assert [score.class_names[1] for score in scores] == ["foreground", "polyp"]
