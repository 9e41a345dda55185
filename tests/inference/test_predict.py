import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from ecs_med.data.masks.reading import LabelScheme
from ecs_med.errors import (
    DataError,
    DeviceMemoryError,
    EcsMedError,
    SettingsError,
    SomeInputsFailed,
    UnreadableFileError,
)
from ecs_med.inference.predict import predict, predict_files

RNG = np.random.default_rng(0)
OBLIQUE = np.array([[0.9, 0.1, 0, -20], [-0.1, 1.1, 0.2, 5], [0, -0.2, 2.5, 7], [0, 0, 0, 1.0]])


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pixels():
    return RNG.choice([0, 255], (10, 13)).astype(np.uint8)


def test_picture_gives_a_png_of_its_size(make_model, write_picture, pixels, tmp_path):
    write_picture(tmp_path / "in" / "a.png", pixels)
    report = predict("in/a.png", model=make_model())
    (output,) = report.written.values()
    assert str(output) == "predictions/a.png"
    with Image.open(output) as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image), pixels // 255)
    assert report.labels == {0: "background", 1: "bright"}


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_volume_keeps_shape_and_affine(make_model, write_volume, tmp_path, suffix):
    values = RNG.choice([0.0, 1.0], (5, 6, 7)).astype(np.float32)
    path = write_volume(tmp_path / f"scan{suffix}", values, affine=OBLIQUE)
    model = make_model("volume")
    predict([path], model=model, output="out", certainty=True, overlay=True)
    labels, before = nibabel.load("out/scan.nii.gz"), nibabel.load(path)
    np.testing.assert_array_equal(labels.affine, before.affine)
    assert labels.header.get_zooms() == before.header.get_zooms()
    assert labels.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asarray(labels.dataobj), values > 0.5)
    certainty = nibabel.load("out/scan-certainty.nii.gz")
    np.testing.assert_array_equal(certainty.affine, before.affine)
    assert certainty.get_data_dtype() == np.float32
    np.testing.assert_allclose(certainty.get_fdata(), np.where(values > 0.5, 0.5, 0.8), rtol=1e-6)
    with Image.open("out/scan-overlay.png") as overlay:
        assert overlay.mode == "RGB"


def test_overlay_and_certainty_of_a_picture(make_model, write_picture, pixels, tmp_path):
    write_picture(tmp_path / "a.jpg.png", pixels)
    predict("a.jpg.png", model=make_model(), overlay=True, certainty=True)
    with Image.open("predictions/a.jpg-overlay.png") as overlay:
        assert overlay.size == (13, 10)
    with Image.open("predictions/a.jpg-certainty.png") as certainty:
        expected = np.where(pixels > 0, 128, 204)
        np.testing.assert_allclose(np.asarray(certainty), expected, atol=1)


