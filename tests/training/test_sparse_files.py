"""Folders of scribbles and of ignore labels: losses and scores as counted from the files."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from ecs_med.data.layout import open_data
from ecs_med.inference.storing import load_model
from ecs_med.runs import RunFolder
from ecs_med.runs.history import read_history
from ecs_med.splits import Split
from ecs_med.training.train import train
from ecs_med.types import Case

SIDE, UNKNOWN = 32, 9
Pixels = npt.NDArray[np.uint8]


def drawn(seed: int) -> tuple[Pixels, Pixels]:
    """A picture with a block, and what of it an annotator drew: 2 % of the pixels."""
    rng = np.random.default_rng(seed)
    truth = np.zeros((SIDE, SIDE), np.uint8)
    row, column = rng.integers(4, 14, 2)
    truth[row : row + 12, column : column + 12] = 1
    image = (60 + 120 * truth[..., None] + rng.integers(0, 40, (SIDE, SIDE, 3))).astype(np.uint8)
    sparse = np.full_like(truth, UNKNOWN)
    sparse[row + 6, column + 1 : column + 11] = 1
    sparse[1, 4 : 4 + rng.integers(8, 14)] = 0
    return image, sparse


def scribbles(folder: Path) -> dict[str, Any]:
    """0 where nothing is drawn, classes from 1."""
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True)
    for number in range(12):
        image, sparse = drawn(number)
        Image.fromarray(image).save(folder / f"images/{number:02}.png")
        mask = np.where(sparse == UNKNOWN, 0, sparse + 1).astype(np.uint8)
        Image.fromarray(mask).save(folder / f"masks/{number:02}.png")
    return {"reading": {"unlabeled_values": [0]}}


def ignore_label(folder: Path) -> dict[str, Any]:
    """As nnU-Net has it: the label `ignore` after the classes."""
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
    for number in range(12):
        image, sparse = drawn(number)
        Image.fromarray(image).save(folder / f"imagesTr/{number:02}_0000.png")
        mask = np.where(sparse == UNKNOWN, 2, sparse).astype(np.uint8)
        Image.fromarray(mask).save(folder / f"labelsTr/{number:02}.png")
    described = {
        "channel_names": {"0": "R", "1": "G", "2": "B"},
        "labels": {"background": 0, "block": 1, "ignore": 2},
        "numTraining": 12,
        "file_ending": ".png",
    }
    (folder / "dataset.json").write_text(json.dumps(described))
    return {}


def of_cases(cases: Sequence[Case]) -> tuple[npt.NDArray[np.float64], Pixels]:
    """Pictures in 0..1 as batches hold them, and sparse labels, drawn anew."""
    pairs = [drawn(int(re.search(r"\d+$", case.id)[0])) for case in cases]
    images = np.stack([(image / 255).astype(np.float16) for image, _ in pairs])
    return np.moveaxis(images, -1, 1).astype(np.float64), np.stack([sparse for _, sparse in pairs])


@pytest.mark.parametrize("write", [scribbles, ignore_label])
def test_loss_and_scores_are_those_of_the_annotated_pixels(
    settings: Any, tmp_path: Path, write: Any
) -> None:
    own = write(tmp_path / "data")
    still = {"flip": False, "flip_vertical": False, "rotate": False}
    run = RunFolder(
        train(
            settings(
                data=tmp_path / "data",
                method="supervised",
                labeled="all",
                network="deeplabv2",  # It has no dropout.
                iterations=1,
                evaluate_every=1,
                batch=9,  # All labelled cases at once, so that their order is nothing.
                augmentation=still,
                optimizers={"segmenter": {"name": "sgd", "lr": 1e-12}},
                **own,
            )
        )
    )
    split = Split.read(run.split_file, open_data(tmp_path / "data").cases)
    model = load_model(run.path, "cpu")
    mean, std = (np.array(values)[:, None, None] for values in (model.spec.mean, model.spec.std))

    images, sparse = of_cases(split.labeled)
    assert len(images) == 9
    values = torch.tensor((images - mean) / std, dtype=torch.float32)
    segmenter = model.segmenter.train()
    with torch.no_grad():
        logits = segmenter(values).double().numpy()
    known = sparse != UNKNOWN
    chances = np.exp(logits - logits.max(1, keepdims=True))
    chances /= chances.sum(1, keepdims=True)
    right = np.take_along_axis(chances, np.where(known, sparse, 0)[:, None], axis=1)[:, 0]
    [row] = read_history(run.history_file).train
    assert row.losses["segmentation"] == pytest.approx(-np.log(right[known]).mean(), rel=1e-4)

    model = load_model(run.path, "cpu")
    images, sparse = of_cases(split.test)
    with torch.no_grad():
        values = torch.tensor((images - mean) / std, dtype=torch.float32)
        found = model.segmenter.eval()(values).argmax(1).numpy()
    known = sparse != UNKNOWN
    ious = [
        ((found == c) & (sparse == c)).sum() / (((found == c) | (sparse == c)) & known).sum()
        for c in (0, 1)
    ]
    assert run.read_metrics().test.miou == pytest.approx(np.mean(ious), abs=1e-3)
    assert known.mean() < 0.03
