"""Whole runs on a tiny phantom: what a run folder holds, and what ends a run."""

import json
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import ecs_med
from ecs_med.config import TrainConfig
from ecs_med.data.checks.examination import diagnose
from ecs_med.data.layout import open_data
from ecs_med.errors import (
    BudgetError,
    DataError,
    DeviceMemoryError,
    RunFolderError,
    SettingsError,
    TrainingDivergedError,
)
from ecs_med.inference.evaluate import evaluate_cases
from ecs_med.methods import Ecs
from ecs_med.runs import ValidationRow
from ecs_med.training.listener import NullListener, RunPlan
from ecs_med.training.train import train

Build = Callable[..., TrainConfig]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]


OPENED: list[str] = []
"""Every file that this process opens, as the interpreter's audit events tell."""


def note_open(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open":
        OPENED.append(str(arguments[0]))


sys.addaudithook(note_open)


class Recorder(NullListener):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.plan: RunPlan | None = None
        self.warnings: list[str] = []
        self.validations: list[int] = []

    def started(self, plan: RunPlan) -> None:
        self.plan = plan

    def validated(self, row: ValidationRow) -> None:
        self.validations.append(row.iteration)

    def warned(self, sentence: str) -> None:
        self.warnings.append(sentence)


@pytest.mark.parametrize("method", ["supervised", "ecs"])
def test_a_run_folder_is_complete(settings: Build, method: str) -> None:
    recorder = Recorder()
    run = train(settings(method=method), recorder)
    assert {p.name for p in run.iterdir()} >= {
        "config.json",
        "split.json",
        "history.jsonl",
        "metrics.json",
        "model.safetensors",
        "model.json",
        "checkpoints",
        "manifest.json",
        "report.html",
        "gallery",
        "samples",
        "test_cases.json",
    }
    metrics, manifest = read(run / "metrics.json"), read(run / "manifest.json")
    assert set(metrics["test"]) >= {"miou", "dice", "iou_per_class", "dice_per_class", "num_cases"}
    assert metrics["test"]["num_cases"] == manifest["data"]["num_test"]
    assert manifest["initialization"]["segmenter"] == "test_resnet with random weights"
    assert recorder.validations == [2, 4]
    validations = [row for row in rows(run) if row["kind"] == "validation"]
    assert [row["pseudo_labels"] is not None for row in validations] == [method == "ecs"] * 2
    assert TrainConfig.parse(read(run / "config.json")).iterations == 4


def test_the_saved_model_scores_as_it_did(settings: Build) -> None:
    run = train(settings())
    model = ecs_med.load_model(run)
    from ecs_med.data.layout import open_data
    from ecs_med.splits import Split

    cases = open_data(settings().data).cases
    split = Split.read(run / "split.json", cases)
    again = evaluate_cases(model, split.test).scores.to_json()
    assert again == read(run / "metrics.json")["test"]


def test_equal_settings_give_equal_weights(settings: Build, tmp_path: Path) -> None:
    first = train(settings(run=tmp_path / "a"))
    second = train(settings(run=tmp_path / "b", workers=2))
    assert (first / "model.safetensors").read_bytes() == (second / "model.safetensors").read_bytes()
    other = train(settings(run=tmp_path / "c", seed=1))
    assert (first / "model.safetensors").read_bytes() != (other / "model.safetensors").read_bytes()


def test_masks_outside_the_budget_are_never_read_for_training(
    settings: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once the data are examined, and with reporting switched off, no hidden mask is opened."""
    monkeypatch.setattr("ecs_med.training.scoring.pseudo_label_health", lambda *_: None)
    config = settings(labeled="2")
    diagnose(open_data(config.data), config.reading, cache=config.cache)
    OPENED.clear()
    run = train(config)
    opened = set(OPENED)
    roles = {case["id"]: case["role"] for case in read(run / "split.json")["cases"]}
    hidden = {Path(i).name for i, role in roles.items() if role == "unlabeled"}
    masks = {Path(p).stem for p in opened if "/masks/" in p}
    assert len(hidden) > 0
    assert len(masks) == sum(role in ("labeled", "validation", "test") for role in roles.values())
    assert not masks & hidden


def test_the_report_scores_pseudo_labels_against_hidden_masks(settings: Build) -> None:
    run = train(settings(labeled="2"))
    health = [row["pseudo_labels"] for row in rows(run) if row["kind"] == "validation"][-1]
    assert health["num_cases"] > 0
    assert 0 <= health["miou"] <= 1
    assert 0 <= health["right_share"] <= 1


def test_without_any_hidden_mask_only_shares_are_known(settings: Build, phantom: Path) -> None:
    folder = settings().run.parent / "data"
    for kind in ("images", "masks"):
        for path in (phantom / "train" / kind).iterdir():
            (folder / kind).mkdir(parents=True, exist_ok=True)
            (folder / kind / path.name).symlink_to(path)
    for path in sorted((folder / "masks").iterdir())[-4:]:
        path.unlink()
    run = train(settings(data=folder, labeled="all"))
    health = [row["pseudo_labels"] for row in rows(run) if row["kind"] == "validation"][-1]
    assert health["miou"] is None
    assert health["mean_certainty"] > 0


def test_a_volume_run(settings: Build, tmp_path: Path) -> None:
    import nibabel

    rng = np.random.default_rng(0)
    for index in range(10):
        for kind, values in (
            ("imagesTr", rng.normal(size=(12, 10, 4)).astype(np.float32)),
            ("labelsTr", rng.integers(0, 3, (12, 10, 4)).astype(np.uint8)),
        ):
            (tmp_path / "v" / kind).mkdir(parents=True, exist_ok=True)
            image = nibabel.Nifti1Image(values, np.diag([1, 1, 3, 1]))
            nibabel.save(image, tmp_path / "v" / kind / f"case_{index}.nii.gz")
    run = train(settings(data=tmp_path / "v"))
    test = read(run / "metrics.json")["test"]
    assert len(test["iou_per_class"]) == 3
    assert len(test["hd95_mm_per_class"]) == 3


def test_a_finished_run_is_not_overwritten(settings: Build) -> None:
    train(settings())
    with pytest.raises(RunFolderError, match="holds a run already"):
        train(settings())


def test_what_cannot_be_is_told_before_a_run_folder_is_made(settings: Build) -> None:
    wrong = [
        ({"labeled": "0"}, BudgetError, "0"),
        ({"labeled": "200%"}, BudgetError, "200%"),
        ({"encoder": "resnet5O"}, SettingsError, "did you mean"),
        ({"device": "cuda:9"}, SettingsError, "CUDA"),
        ({"crop": 33}, SettingsError, "multiple of 32"),
        ({"data": Path("nowhere")}, DataError, "nowhere"),
    ]
    for values, error, match in wrong:
        with pytest.raises(error, match=match):
            train(settings(**values))
        assert not settings().run.exists(), values


def test_a_broken_unlabeled_image_ends_the_run_before_it_begins(
    settings: Build, phantom: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(phantom, folder)
    broken = sorted((folder / "train" / "images").iterdir())[0]
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(DataError, match=broken.name):
        train(settings(data=folder))


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(
    settings: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Ecs.step
    steps = 0

    def explode(self: Ecs, batch: Any, progress: float) -> Any:
        nonlocal steps
        steps += 1
        result = real(self, batch, progress)
        if steps == 3:
            result.losses["segmentation"].fill_(math.nan)
        return result

    monkeypatch.setattr(Ecs, "step", explode)
    with pytest.raises(TrainingDivergedError, match="segmentation loss became nan by iteration 3"):
        train(settings())
    kept = sorted(p.name for p in (settings().run / "checkpoints").iterdir())
    assert kept[-1] == "iteration-00000002.safetensors"


def test_out_of_memory_names_what_to_lower(
    settings: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Ecs, "step", exhausted)
    with pytest.raises(DeviceMemoryError, match="lower `batch` or `crop`"):
        train(settings())


def test_ecs_without_unlabeled_images_says_so_and_goes_on(settings: Build) -> None:
    recorder = Recorder()
    run = train(settings(labeled="all"), recorder)
    assert any("there are none" in sentence for sentence in recorder.warnings)
    assert all("pseudo" not in row["losses"] for row in rows(run) if row["kind"] == "train")


def test_a_class_without_a_label_is_warned_of_by_name(settings: Build) -> None:
    reading = {"class_names": ("background", "polyp", "instrument", "stent")}
    recorder = Recorder()
    train(settings(reading=reading), recorder)
    assert any("stent" in sentence for sentence in recorder.warnings)


def test_the_last_model_is_kept_and_all_validation_cases_are_tested_on(
    settings: Build, phantom: Path, tmp_path: Path
) -> None:
    data = tmp_path / "given"
    shutil.copytree(phantom, data)
    shutil.rmtree(data / "test")
    num_validation = len(list((data / "validation" / "images").iterdir()))
    run = train(settings(data=data, keep="last", run=tmp_path / "last"))
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["test"]["num_cases"] == num_validation
    assert metrics["best_iteration"] == 4
    assert metrics["validation"] is None
    assert {row["kind"] for row in rows(run)} == {"train"}
    last = load_file(run / "checkpoints" / "iteration-00000004.safetensors")
    kept = load_file(run / "model.safetensors")
    assert all(torch.equal(kept[key], last[f"network.{key}"]) for key in kept)
    assert "no model is chosen on them" in (run / "report.html").read_text()
