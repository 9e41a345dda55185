"""`predict` and `evaluate` with a real but untrained network: what they print, write, end with."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from ecs_med_cli.app import main


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder as training leaves it, its weights random."""
    from ecs_med.config import Preparation
    from ecs_med.data.masks.reading import LabelScheme
    from ecs_med.inference.model import Model
    from ecs_med.inference.storing import save_model
    from ecs_med.networks import Initialization, build_corrector, build_segmenter
    from ecs_med.runs.spec import ModelSpec

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("work") / "runs" / "volumes-ecs"
    folder.mkdir(parents=True)
    spec = ModelSpec(
        method="ecs",
        labels=LabelScheme(class_names=("background", "anterior", "posterior")),
        preparation=Preparation(),
        kind="volume",
        in_channels=1,
        mean=(0.5,),
        std=(0.5,),
        encoder="resnet18",
        corrector_encoder="resnet18",
        crop=32,
        initialization="none",
    )
    shape = {"in_channels": 1, "num_classes": 3}
    networks = [
        build(Initialization("resnet18", "none"), **shape)
        for build in (build_segmenter, build_corrector)
    ]
    save_model(Model(spec, *networks, device=torch.device("cpu"), run=folder))
    return folder


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "scan.nii.gz"
    values = np.random.default_rng(0).random((9, 8, 4)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1.0, 1.0, 3.0, 1.0])), path)
    return path


def ended(*words):
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    return end.value.code


def test_newest_run_is_named_first(run, scan, monkeypatch, capsys):
    monkeypatch.chdir(run.parent.parent)
    assert ended("predict", scan, "--certainty", "--overlay", "--device", "cpu") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "model: runs/volumes-ecs (newest)"
    assert lines[1] == "labels: 0 background, 1 anterior, 2 posterior"
    assert lines[-3:] == [
        "written: predictions/scan.nii.gz",
        "written: predictions/scan-overlay.png",
        "written: predictions/scan-certainty.nii.gz",
    ]
    labels = nibabel.load("predictions/scan.nii.gz")
    assert labels.shape == (9, 8, 4)
    assert set(np.unique(np.asarray(labels.dataobj))) <= {0, 1, 2}
    certainty = nibabel.load("predictions/scan-certainty.nii.gz").get_fdata()
    assert certainty.min() >= 0.25
    assert certainty.max() <= 1


def test_json_is_all_of_stdout(run, scan, tmp_path, capsys):
    options = ["--model", run, "--json", "-o", tmp_path / "out"]
    assert ended("predict", scan, *options) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["written"] == {str(scan): str(tmp_path / "out/scan.nii.gz")}
    assert shown.err.startswith("model: ")


def test_some_failed(run, scan, tmp_path, capsys):
    truncated = tmp_path / "bad.nii.gz"
    truncated.write_bytes(scan.read_bytes()[:100])
    options = ["--model", run, "-o", tmp_path / "out"]
    assert ended("predict", scan, truncated, *options) == 3
    shown = capsys.readouterr()
    assert "failed: " + str(truncated) in shown.err
    assert "1 of 2 inputs failed" in shown.err
    assert list(json.loads((tmp_path / "out/failures.json").read_text())) == [str(truncated)]
    assert (tmp_path / "out/scan.nii.gz").exists()


@pytest.mark.parametrize("name", ["gone.nii.gz", "picture.png"])
def test_single_bad_input(run, tmp_path, capsys, name):
    Image.new("RGB", (8, 8)).save(tmp_path / "picture.png")
    assert ended("predict", tmp_path / name, "--model", run) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith(f"ecs-med: {tmp_path / name}: ")


def test_no_run_yet(tmp_path, scan, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert ended("predict", scan) == 2
    assert "no trained run here" in capsys.readouterr().err


def test_evaluate_prints_one_table(run, scan, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    labels = np.zeros((9, 8, 4), np.uint8)
    labels[2:5, 2:5, 1:3], labels[6:8, 2:5, 1:3] = 1, 2
    for folder in ("images", "labels"):
        Path("data", folder).mkdir(parents=True)
    scan.rename("data/images/scan.nii.gz")
    mask = nibabel.Nifti1Image(labels, np.diag([1.0, 1.0, 3.0, 1.0]))
    nibabel.save(mask, "data/labels/scan.nii.gz")
    assert ended("evaluate", "--data", "data", "--model", run) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"model: {run}"
    assert lines[1] == "scored on 1 labelled case (every mask there is)"
    assert lines[2].split() == ["class", "IoU", "Dice", "HD95", "mm"]
    assert any(line.startswith("anterior") for line in lines)
    assert Path("evaluation/cases.csv").read_text().startswith("case,foreground_dice,")

    assert ended("evaluate", "--data", "data", "--model", run, "--json", "-o", "second") == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["num_cases"] == 1
    assert scores == json.loads(Path("second/evaluation.json").read_text())
    assert len(scores["hd95_mm_per_class"]) == 3


def test_evaluate_on_nothing(run, tmp_path, capsys):
    assert ended("evaluate", "--data", tmp_path / "gone", "--model", run) == 2
    assert "no such file or folder" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["predict", "in"]])
def test_libraries_of_dicom_stay_away_where_there_is_none(run, scan, tmp_path, words):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a", "b"):
        shutil.copy(scan, folder / f"{name}.nii.gz")
    (folder / "README").write_text("no image")
    more = ["--model", str(run), "--device", "cpu"] if words[0] == "predict" else []
    code = f"""
import sys
from ecs_med_cli.app import main
try:
    main({[*words, *more]!r})
except SystemExit as end:
    assert end.code == 0, end.code
names = ("pydicom", "highdicom", "SimpleITK", "av", "onnx")
print([n for n in names if sys.modules.get(n) is not None])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\n[]\n")