def test_labels_have_the_values_of_the_masks_of_training(make_model, write_picture, pixels):
    write_picture(Path("a.png"), pixels)
    scheme = LabelScheme(class_names=("background", "bright"), values=(0, 50))
    report = predict("a.png", model=make_model(labels=scheme))
    assert report.labels == {0: "background", 50: "bright"}
    with Image.open("predictions/a.png") as image:
        np.testing.assert_array_equal(np.asarray(image), pixels // 255 * 50)


def test_values_that_a_png_cannot_hold_become_class_indices(make_model, write_picture, pixels):
    write_picture(Path("a.png"), pixels)
    scheme = LabelScheme(class_names=("background", "bright"), values=(0, 1000))
    assert predict("a.png", model=make_model(labels=scheme)).labels == {
        0: "background",
        1: "bright",
    }


def test_one_bad_file_does_not_stop_the_rest(make_model, write_picture, pixels):
    write_picture(Path("in/a.png"), pixels)
    write_picture(Path("in/sub/c.png"), pixels)
    Path("in/b.png").write_text("no picture")
    seen = []
    with pytest.raises(SomeInputsFailed, match=r"^1 of 3 inputs failed; out/failures\.json"):
        predict("in", model=make_model(), output="out", on_done=lambda *done: seen.append(done))
    failures = json.loads(Path("out/failures.json").read_text())
    assert list(failures) == ["in/b.png"]
    assert failures["in/b.png"].startswith("in/b.png: ")
    assert Path("out/a.png").exists()
    assert Path("out/sub/c.png").exists()
    assert [str(path) for path, _ in seen] == ["in/a.png", "in/b.png", "in/sub/c.png"]
    assert [status for _, status in seen][::2] == ["written", "written"]


def test_old_failures_are_taken_away_when_all_is_well(make_model, write_picture, pixels):
    write_picture(Path("a.png"), pixels)
    model = make_model()
    with pytest.raises(SomeInputsFailed):
        predict(["a.png", "gone.png"], model=model)
    assert Path("predictions/failures.json").exists()
    predict(["a.png"], model=model)
    assert not Path("predictions/failures.json").exists()


def test_a_single_bad_input_is_its_own_error(make_model):
    with pytest.raises(UnreadableFileError, match=r"gone\.png: no such file"):
        predict("gone.png", model=make_model())
    Path("in").mkdir()
    with pytest.raises(DataError, match="in: no picture or volume"):
        predict("in", model=make_model())
    assert not Path("predictions").exists()


def test_kind_of_scan_is_named_with_its_file(make_model, write_picture, pixels):
    write_picture(Path("a.png"), pixels)
    with pytest.raises(SettingsError, match=r"^a\.png: is a picture, but .* trained on volumes"):
        predict("a.png", model=make_model("volume"))


def test_skip_existing(make_model, write_picture, pixels):
    write_picture(Path("a.png"), pixels)
    write_picture(Path("b.png"), pixels)
    model = make_model()
    predict("a.png", model=model)
    model.segmenter.calls.clear()
    report = predict(["a.png", "b.png"], model=model, skip_existing=True)
    assert len(model.segmenter.calls) == 1
    assert [str(path) for path in report.skipped] == ["a.png"]
    # With an overlay asked for, not everything is there.
    assert not predict("a.png", model=model, skip_existing=True, overlay=True).skipped


def test_inputs_are_never_overwritten(make_model, write_picture, pixels):
    write_picture(Path("in/a.png"), pixels)
    before = Path("in/a.png").read_bytes()
    for output in ("in", "in/a.png"):
        for inputs in ("in", "in/a.png"):
            with pytest.raises(SettingsError, match=r"overwritten|is the input folder"):
                predict(inputs, model=make_model(), output=output)
    assert Path("in/a.png").read_bytes() == before


def test_predicting_twice_in_place_gives_the_same(make_model, write_picture, pixels):
    write_picture(Path("a.png"), pixels)
    model = make_model()
    first, second = (predict(".", model=model).written for _ in range(2))
    assert first == second
    assert len(first) == 1


def test_output_may_name_the_file(make_model, write_picture, pixels):
    write_picture(Path("a.png"), pixels)
    Path("failures.json").write_text("of something else")
    predict("a.png", model=make_model(), output="seg.png")
    assert Path("seg.png").exists()
    assert Path("failures.json").exists()


def test_output_folder_that_is_a_file(make_model, write_picture, pixels):
    write_picture(Path("a.png"), pixels)
    Path("out").touch()
    with pytest.raises(SettingsError, match="out: is a file, not a folder"):
        predict("a.png", model=make_model(), output="out")


def test_folder_that_cannot_be_written(make_model, write_picture, pixels, monkeypatch):
    write_picture(Path("a.png"), pixels)

    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(EcsMedError, match=r"cannot be written \(No space left on device\)"):
        predict("a.png", model=make_model())
    assert list(Path("predictions").iterdir()) == []


def test_out_of_memory_is_one_sentence(make_model, write_picture, pixels, monkeypatch):
    write_picture(Path("a.png"), pixels)
    model = make_model()

    def too_much(_slices):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(model, "logits", too_much)
    with pytest.raises(DeviceMemoryError, match=r"^a\.png: cpu ran out of memory"):
        predict("a.png", model=model)


def test_certainty_without_a_corrector_is_refused_before_anything(make_model):
    with pytest.raises(SettingsError, match="no corrector"):
        predict("gone.png", model=make_model(corrector=False), certainty=True)


def test_report_as_json(make_model, write_picture, pixels):
    write_picture(Path("a.png"), pixels)
    report = predict_files(make_model(), ["a.png", "b.png"], "out")
    as_json = json.loads(json.dumps(report.to_json()))
    assert as_json["written"] == {"a.png": "out/a.png"}
    assert as_json["labels"] == {"0": "background", "1": "bright"}
    assert "no such file" in as_json["failures"]["b.png"]
