import json

import pytest
from sweep_folders import change_json

from ecs_med.reporting.run.findings import examine_health, observations, verdict
from ecs_med.reporting.run.reading import read_run
from ecs_med.reporting.text import NOTHING, count, decimal, duration, flat, percent, plural


def test_health_is_read_at_the_chosen_iteration(run):
    health = examine_health(read_run(run))
    assert "At iteration 900, the corrector marked 5.8 % of the pixels of 16" in health.reading
    assert "mended 57.5 % of the segmenter's errors" in health.reading
    assert "mIoU 0.755, the segmenter alone 0.735: the corrections help (+0.020)" in health.reading
    assert health.warnings == ()


def test_a_corrector_that_stopped_correcting_is_warned_of(tmp_path, write_run):
    run = write_run(tmp_path / "run", right_share=0.9999, gallery=False)
    (warning,) = examine_health(read_run(run)).warnings
    assert "99.99 %" in warning
    assert "hardly corrects" in warning


def test_corrections_that_harm_are_warned_of(tmp_path, write_run):
    run = write_run(tmp_path / "run", gain=-0.03, gallery=False)
    (warning,) = examine_health(read_run(run)).warnings
    assert "the corrections harm" in warning
    assert "in 10 of 10 validations" in warning


def test_without_hidden_masks_nothing_is_claimed(run):
    lines = (run / "history.jsonl").read_text(encoding="utf-8").splitlines()
    row = next(json.loads(line) for line in lines if "pseudo_labels" in line)
    row["pseudo_labels"] |= {"miou": None, "segmenter_miou": None, "correction_accuracy": None}
    (run / "history.jsonl").write_text(json.dumps(row), encoding="utf-8")
    health = examine_health(read_run(run))
    assert "There are no hidden masks" in health.reading
    assert "mended" not in health.reading
    assert health.warnings == ()


def change(path, part, **values):
    content = json.loads(path.read_text(encoding="utf-8"))
    content[part] |= values
    path.write_text(json.dumps(content), encoding="utf-8")


def observe(run, part, **values):
    change(run / "metrics.json", part, **values)
    return " ".join(observations(read_run(run)))


def test_a_sound_run_needs_no_remarks(run):
    assert observations(read_run(run)) == ()


def test_few_test_cases_and_a_gap_are_remarked(run):
    assert "rests on 4 images only" in observe(run, "test", num_cases=4)
    assert "lies well below" in observe(run, "test", foreground_dice=0.6)


def test_a_model_that_finds_nothing_is_not_praised(run):
    assert "finds next to no foreground" in observe(run, "test", foreground_dice=0.001)
    assert "misses what the expert marked" in verdict(read_run(run))


def test_scores_on_training_images_are_named_as_such(run):
    change(run / "manifest.json", "data", num_validation=0)
    assert "those of the labelled training images" in " ".join(observations(read_run(run)))


def test_a_best_score_at_the_very_end_is_remarked(run):
    change_json(run / "metrics.json", best_iteration=1000)
    assert "training may have ended too early" in " ".join(observations(read_run(run)))


def test_no_foreground_is_said_in_the_verdict(run):
    observe(run, "test", foreground_dice=None)
    assert "there is no foreground to score" in verdict(read_run(run))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.999999, "> 99.9 %"),
        (1.0, "100.0 %"),
        (0.0, "0.0 %"),
        (1e-6, "< 0.1 %"),
        (None, NOTHING),
        (0.1234, "12.3 %"),
    ],
)
def test_shares_are_never_rounded_to_certainty(value, text):
    assert percent(value) == text


def test_numbers_in_words():
    assert [duration(s) for s in (4, 75, 3600 * 3 + 240, None)] == [
        "4 s",
        "1 min 15 s",
        "3 h 04 min",
        NOTHING,
    ]
    assert (plural(1, "image"), plural(1200, "image")) == ("1 image", "1,200 images")
    assert (count(None), decimal(None)) == (NOTHING, NOTHING)


def test_nested_settings_become_dotted_names():
    settings = {"a": 1, "b": {"c": [0.9, 0.99], "d": {"e": True}}, "f": {}, "g": None}
    assert flat(settings) == [
        ("a", "1"),
        ("b.c", "0.9, 0.99"),
        ("b.d.e", "yes"),
        ("f", "{}"),
        ("g", NOTHING),
    ]
