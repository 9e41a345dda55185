"""The rivals' training signals in the report of a run without a corrector."""

import json

import pytest

from ecs_med.reporting.run.report import write_report


@pytest.fixture
def page_of(read_page):
    return lambda run: read_page(write_report(run).read_text(encoding="utf-8"))


def append(run, signals, losses):
    with (run / "history.jsonl").open("a", encoding="utf-8") as file:
        for index, values in enumerate(signals):
            row = {"kind": "train", "iteration": 1010 + 10 * index, "signals": values}
            file.write(json.dumps(row | {"losses": losses}) + "\n")


@pytest.mark.parametrize("method", ["advsemiseg", "s4gan", "s4gan+mlmt"])
def test_the_selected_share_is_drawn(tmp_path, method, write_run, page_of):
    run = write_run(tmp_path / "run", method=method)
    names = ("segmentation", "matching", "self_training", "discrimination", "presence")
    shares = [{"selected_share": value, "fooled_share": 0.5} for value in (None, 0.1, 0.4)]
    append(run, shares, dict.fromkeys((*names, "consistency"), 1.0))
    page = page_of(run)
    for text in ("What does the discriminator let through?", "unlabelled data selected"):
        assert text in page.text
    assert "unlabelled data selected: from 0.100 to 0.400" in (run / "report.html").read_text()
    # Six losses, each with its own line.
    for text in ("features of real and found", "classifier and teacher, unlabelled images"):
        assert text in page.text
    assert "makes no pseudo-labels" not in page.text
    assert "Mittal" in page.text or "Hung" in page.text


def test_before_self_training_begins_there_is_a_chart_of_the_discriminator(
    tmp_path, write_run, page_of
):
    run = write_run(tmp_path / "run", method="advsemiseg")
    append(
        run,
        [{"selected_share": None, "fooled_share": 0.5, "recognized_share": 0.6}],
        {"segmentation": 1.0},
    )
    assert "segmentations taken for real" in page_of(run).text


@pytest.mark.parametrize("method", ["supervised", "ecs"])
def test_methods_without_a_discriminator_have_none(tmp_path, method, write_run, page_of):
    page = page_of(write_run(tmp_path / "run", method=method))
    assert "What does the discriminator let through?" not in page.text
