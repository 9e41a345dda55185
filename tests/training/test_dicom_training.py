"""Training on DICOM series with SEG masks is training with the same masks as NIfTI."""

import itertools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dicom_mask_files import nifti, seg, series, structures
from safetensors.torch import load_file

import ecs_med
from ecs_med.config import TrainConfig
from ecs_med.training.train import train

Build = Callable[..., TrainConfig]

SHAPE = (32, 32, 4)


def _patient(folder: Path, number: int) -> tuple[list[Path], Any]:
    """A bright and a darker box in noise."""
    rng = np.random.default_rng(number)
    labels = np.zeros(SHAPE, np.uint8)
    x, y = rng.integers(2, 12, 2)
    labels[x : x + 12, y : y + 9, 1:3] = 1
    labels[x + 4 : x + 8, y + 2 : y + 6, 2:4] = 2
    voxels = rng.normal(0, 60, SHAPE) + np.array([0, 300, 700])[labels]
    return series(folder / "ct", voxels.astype(np.int16), patient=f"ID{number}"), labels


def _history(run: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if k != "images_per_second"} for row in rows]


def test_losses_are_the_same_to_the_last_digit(settings: Build, tmp_path: Path) -> None:
    pytest.importorskip("highdicom")
    roots = {kind: tmp_path / kind for kind in ("seg", "nifti")}
    for number in range(8):
        folder = roots["seg"] / f"P{number}"
        files, labels = _patient(folder, number)
        shutil.copytree(folder, roots["nifti"] / f"P{number}")
        masks = np.stack([labels == 1, labels == 2], axis=-1).astype(np.uint8)
        if number == 5:  # other numbers for the same names
            seg(folder / "mask.dcm", masks[..., ::-1], files, ["Tumour", "Liver"])
        elif number == 6:
            seg(folder / "mask.dcm", labels, files, ["Liver", "Tumour"], kind="LABELMAP")
        elif number < 7:
            seg(folder / "mask.dcm", masks, files, ["Liver", "Tumour"])
        if number < 7:
            nifti(roots["nifti"] / f"P{number}" / "mask.nii.gz", labels, files)
    names = ("background", "Liver", "Tumour")
    for kind, root in roots.items():
        reading = {"class_names": names if kind == "nifti" else None, "keep_names": True}
        train(settings(data=root, run=tmp_path / f"run-{kind}", reading=reading))
    one, other = (_history(tmp_path / f"run-{kind}") for kind in roots)
    assert one == other
    assert sum(row["kind"] == "train" for row in one) == 4
    weights = [load_file(tmp_path / f"run-{kind}" / "model.safetensors") for kind in roots]
    assert all((weights[0][name] == weights[1][name]).all() for name in weights[0])
    model = json.loads((tmp_path / "run-seg" / "model.json").read_text())
    assert model["labels"]["class_names"] == list(names)
    # The model of one kind of masks is scored on those of the other by the names of its classes.
    scores = []
    for trained, data in itertools.product(roots, roots):
        run, reading = tmp_path / f"run-{trained}", {"keep_names": True}
        found = ecs_med.evaluate(run, roots[data], partition="all", reading=reading)
        scores.append(found.evaluation.scores)
    assert all(score == scores[0] for score in scores)


def test_structures_are_trained_on(settings: Build, tmp_path: Path) -> None:
    root = tmp_path / "rt"
    for number in range(6):
        files, labels = _patient(root / f"P{number}", number)
        (x, y, _), (u, v, _) = (f(np.argwhere(labels > 0), axis=0) for f in (np.min, np.max))
        corners = [(x - 0.5, y - 0.5), (x - 0.5, v + 0.5), (u + 0.5, v + 0.5), (u + 0.5, y - 0.5)]
        contours = [np.array([(*corner, index) for corner in corners]) for index in (1, 2)]
        structures(root / f"P{number}" / "rt.dcm", files, {"Organ": contours})
    run = train(settings(data=root, reading={"keep_names": True}))
    model = json.loads((Path(run) / "model.json").read_text())
    assert model["labels"]["class_names"] == ["background", "Organ"]
