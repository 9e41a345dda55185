"""Whether the report says if the corrector knows where the segmenter is wrong."""

import json

import pytest
from sweep_folders import change_json

from ecs_med.reporting.run.honesty import examine_honesty
from ecs_med.reporting.run.reading import read_run
from ecs_med.reporting.run.report import write_report

WEAK = "no better than the segmenter's own confidence"


def reading(run):
    return " ".join(examine_honesty(read_run(run)).reading)


def test_both_detectors_are_told_at_the_chosen_iteration(run):
    text = reading(run)
    assert "At iteration 900, on 50 validation images" in text
    assert "AUROC 0.972 and 0.752, the segmenter's own confidence with 0.912 and 0.692" in text
    assert "4.1 % of all pixels and 21.0 % of the foreground pixels wrong" in text
    assert "“right” is off by 0.024 in the mean" in text
    assert "the segmenter's largest probability by 0.040" in text
    assert "16 unlabelled images, against their hidden masks, these are 0.700 and 0.550" in text
    assert examine_honesty(read_run(run)).warnings == ()


def test_every_class_has_a_row(run):
    rows = {row.name: row for row in examine_honesty(read_run(run)).rows}
    assert list(rows) == ["all pixels", "foreground pixels", "background", "polyp", "instrument"]
    assert rows["polyp"].scores == ("0.752", "0.692", "0.488", "0.473")
    assert rows["polyp"].num_pixels == "312,450"
    assert set(rows["instrument"].scores) == {"–"}  # noqa: RUF001 - the dash of a missing value


@pytest.mark.parametrize(("lead", "is_weak"), [(-0.01, True), (0.0, True), (0.01, False)])
def test_a_corrector_that_adds_nothing_is_warned_of_once(tmp_path, write_run, lead, is_weak):
    run = write_run(tmp_path / "run", lead=lead, gallery=False)
    warning = (*examine_honesty(read_run(run)).warnings, "")[0]
    assert (WEAK in warning) is is_weak
    # Training has put the same sentence into the manifest.
    change_json(run / "manifest.json", warnings=[warning] if is_weak else [])
    page = write_report(run).read_text(encoding="utf-8")
    section = page[page.index('<section id="warnings">') :]
    told = section.count("The corrector finds the segmenter")
    assert told == int(is_weak)


def test_a_run_without_scores_is_judged_by_its_best_validation_so_far(run):
    (run / "metrics.json").unlink()
    assert "At iteration 900" in reading(run)


def test_runs_of_former_versions_and_without_a_corrector_have_no_such_section(
    run, tmp_path, write_run, read_page
):
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    for row in rows:
        for part in ("corrector", "pseudo_labels"):
            if row.get(part):
                row[part].pop("detection")
    (run / "history.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    change_json(run / "metrics.json", corrector=None)
    plain = write_run(tmp_path / "plain", method="supervised", gallery=False)
    for folder in (run, plain):
        page = read_page(write_report(folder).read_text(encoding="utf-8"))
        assert "honesty" not in page.ids
        assert {"href": "#honesty"} not in page.all("a")


def test_charts_tell_both_networks_over_iterations_and_their_calibration(run):
    charts = dict(examine_honesty(read_run(run)).charts)
    auroc = charts["Does it find errors?"]
    assert [name for name, _, _ in auroc.legend] == [
        "corrector, all pixels",
        "confidence, all pixels",
        "corrector, foreground",
        "confidence, foreground",
        "corrector, foreground, unlabelled",
    ]
    assert "corrector, foreground: from 0.688 to 0.760." in auroc.svg
    curve = charts["Is a probability what it says?"]
    assert "expected error of the corrector 0.024" in curve.svg
    assert [name for name, _, _ in curve.legend] == ["corrector", "segmenter's confidence"]


def test_a_calibration_without_enough_pixels_is_not_drawn(run):
    metrics = json.loads((run / "metrics.json").read_text())
    detection = metrics["corrector"]["validation"]["detection"]
    for name in ("calibration", "confidence_calibration"):
        detection[name]["num_pixels"] = [99] * 15
    change_json(run / "metrics.json", corrector=metrics["corrector"])
    assert dict(examine_honesty(read_run(run)).charts)["Is a probability what it says?"].svg == ""
