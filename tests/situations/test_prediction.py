"""Predictions: what is taken for an input, what results are called, what is left out and said."""

import json
import shutil
from pathlib import Path

import pytest
from situations.inputs_state import add_picture, add_volume, pretend_training, write_model

from ecs_med.inference.inputs import find_inputs
from ecs_med.inference.predict import predict_files
from ecs_med.inference.prediction import FAILURES_FILE
from ecs_med.inference.storing import load_model
from ecs_med.runs import RunFolder
from ecs_med.runs.newest import newer_than, newest_run, unfinished
from ecs_med.runs.outputs import mark_folder, own_outputs
from ecs_med_cli.app import main


def ended(*words) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    return end.value.code


@pytest.fixture(scope="module")
def pictures_model(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "run")


@pytest.fixture(scope="module")
def volumes_model(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "run", kind="volume", channels=1)


@pytest.fixture(scope="module")
def two_channels_model(tmp_path_factory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "run", kind="volume", channels=2)


def results(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")
    return sorted(str(path.relative_to(folder)) for path in files)


# The seven cases of the issue that concern predictions.


def test_unfinished_model_is_said_and_finished_ones_come_first(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    half = write_model(Path("runs/half"))
    pretend_training(half, done=12, of=24)
    picture = add_picture(tmp_path / "a.png")
    assert ended("predict", picture, "-o", "out") == 0
    assert "runs/half: this run is not finished (iteration 12 of 24)" in capsys.readouterr().err
    done = Path(shutil.copytree(half, "runs/done"))
    (done / "metrics.json").write_text("{}")
    RunFolder(half).spec_file.write_bytes(RunFolder(half).spec_file.read_bytes())
    assert ended("predict", picture, "-o", "out") == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("model: runs/done (newest)\n")
    assert "runs/half is newer, but not finished (iteration 12 of 24)." in shown.err
    assert "this run is not finished" not in shown.err


def test_nnunet_output_name_has_no_channel_number(tmp_path, volumes_model):
    for case in ("c0", "c1"):
        add_volume(tmp_path / "data" / "imagesTs" / f"{case}_0000.nii.gz")
    predict_files(load_model(volumes_model), tmp_path / "data" / "imagesTs", tmp_path / "out")
    assert results(tmp_path / "out") == ["c0.nii.gz", "c1.nii.gz"]


def test_two_channel_missing_is_named(tmp_path, two_channels_model, capsys):
    add_volume(tmp_path / "scans" / "new_0001.nii.gz")
    assert ended("predict", tmp_path / "scans", "--model", two_channels_model) == 2
    told = "new_0000.nii.gz: no such file, though the model takes 2 channels"
    assert told in capsys.readouterr().err


def test_webp_passed_over_is_named(tmp_path, pictures_model, capsys):
    add_picture(tmp_path / "photos" / "a.png")
    for name in ("b.webp", "c.gif", "notes.txt"):
        (tmp_path / "photos" / name).write_bytes(b"x")
    options = ["--model", pictures_model, "-o", tmp_path / "out"]
    assert ended("predict", tmp_path / "photos", *options, "--json") == 0
    shown = capsys.readouterr()
    passed = json.loads(shown.out)["passed_over"]
    assert [Path(path).name for path in passed] == ["b.webp", "c.gif"]
    assert "passed over, of a format that is not read: 2, such as " in shown.err
    assert "convert to PNG, JPEG, TIFF, BMP, NIfTI" in shown.err


def test_results_read_again_are_left_out(tmp_path, pictures_model, capsys):
    photos = tmp_path / "photos"
    for name in ("a0", "a1", "a2"):
        add_picture(photos / f"{name}.png")
    options = ["--model", pictures_model, "--overlay", "-o"]
    assert ended("predict", photos, *options, photos / "res") == 0
    assert ended("predict", photos, *options, photos / "res2") == 0
    overlays = [f"a{number}-overlay.png" for number in range(3)]
    assert results(photos / "res2") == sorted(["a0.png", "a1.png", "a2.png", *overlays])
    assert "passed over, written by ecs-med itself: 6, such as" in capsys.readouterr().err


def test_predictions_become_data_no_more(tmp_path, pictures_model, monkeypatch, capsys):
    for kind in ("images", "masks"):
        for name in ("a", "b"):
            add_picture(tmp_path / "data" / kind / f"{name}.png")
    monkeypatch.chdir(tmp_path / "data")
    assert ended("predict", ".", "--model", pictures_model) == 0
    assert results(Path("predictions")) == ["images/a.png", "images/b.png"]
    assert "passed over, masks beside their images: masks" in capsys.readouterr().err
    marked = own_outputs(Path("predictions/images"))
    assert marked.holds("a.png")
    assert marked.holds("b.png")
    assert not own_outputs(Path("images")).holds("a.png")


# Situations of our own.


def test_a_corrected_prediction_is_data_again(tmp_path, pictures_model):
    picture = add_picture(tmp_path / "in" / "a.png")
    predict_files(load_model(pictures_model), picture, tmp_path / "out")
    assert own_outputs(tmp_path / "out").holds("a.png")
    add_picture(tmp_path / "out" / "a.png", value=3)
    assert not own_outputs(tmp_path / "out").holds("a.png")
    found = find_inputs([tmp_path / "out"])
    assert [item.path.name for item in found.items] == ["a.png"]


def test_run_folders_and_litter_inside_the_input_are_left_out(tmp_path):
    add_picture(tmp_path / "a.png")
    add_picture(tmp_path / "runs" / "one" / "gallery" / "000-image.png")
    mark_folder(tmp_path / "runs" / "one")
    for name in ("@eaDir", "__MACOSX", ".thumbnails", "#recycle"):
        add_picture(tmp_path / name / "a.png")
    found = find_inputs([tmp_path])
    assert [item.path for item in found.items] == [tmp_path / "a.png"]
    assert found.passed_over == {tmp_path / "runs" / "one": "written by ecs-med itself"}


def test_a_folder_of_results_alone_says_so(tmp_path, pictures_model):
    picture = add_picture(tmp_path / "a.png")
    predict_files(load_model(pictures_model), picture, tmp_path / "out")
    (item,) = find_inputs([tmp_path / "out"]).items
    assert "written by ecs-med itself" in str(item.problem)
    assert "one by one" in str(item.problem)
    assert find_inputs([tmp_path / "out" / "a.png"]).items[0].problem is None


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("imagesTr", "labelsTr"),
        ("JPEGImages", "SegmentationClass"),
        ("leftImg8bit", "gtFine"),
        ("Images", "Ground Truth"),
    ],
)
def test_masks_of_usual_layouts_are_passed_over(tmp_path, images, masks):
    add_picture(tmp_path / images / "a.png")
    add_picture(tmp_path / masks / "a.png")
    found = find_inputs([tmp_path])
    assert [item.path for item in found.items] == [tmp_path / images / "a.png"]
    assert found.passed_over == {tmp_path / masks: "masks beside their images"}


