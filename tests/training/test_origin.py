"""Runs that begin with the networks of a finished one."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ecs_med.config import TrainConfig
from ecs_med.data.layout import open_data
from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.inference.corrector_counts import CorrectorCounts
from ecs_med.methods.correcting import CorrectorOnly
from ecs_med.runs import CorrectorScores
from ecs_med.splits import draw_split
from ecs_med.training.train import train

Build = Callable[..., TrainConfig]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def validations(run: Path) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    return [row for row in rows if row["kind"] == "validation"]


def part(run: Path, name: str) -> dict[str, torch.Tensor]:
    tensors = load_file(run / "model.safetensors")
    return {key: value for key, value in tensors.items() if key.startswith(f"{name}.")}


def first_checkpoint(run: Path, monkeypatch: pytest.MonkeyPatch, build: Any) -> Any:
    """The networks before the first iteration."""

    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ecs_med.methods.base.Method.train_mode", stop)
        with pytest.raises(KeyboardInterrupt):
            train(build)
    return load_file(run / "checkpoints" / "iteration-00000000.safetensors")


@pytest.fixture
def base(settings: Build, tmp_path: Path) -> Path:
    return train(settings(method="supervised", run=tmp_path / "base"))


def left_open(build: TrainConfig) -> TrainConfig:
    """Without what the run that it begins with decides."""
    values = build.model_dump(exclude_unset=True)
    del values["encoder"], values["min_size"]
    return TrainConfig.parse(values)


def test_the_corrector_learns_and_the_segmenter_stays(settings: Build, base: Path) -> None:
    run = train(left_open(settings(method="corrector", start_from=base)))
    theirs, ours = part(base, "segmenter"), part(run, "segmenter")
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert part(run, "corrector")
    rows = validations(run)
    assert all(row["validation"] == rows[0]["validation"] for row in rows)
    best = max(rows, key=lambda row: row["corrector"]["miou"])
    metrics = read(run / "metrics.json")
    assert metrics["best_iteration"] == best["iteration"]
    assert metrics["corrector"]["validation"] == best["corrector"]
    assert len(best["corrector"]["iou_per_class"]) == 4
    config = read(run / "config.json")
    assert (config["encoder"], config["min_size"]) == ("test_resnet", 0)
    words = read(run / "manifest.json")["initialization"]
    assert words["segmenter"] == f"test_resnet with the weights of the run {base}"
    assert words["corrector"] == "test_resnet with random weights"


def test_both_networks_are_taken_where_both_runs_have_them(
    settings: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = train(settings(run=tmp_path / "first"))
    fine = settings(run=tmp_path / "fine", start_from=first, encoder_weights="auto")
    state = first_checkpoint(tmp_path / "fine", monkeypatch, fine)
    for key, value in load_file(first / "model.safetensors").items():
        assert torch.equal(state[f"network.{key}"], value), key


def test_death_and_the_loss_of_the_first_run_change_nothing(
    settings: Build, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"method": "corrector", "start_from": base, "iterations": 5}
    undisturbed = train(settings(run=tmp_path / "undisturbed", **values))
    real, count = CorrectorOnly.step, 0

    def mortal(self: CorrectorOnly, *arguments: Any) -> Any:
        nonlocal count
        count += 1
        if count == 4:
            raise KeyboardInterrupt
        return real(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(CorrectorOnly, "step", mortal)
        with pytest.raises(KeyboardInterrupt):
            train(settings(**values))
    shutil.rmtree(base)
    run = train(settings(**values), resume=True)
    assert (run / "model.safetensors").read_bytes() == (
        undisturbed / "model.safetensors"
    ).read_bytes()
    assert validations(run) == validations(undisturbed)
    manifests = [read(folder / "manifest.json") for folder in (run, undisturbed)]
    assert manifests[0]["initialization"] == manifests[1]["initialization"]


def test_the_last_corrector_is_kept_and_its_course_is_scored(
    settings: Build, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a published protocol keeps the last model, the best one would be another."""
    mious = iter([0.9, 0.1])

    def made_up(*_: Any) -> CorrectorScores:
        return CorrectorScores(miou=next(mious), iou_per_class=(None,) * 4, num_cases=1)

    monkeypatch.setattr(CorrectorCounts, "scores", made_up)
    run = train(settings(method="corrector", start_from=base, keep="last"))
    rows = validations(run)
    assert [row["corrector"]["miou"] for row in rows] == [0.9, 0.1]
    assert not any(row["best"] for row in rows)
    assert read(run / "metrics.json")["best_iteration"] == 4
    last = load_file(run / "checkpoints" / "iteration-00000004.safetensors")
    for key, value in part(run, "corrector").items():
        assert torch.equal(last[f"network.{key}"], value)


def test_what_does_not_fit_is_refused(settings: Build, base: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="needs the segmenter of a finished run"):
        train(settings(method="corrector"))
    with pytest.raises(RunFolderError, match="no trained model here"):
        train(settings(start_from=tmp_path / "nowhere"))
    with pytest.raises(SettingsError, match="encoder=test_resnet, not resnet18; leave `encoder`"):
        train(settings(start_from=base, encoder="resnet18"))
    with pytest.raises(SettingsError, match="network=deeplabv3plus, not deeplabv2"):
        train(settings(start_from=base, network="deeplabv2"))
    reading = {"class_names": ("background", "polyp", "instrument", "stent")}
    with pytest.raises(SettingsError, match=r"has 3 classes .* has 4"):
        train(settings(start_from=base, reading=reading))
    (base / "metrics.json").unlink()
    with pytest.raises(RunFolderError, match="this run is not finished"):
        train(settings(start_from=base))
    assert not (tmp_path / "run").exists()


def test_other_channels_are_refused(settings: Build, base: Path) -> None:
    spec = read(base / "model.json")
    grey = {"in_channels": 1, "mean": spec["mean"][:1], "std": spec["std"][:1]}
    (base / "model.json").write_text(json.dumps(spec | grey))
    with pytest.raises(SettingsError, match=r"images of 1 channel, and those of .* have 3"):
        train(settings(start_from=base))


def test_cases_that_the_first_run_was_trained_on_are_not_scored_unnoticed(
    settings: Build, phantom: Path, tmp_path: Path
) -> None:
    flat = tmp_path / "flat"
    for path in phantom.rglob("*.png"):
        target = flat / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    base = train(settings(data=flat, method="supervised", run=tmp_path / "base"))
    values = {"data": flat, "method": "corrector", "start_from": base}
    drawn = draw_split(open_data(flat).cases, "all", 1)
    drawn.write(tmp_path / "other.json")
    other = train(settings(**values, labeled=str(tmp_path / "other.json"), run=tmp_path / "other"))
    warnings = read(other / "manifest.json")["warnings"]
    assert any("was trained on" in w and "`labeled`" in w for w in warnings)
    # Left to itself, a run holds out what the first one held out, whatever its seed.
    same = train(settings(**values, seed=1, run=tmp_path / "same"))
    assert not any("was trained on" in w for w in read(same / "manifest.json")["warnings"])
    roles = [read(run / "split.json")["cases"] for run in (base, same)]
    tested = [[case["id"] for case in cases if case["role"] == "test"] for cases in roles]
    assert tested[0] == tested[1]
