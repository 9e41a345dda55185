"""Pseudo-labels across budgets, and the gallery of the same cases."""

import json

import pytest
import torch
from sweep_folders import SweepSpec, change_json, write_sweep

from ecs_med.metrics import DoubtCounts
from ecs_med.reporting.sweep.gallery import SampleGallery, sample_gallery
from ecs_med.reporting.sweep.grid import arrange
from ecs_med.reporting.sweep.health import health_reading, read_health
from ecs_med.reporting.sweep.runs import read_runs

TINY = SweepSpec(budgets=("1/8", "1/4"), seeds=(3, 5), num_samples=2, num_test=4)


@pytest.fixture
def folders(tmp_path):
    return write_sweep(tmp_path, TINY)


def grid_of(folders):
    return arrange(read_runs(folders)[0])


def test_the_chosen_iteration_counts(folders):
    """Iteration 360 of 400: the made-up share is 0.3 + iteration / 4000."""
    rows = read_health(grid_of(folders))
    assert [(row.method.name, row.budget.num_labeled, row.num_runs) for row in rows] == [
        ("ecs", 100, 2),
        ("ecs", 200, 2),
    ]
    assert rows[0].mean.correction_accuracy == pytest.approx(0.39)
    assert rows[0].mean.gain == pytest.approx(0.01)


def kept_row(folder, **values):
    """The validation of iteration 360 with other pseudo-labels, as a line of the history."""
    lines = (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines if '"validation"' in line]
    row = next(row for row in rows if row["iteration"] == 360)
    row["pseudo_labels"] |= values
    return json.dumps(row) + "\n"


def test_a_row_logged_again_after_resuming_holds_and_a_torn_one_does_not(folders):
    for folder in folders:
        if folder.name.startswith("ecs"):
            again = kept_row(folder, right_share=0.5, miou=None)
            torn = kept_row(folder, right_share=0.7)[:-20]
            with (folder / "history.jsonl").open("a", encoding="utf-8") as file:
                file.write(again + torn)
    rows = read_health(grid_of(folders))
    assert rows[0].mean.right_share == 0.5
    assert rows[0].mean.gain is None


def test_an_idle_corrector_is_named(folders):
    folders = [folder for folder in folders if "ecs" in folder.name]
    for folder in folders:
        segmenter_miou = 0.61 if "1-8" in folder.name else 0.6
        line = kept_row(folder, right_share=1.0, miou=0.6, segmenter_miou=segmenter_miou)
        (folder / "history.jsonl").write_text(line, encoding="utf-8")
    sentences = health_reading(read_health(grid_of(folders)), "image")
    assert "With 100 and 200 labelled images the corrector finds more than 99.9 %" in sentences[0]
    assert sentences[1].startswith("Correcting makes them worse with 100 labelled images")


def test_a_corrector_that_finds_no_errors_is_named(folders):
    """Of 4 foreground pixels 2 are wrong; the corrector doubts one of them less than all others."""
    counts = DoubtCounts(2)
    own, plain = (torch.tensor(bins, dtype=torch.int16) for bins in ([1, 9, 4, 3], [8, 9, 5, 7]))
    counts.add(own, plain, torch.tensor([0, 0, 1, 1]), torch.tensor([1, 1, 1, 1]))
    for folder in folders:
        if folder.name.startswith("ecs-1-8"):
            line = kept_row(folder, detection=counts.detection().to_json())
            (folder / "history.jsonl").write_text(line, encoding="utf-8")
    rows = read_health(grid_of(folders))
    assert [(row.auroc, row.confidence_auroc) for row in rows] == [(0.5, 1.0), (None, None)]
    (sentence,) = (text for text in health_reading(rows, "image") if "own confidence" in text)
    assert sentence.startswith("With 100 labelled images the corrector finds errors")


def test_the_gallery_shows_one_seed_for_every_cell(folders):
    found = sample_gallery(grid_of(folders))
    assert found.remark == "All pictures are of the runs with seed 3."
    assert [case.title for case in found.cases] == ["test/0000", "test/0001"]
    assert [name for name, _ in found.cases[0].rows] == ["supervised", "ECS"]
    pictures = [picture for _, row in found.cases[0].rows for picture in row]
    assert len(pictures) == 4
    assert all(picture.source.startswith("data:image/jpeg;base64,") for picture in pictures)
    assert found.legend == (("polyp", "#56b4e9"),)


def test_a_missing_or_damaged_picture_leaves_a_gap(folders):
    first = next(folder for folder in folders if folder.name == "ecs-1-8-s3")
    (first / "samples" / "000-prediction.png").write_bytes(b"no picture")
    case = sample_gallery(grid_of(folders)).cases[0]
    assert case.rows[1][1][0].source == ""
    assert case.rows[1][1][1].source


def test_a_gallery_with_a_colour_that_is_none_is_not_shown(folders):
    for folder in folders:
        change_json(folder / "samples" / "gallery.json", class_colors=[None, "red;x:url(a)"])
    assert sample_gallery(grid_of(folders)) == SampleGallery()


def test_pictures_outside_the_folder_are_out_of_reach(folders):
    first = next(folder for folder in folders if folder.name == "ecs-1-8-s3")
    index = first / "samples" / "gallery.json"
    (first / "samples" / "000-prediction.png").replace(first / "secret.png")
    items = json.loads(index.read_text(encoding="utf-8"))["items"]
    items[0]["panels"]["prediction"] = "../secret.png"
    change_json(index, items=items)
    assert sample_gallery(grid_of(folders)).cases[0].rows[1][1][0].source == ""
