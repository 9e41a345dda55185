from pathlib import Path

import pytest

from ecs_med.errors import SettingsError
from ecs_med.inference.destinations import Destination, output_folder, plan_destinations
from ecs_med.inference.scans import PredictionInput


def item(path, below=None):
    return PredictionInput((Path(path),), None if below is None else Path(below))


def labels(items, output=None, **options):
    return [str(entry.labels) for entry in plan_destinations(items, output, **options)]


def test_names_follow_the_input():
    items = [item("x/a.jpg"), item("x/v.nii"), item("x/w.nii.gz"), item("x/b.v2.tiff")]
    assert labels(items) == [
        "predictions/a.png",
        "predictions/v.nii.gz",
        "predictions/w.nii.gz",
        "predictions/b.v2.png",
    ]


def test_sub_folders_are_kept():
    items = [item("in/p1/a.png", "in"), item("in/p2/a.png", "in"), item("in/b.png", "in")]
    assert labels(items, Path("out")) == ["out/p1/a.png", "out/p2/a.png", "out/b.png"]


def test_equal_names_from_different_folders():
    items = [item("left/a.png"), item("right/a.png"), item("right/b.png")]
    assert labels(items, Path("out")) == ["out/left/a.png", "out/right/a.png", "out/b.png"]


def test_equal_names_in_two_input_folders():
    items = [item("p1/s/a.png", "p1"), item("p2/s/a.png", "p2")]
    assert labels(items, Path("out")) == ["out/p1/s/a.png", "out/p2/s/a.png"]


def test_equal_names_with_different_suffixes():
    items = [item("in/a.jpg", "in"), item("in/a.bmp", "in"), item("in/a.nii.gz", "in")]
    assert labels(items, Path("out")) == ["out/a_jpg.png", "out/a_bmp.png", "out/a.nii.gz"]


def test_channel_number_is_no_part_of_the_name():
    both = PredictionInput((Path("a_0000.nii.gz"), Path("a_0001.nii.gz")))
    assert labels([both]) == ["predictions/a.nii.gz"]
    assert labels([item("a_0000.nii.gz")]) == ["predictions/a_0000.nii.gz"]


def test_file_name_for_a_single_input():
    (plan,) = plan_destinations(
        [item("a.nii.gz")], Path("out/seg.nii.gz"), overlay=True, certainty=True
    )
    assert plan == Destination(
        labels=Path("out/seg.nii.gz"),
        formats=("nifti",),
        overlay=Path("out/seg-overlay.png"),
        certainty=Path("out/seg-certainty.nii.gz"),
    )
    assert output_folder(Path("out/seg.nii.gz")) == Path("out")


def test_folder_with_the_name_of_a_file(tmp_path):
    odd = tmp_path / "results.png"
    odd.mkdir()
    assert labels([item("a.png")], odd) == [str(odd / "a.png")]


@pytest.mark.parametrize(
    ("items", "output", "message"),
    [
        ([item("a.jpg"), item("b.jpg")], "out.png", "names one file, but there are 2 inputs"),
        ([item("a.jpg")], "out.nii.gz", r"labels of a\.jpg are written as \.png"),
        ([item("a.nii")], "out.png", r"labels of a\.nii are written as \.nii\.gz"),
        ([item("in/a.png")], "in", "is an input and would be overwritten"),
        ([item("in/a.png")], "in/a.png", "is an input and would be overwritten"),
    ],
)
def test_unfit_output(items, output, message):
    with pytest.raises(SettingsError, match=message):
        plan_destinations(items, Path(output))


def test_an_overlay_never_lands_on_labels():
    items = [item("in/a.jpg"), item("in/a-overlay.jpg")]
    with pytest.raises(SettingsError, match=r"a-overlay\.png: would be written for"):
        plan_destinations(items, None, overlay=True)
    assert len(plan_destinations(items, None)) == 2
