"""A discriminator's training signals in the report of a run without a corrector."""

import pytest
from sweep_folders import METHODS

from ecs_med.reporting.run.report import write_report


@pytest.fixture
def page_of(read_page):
    return lambda run: read_page(write_report(run).read_text(encoding="utf-8"))


def test_the_selected_share_is_drawn(tmp_path, log, write_run, page_of):
    run = write_run(tmp_path / "run", method="s4gan")
    names = ("segmentation", "matching", "self_training", "discrimination", "presence")
    for index, value in enumerate((None, 0.1, 0.4)):
        signals = {"selected_share": value, "fooled_share": 0.5}
        log(run, 1010 + 10 * index, dict.fromkeys((*names, "consistency"), 1.0), signals=signals)
    page = page_of(run)
    for text in ("What does the discriminator let through?", "unlabelled data selected"):
        assert text in page.text
    assert "unlabelled data selected: from 0.100 to 0.400" in (run / "report.html").read_text()
    # Six losses, each with its own line.
    for text in ("features of real and found", "classifier and teacher, unlabelled images"):
        assert text in page.text
    assert "makes no pseudo-labels" not in page.text
    assert METHODS["s4gan"].title in page.text


def test_before_self_training_begins_there_is_a_chart_of_the_discriminator(
    tmp_path, log, write_run, page_of
):
    run = write_run(tmp_path / "run", method="s4gan")
    signals = {"selected_share": None, "fooled_share": 0.5, "recognized_share": 0.6}
    log(run, 1010, {"segmentation": 1.0}, signals=signals)
    assert "segmentations taken for real" in page_of(run).text


@pytest.mark.parametrize("method", ["supervised", "ecs"])
def test_methods_without_a_discriminator_have_none(tmp_path, method, write_run, page_of):
    page = page_of(write_run(tmp_path / "run", method=method))
    assert "What does the discriminator let through?" not in page.text
