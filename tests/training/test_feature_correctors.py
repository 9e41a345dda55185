"""Whole runs whose corrector stands on the segmenter's features."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from miniatures import write_discs
from PIL import Image
from safetensors.torch import load_file

import ecs_med
from ecs_med.config import TrainConfig
from ecs_med.errors import SettingsError
from ecs_med.inference.model import Model
from ecs_med.inference.storing import save_model
from ecs_med.methods.ecmt import Ecmt
from ecs_med.networks.correctors import DecoderCorrector
from ecs_med.training.train import train

Build = Callable[..., TrainConfig]


def tensors(run: Path, iteration: int) -> dict[str, torch.Tensor]:
    return load_file(run / "checkpoints" / f"iteration-{iteration:08d}.safetensors")


def part(found: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in found.items() if k.startswith(prefix)}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def words(run: Path) -> Any:
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    return manifest["initialization"]


def test_a_run_resumes_to_the_last_bit_and_its_averages_are_the_model(
    settings: Build, tmp_path: Path, phantom: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"method": "ecmt", "iterations": 5, "keep": "last"}
    undisturbed = train(settings(run=tmp_path / "undisturbed", **values))
    real, count = Ecmt.step, 0

    def mortal(self: Ecmt, *arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        return real(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Ecmt, "step", mortal)
        with pytest.raises(KeyboardInterrupt):
            train(settings(**values))
    run = train(settings(**values), resume=True)
    last = tensors(run, 5)
    assert same(last, tensors(undisturbed, 5))
    for name in ("model.safetensors", "metrics.json"):
        assert (run / name).read_bytes() == (undisturbed / name).read_bytes()
    kept = load_file(run / "model.safetensors")
    assert same(part(kept, "segmenter."), part(last, "network.teacher.network."))
    assert same(part(kept, "corrector."), part(last, "network.corrector_teacher.network."))
    assert not any("encoder" in name for name in part(kept, "corrector."))
    assert last["network.corrector_teacher.num_updates"].item() == 5
    model = ecs_med.load_model(run)
    assert (model.spec.corrector, model.spec.corrector_encoder) == ("decoder", None)
    assert isinstance(model.corrector, DecoderCorrector)
    assert model.corrector.segmenter is model.segmenter
    assert words(run)["corrector"] == (
        "a second decoder on the segmenter's encoder with random weights"
    )


def test_it_trains_predicts_and_evaluates_on_a_folder_of_pictures(
    settings: Build, tmp_path: Path
) -> None:
    write_discs(tmp_path / "discs", 12)
    data = tmp_path / "discs"
    run = train(settings(data=data, method="ecmt", max_size=40))
    report = (run / "report.html").read_text(encoding="utf-8")
    assert "What does the corrector do?" in report
    assert "a coloured pixel is one that the corrector would change" in report
    images = sorted((data / "images").iterdir())[:2]
    ecs_med.predict(images, model=run, output=tmp_path / "out", certainty=True, device="cpu")
    for image in images:
        found = np.asarray(Image.open(tmp_path / "out" / f"{image.stem}-certainty.png"))
        assert found.shape == (40, 40)
        # The highest of three probabilities, 255 being certain.
        assert found.min() >= 255 // 3
    scores = ecs_med.evaluate(run, data, partition="all").evaluation.scores
    assert scores.num_cases == 12


def test_it_trains_on_volumes(settings: Build, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for index in range(8):
        for kind, values in (
            ("imagesTr", rng.normal(size=(12, 10, 4)).astype(np.float32)),
            ("labelsTr", rng.integers(0, 3, (12, 10, 4)).astype(np.uint8)),
        ):
            (tmp_path / "v" / kind).mkdir(parents=True, exist_ok=True)
            image = nibabel.Nifti1Image(values, np.diag([1, 1, 3, 1]))
            nibabel.save(image, tmp_path / "v" / kind / f"case_{index}.nii.gz")
    run = train(settings(data=tmp_path / "v", method="ecmt", iterations=2))
    scan = tmp_path / "v" / "imagesTr" / "case_0.nii.gz"
    ecs_med.predict(scan, model=run, output=tmp_path / "out", certainty=True, device="cpu")
    certainty = nibabel.load(tmp_path / "out" / "case_0-certainty.nii.gz").get_fdata()
    assert certainty.shape == (12, 10, 4)
    assert certainty.min() >= 0.25


def first_checkpoint(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The networks before the first iteration."""

    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ecs_med.methods.base.Method.train_mode", stop)
        with pytest.raises(KeyboardInterrupt):
            train(config)
    assert config.run is not None
    return tensors(config.run, 0)


def test_a_run_begins_with_the_corrector_of_another_where_it_is_of_its_kind(
    settings: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = train(settings(method="ecmt", iterations=2, run=tmp_path / "base"))
    theirs = load_file(base / "model.safetensors")
    fine = settings(method="ecmt", start_from=base, encoder_weights="auto", run=tmp_path / "fine")
    state = first_checkpoint(fine, monkeypatch)
    for name in ("segmenter", "corrector"):
        assert same(part(state, f"network.{name}."), part(theirs, f"{name}."))
    for name, of in (("teacher", "segmenter"), ("corrector_teacher", "corrector")):
        assert same(part(state, f"network.{name}.network."), part(theirs, f"{of}."))
    run = train(fine, resume=True)
    assert words(run)["corrector"] == (
        f"a second decoder on the segmenter's encoder with the weights of the run {base}"
    )
    ecs = train(settings(method="ecs", start_from=base, iterations=1, run=tmp_path / "ecs"))
    assert words(ecs)["corrector"] == "test_resnet with random weights"
    again = settings(method="ecmt", start_from=ecs, run=tmp_path / "again")
    state = first_checkpoint(again, monkeypatch)
    assert same(
        part(state, "network.segmenter."), part(load_file(ecs / "model.safetensors"), "segmenter.")
    )


def test_a_network_that_cannot_be_divided_is_refused_in_words(
    settings: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ecs_med.networks.halves._is_plain", lambda network: False)
    with pytest.raises(SettingsError, match="cannot be divided there; choose another `network`"):
        train(settings(method="ecmt"))


def test_a_spec_that_names_another_kind_is_refused_in_words(settings: Build) -> None:
    run = train(settings(method="ecmt", iterations=1))
    model = ecs_med.load_model(run)
    later = model.spec.model_copy(update={"corrector": "oracle"})
    save_model(Model(later, model.segmenter, model.corrector, device=model.device, run=run))
    with pytest.raises(SettingsError, match=r"model\.json: There is no corrector of the kind"):
        ecs_med.load_model(run)