def test_masks_that_lie_beside_their_images_are_passed_over(tmp_path):
    for name in ("imaging", "a", "a_mask", "b_seg"):
        add_picture(tmp_path / f"{name}.png")
    found = find_inputs([tmp_path])
    assert [item.path.name for item in found.items] == ["a.png", "b_seg.png", "imaging.png"]
    assert list(found.passed_over) == [tmp_path / "a_mask.png"]


def test_a_folder_of_masks_that_is_named_is_segmented_with_a_word(tmp_path):
    add_picture(tmp_path / "masks" / "a.png")
    found = find_inputs([tmp_path / "masks"])
    assert [item.problem for item in found.items] == [None]
    assert "is called like a folder of masks; its files are segmented" in found.notes[0]


def test_frames_and_names_of_ones_own_keep_their_number(tmp_path):
    def names(*paths, numbered):
        for path in paths:
            add_picture(tmp_path / path)
        folder = (tmp_path / paths[0]).parent
        return [item.stem for item in find_inputs([folder], numbered=numbered).items]

    frames = ("imagesTs/frame_0000.png", "imagesTs/frame_0001.png")
    assert names(*frames, numbered=True) == ["frame_0000", "frame_0001"]
    assert names("film/frame_0000.png", numbered=False) == ["frame_0000"]
    clashing = ("two/c0.png", "two/c0_0000.png")
    assert names(*clashing, numbered=True) == ["c0", "c0_0000"]
    assert names("one/c0_0000.png", "one/c1_0000.png", numbered=True) == ["c0", "c1"]


def test_all_channels_in_one_file_need_no_others(tmp_path, two_channels_model):
    add_volume(tmp_path / "in" / "both_0000.nii.gz", (8, 8, 4, 2))
    add_volume(tmp_path / "in" / "plain.nii.gz", (8, 8, 4, 2))
    report = predict_files(load_model(two_channels_model), tmp_path / "in", tmp_path / "out")
    assert not report.failures
    assert results(tmp_path / "out") == ["both_0000.nii.gz", "plain.nii.gz"]


def test_one_file_of_a_scan_without_number_says_how_channels_are_named(tmp_path):
    add_volume(tmp_path / "p1.nii.gz")
    (item,) = find_inputs([tmp_path], num_channels=2).items
    assert "p1.nii.gz: holds 1 of the 2 channels that the model takes" in str(item.problem)
    assert "p1_0000.nii.gz, p1_0001.nii.gz" in str(item.problem)


def test_a_channel_too_many_is_refused(tmp_path):
    for channel in range(3):
        add_volume(tmp_path / f"p1_{channel:04d}.nii.gz")
    (item,) = find_inputs([tmp_path], num_channels=2).items
    assert "p1_0002.nii.gz: is one channel more than the 2" in str(item.problem)


def test_a_model_that_was_copied_is_not_called_unfinished(tmp_path):
    run = write_model(tmp_path / "runs" / "copied")
    assert unfinished(run) is None
    assert newest_run(tmp_path / "runs") == run
    assert newer_than(run) is None


def test_a_run_whose_training_is_over_but_not_scored_says_where_it_is(tmp_path):
    run = write_model(tmp_path / "run")
    pretend_training(run, done=24, of=24)
    assert "iteration 24 of 24" in str(unfinished(run))


def test_results_are_marked_where_some_inputs_fail(tmp_path, pictures_model):
    add_picture(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.png").write_bytes(b"no picture")
    predict_files(load_model(pictures_model), tmp_path / "in", tmp_path / "out")
    marked = own_outputs(tmp_path / "out")
    assert marked.holds("a.png")
    assert marked.holds(FAILURES_FILE)
    assert not marked.whole
