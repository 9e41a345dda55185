import json
import re
import subprocess
import sys

import pytest
from sweep_folders import METHODS, change_json

from ecs_med.errors import RunFolderError
from ecs_med.reporting.run.gallery import choose_cases, write_gallery
from ecs_med.reporting.run.report import write_report
from ecs_med.runs import MethodFacts

CLASS_NAMES = ("background", "polyp", "instrument")


@pytest.fixture
def page_of(read_page):
    return lambda run: read_page(write_report(run).read_text(encoding="utf-8"))


def test_the_page_is_whole_and_asks_nothing_of_the_network(run, page_of):
    page = page_of(run)
    assert len(page.ids) == len(set(page.ids))
    assert page.all("img")
    assert all(attrs["src"].startswith("data:image/") for attrs in page.all("img"))
    assert all(attrs.get("alt") for attrs in page.all("img"))
    for tag, attrs in page.elements:
        assert tag not in {"script", "link", "iframe", "object"}
        target = attrs.get("href", "#")
        assert target[0] == "#"
        assert target == "#" or target[1:] in page.ids
    text = (run / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|@import|url\((?!#)", text)


def test_every_chart_says_in_words_what_it_shows(run, page_of):
    charts = [attrs for attrs in page_of(run).all("svg") if attrs["class"] == "chart"]
    assert len(charts) == 8
    assert all(len(attrs["aria-label"]) > 20 for attrs in charts)


def test_the_verdict_and_the_scores_appear(run, page_of):
    text = page_of(run).text
    assert (
        "On 50 test images never used for training, the segmentation overlaps the expert's by "
        "Dice 0.82 (foreground), trained with 80 labelled and 720 unlabelled images."
    ) in text
    for part in ("validation", "test"):
        scores = json.loads((run / "metrics.json").read_text(encoding="utf-8"))[part]
        values = [scores["miou"], scores["dice"], scores["foreground_iou"], scores["dice_per_case"]]
        values += scores["iou_per_class"] + scores["dice_per_class"]
        for value in values:
            assert value is None or f"{value:.3f}" in text
    assert text.count("does not occur") == 4
    assert "95.9 %" in text
    assert "Research use, not a medical device." in text


def test_the_same_run_gives_the_same_bytes_below_three_megabytes(run):
    first = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first
    assert len(first) < 3_000_000


def test_names_from_outside_are_escaped(tmp_path, log, write_run, gallery_items, page_of):
    hostile = "<script>alert('x')</script> $\\frac{1}{0}$"
    facts = METHODS["ecs"].model_copy(update={"title": hostile, "short_name": hostile})
    names = ("background", hostile)
    run = write_run(tmp_path / "run", facts=facts, names=names, warnings=(hostile,))
    items = [
        type(item)(f"{hostile}{i}", item.image, item.reference, item.prediction)
        for i, item in enumerate(gallery_items(3))
    ]
    write_gallery(run, items, names)
    log(run, 1005, {hostile: 1.0}, {hostile: 0.1})
    change_json(run / "config.json", labeled=hostile)
    page = page_of(run)
    assert page.text.count(hostile) > 6
    assert not page.all("script")


def test_a_method_that_nobody_here_knows_has_its_own_names(tmp_path, write_run, page_of):
    facts = MethodFacts(
        name="mine",
        title="My method (Doe 2031)",
        short_name="MINE",
        uses_corrector=False,
        uses_unlabeled=True,
        chosen_by="lowest regret",
    )
    page = page_of(write_run(tmp_path / "run", facts=facts))
    for text in ("My method (Doe 2031)", "MINE", "were kept: lowest regret."):
        assert text in page.text
    assert "trained with 80 labelled and 720 unlabelled images" in page.text


def test_the_last_model_is_not_called_the_best(run, page_of):
    change_json(run / "config.json", keep="last")
    text = page_of(run).text
    assert "were kept: the last ones." in text
    assert "neither the validation nor the test set had a say" in text


def test_a_supervised_run_says_that_it_has_no_pseudo_labels(tmp_path, write_run, page_of):
    run = write_run(tmp_path / "run", method="supervised", names=("background", "polyp"))
    text = page_of(run).text
    assert "This method makes no pseudo-labels" in text
    assert "720 unlabelled images lay unused" in text
    assert "should be background" in text


def test_a_run_that_stopped_early_says_so(tmp_path, write_run, page_of):
    run = write_run(tmp_path / "run", gallery=False)
    (run / "metrics.json").unlink()
    (run / "manifest.json").unlink()
    lines = (run / "history.jsonl").read_text(encoding="utf-8").splitlines()
    (run / "history.jsonl").write_text("\n".join(lines[:50]) + '\n{"kind": "tr', encoding="utf-8")
    text = page_of(run).text
    assert "Training has stopped or is still going on at iteration 460 of 1,000" in text
    assert "Best validation so far: foreground Dice 0.67 at iteration 400" in text
    assert "This run has no scores" in text
    assert "There are no pictures" in text
    assert "history.jsonl has 1 unreadable line" in text
    assert "80 labelled, for training" in text


@pytest.mark.parametrize(
    "kept", ["config.json", "split.json", "metrics.json", "manifest.json", "history.jsonl"]
)
def test_any_one_file_is_enough(tmp_path, kept, write_run, page_of):
    run = write_run(tmp_path / "run", gallery=False)
    for path in run.iterdir():
        if path.is_file() and path.name != kept:
            path.unlink()
    page_of(run)


@pytest.mark.parametrize(
    "content", ["{", "[1, 2]", '{"miou": NaN}', "\x00", '{"test": [], "items": 3}']
)
def test_damaged_files_are_named(run, content, page_of):
    names = ["config.json", "split.json", "metrics.json", "manifest.json", "gallery/gallery.json"]
    for name in names:
        (run / name).write_text(content, encoding="utf-8")
    text = page_of(run).text
    for name in names:
        assert f"{name} cannot be shown: " in text
    assert "at iteration 1,000: there is no test score" in text


def test_a_field_that_does_not_fit_is_named(run, page_of):
    change_json(run / "metrics.json", class_names=["background"])
    change_json(run / "manifest.json", seconds="long")
    text = page_of(run).text
    assert "a score by class has not as many values as there are classes" in text
    assert "manifest.json cannot be shown: is damaged (seconds: " in text


def test_a_damaged_picture_is_reported_and_the_others_shown(run, page_of):
    (run / "gallery" / "000-image.png").write_bytes(b"not a picture")
    page = page_of(run)
    assert "1 of the cases cannot be shown" in page.text
    assert len(page.all("img")) == 2 * 4


def test_pictures_outside_the_gallery_are_out_of_reach(run, page_of):
    (run / "gallery" / "000-image.png").replace(run / "secret.png")
    index = json.loads((run / "gallery" / "gallery.json").read_text(encoding="utf-8"))
    index["items"][0]["panels"]["image"] = "../secret.png"
    change_json(run / "gallery" / "gallery.json", items=index["items"])
    assert "1 of the cases cannot be shown" in page_of(run).text


def test_how_the_cases_were_chosen_is_told(tmp_path, write_run, gallery_items, page_of):
    run = write_run(tmp_path / "run", gallery=False, unit="volume")
    items = list(gallery_items(3, slices=True))
    write_gallery(run, items, CLASS_NAMES)
    assert "among 3 volumes drawn for this gallery, not among all" in page_of(run).text
    write_gallery(run, items, CLASS_NAMES, ranks=choose_cases((i.case_id, i.scores) for i in items))
    text = page_of(run).text
    assert "among all test volumes" in text
    assert "slice 2" in text


def test_distances_and_missing_ones_have_their_column(run, page_of):
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    distances = {"hd95_mm_per_class": [None, 4.25, None], "hd95_num_missing_per_class": [0, 3, 0]}
    change_json(run / "metrics.json", test=metrics["test"] | distances)
    text = page_of(run).text
    assert "HD95 (mm)" in text
    assert "4.2 (3 missing)" in text


def test_importing_the_report_loads_no_plotting_library():
    code = "import sys, ecs_med.reporting.run.report; sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_report_is_made_without_torch(run):
    code = (
        "import sys; from pathlib import Path\n"
        "from ecs_med.reporting.run.report import write_report\n"
        "write_report(Path(sys.argv[1])); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(run)], check=True)


def test_what_is_no_run_folder_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match="no such run folder"):
        write_report(tmp_path / "absent")
    with pytest.raises(RunFolderError, match="not a run folder"):
        write_report(tmp_path)


def test_a_report_that_cannot_be_written_leaves_nothing_half_done(run):
    (run / "report.html").mkdir()
    with pytest.raises(RunFolderError, match=r"report\.html"):
        write_report(run)
    assert not [path for path in run.iterdir() if path.name.startswith(".report")]
