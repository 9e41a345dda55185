"""Tables for papers and programs, and the sentences beside them, on hand-made numbers."""

import json
import re

import numpy as np
import pytest
from scipy import stats
from sweep_folders import METHODS, SweepSpec, write_sweep

from ecs_med.reporting.sweep.class_maps import class_differences
from ecs_med.reporting.sweep.findings import verdict
from ecs_med.reporting.sweep.grid import arrange
from ecs_med.reporting.sweep.runs import read_runs
from ecs_med.reporting.sweep.statistics import compute_statistics
from ecs_med.reporting.sweep.tables import paper_table
from ecs_med.reporting.table import Column, PrintedTable, Table, interval
from ecs_med.reporting.text import points

SUPERVISED, ECS = METHODS["supervised"], METHODS["ecs"]


def grid_of(folder, **values):
    spec = SweepSpec(budgets=("1/16", "1/4"), num_samples=0, num_test=6, **values)
    return arrange(read_runs(write_sweep(folder, spec))[0])


@pytest.fixture(scope="module")
def clear(tmp_path_factory):
    """A gain that is large against its spread."""
    return grid_of(tmp_path_factory.mktemp("clear"), gain=0.08, noise=0.001)


@pytest.fixture(scope="module")
def chance(tmp_path_factory):
    """No gain at all."""
    return grid_of(tmp_path_factory.mktemp("chance"), gain=0.0, noise=0.01)


def markdown_table(grid, found):
    return paper_table(grid, found).to_markdown()


def latex_table(grid, found):
    return paper_table(grid, found).to_latex("What it shows.")


def test_bold_only_where_the_test_says_so(clear, chance):
    bold = [line for line in markdown_table(clear, compute_statistics(clear)).splitlines()]
    assert bold[3].startswith("| ECS | **")
    assert "**" not in bold[2]
    assert "**" not in markdown_table(chance, compute_statistics(chance))
    assert r"\mathbf" in latex_table(clear, compute_statistics(clear))
    assert r"\mathbf" not in latex_table(chance, compute_statistics(chance))


def test_cells_are_mean_and_deviation_in_percent(clear):
    budget = clear.budgets[0]
    values = [100 * run.miou for run in clear.runs(SUPERVISED, budget)]
    cell = f"{np.mean(values):.1f} ± {np.std(values, ddof=1):.1f}"
    assert cell in markdown_table(clear, compute_statistics(clear))
    assert cell.replace("±", r"\pm") in latex_table(clear, compute_statistics(clear))


def test_latex_is_whole(clear):
    text = latex_table(clear, compute_statistics(clear))
    assert re.findall(r"\\(\w+rule)", text) == ["toprule", "midrule", "bottomrule"]
    rows = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert {line.count("&") for line in rows} == {2}
    assert text.count("{tabular}") == 2


def test_p_values_are_those_of_scipy_and_corrected_by_holm(clear):
    found = compute_statistics(clear)
    expected = [
        stats.ttest_rel(
            [run.miou for run in clear.runs(ECS, budget)],
            [run.miou for run in clear.runs(SUPERVISED, budget)],
        ).pvalue
        for budget in clear.budgets
    ]
    assert [gain.seeds.p_value for gain in found.gains] == pytest.approx(expected)
    low, high = sorted(expected)
    assert sorted(gain.corrected for gain in found.gains) == pytest.approx(
        [2 * low, max(2 * low, high)]
    )


def test_the_verdict_says_plainly_what_is_not_shown(clear, chance):
    shown = verdict(clear, compute_statistics(clear))
    assert shown.startswith("With 50 labelled images, ECS scores")
    assert "above supervised training" in shown
    assert "do not show" not in shown
    assert "the data do not show that ECS differs" in verdict(chance, compute_statistics(chance))


def test_class_differences_are_paired(clear):
    budget = clear.budgets[1]
    expected = np.mean(
        [
            100 * (a.iou_of(1) - b.iou_of(1))
            for a, b in zip(clear.runs(ECS, budget), clear.runs(SUPERVISED, budget), strict=True)
        ]
    )
    assert class_differences(clear, ECS)[1, 1] == pytest.approx(expected)


def test_an_interval_shares_a_cell_on_the_page():
    columns = (Column("a", "A"), *interval("low", "high", "95 %", "score"))
    rows = ({"a": "x", "low": 0.1, "high": 0.25}, {"a": "y", "low": None, "high": 0.2})
    shown = Table("t", "T", columns, rows).printed()
    assert shown.headings == ("A", "95 %")
    assert shown.rows[0] == ("x", "0.100 to 0.250")
    assert "to" not in shown.rows[1][1]
    assert shown.align == "ll"


HOSTILE = PrintedTable(
    ("Method", "a|b", "50 %"),
    (("x_1 & {y}\\", "1.2 ± 0.3", "–"), ("λ ~ 2\nrows", "-0.4", "720 of 800")),  # noqa: RUF001
    bold=frozenset({(0, 1), (1, 2)}),
)


def test_markdown_keeps_its_columns_whatever_is_in_a_cell():
    assert HOSTILE.to_markdown() == (
        "| Method | a\\|b | 50 % |\n"
        "| --- | ---: | ---: |\n"
        "| x\\_1 &amp; {y}\\\\ | **1.2 ± 0.3** | – |\n"  # noqa: RUF001
        "| λ \\~ 2 rows | -0.4 | **720 of 800** |\n"
    )


def test_latex_escapes_text_and_sets_numbers_as_formulas():
    assert HOSTILE.to_latex("50 %\nof all").splitlines() == [
        "% 50 % of all",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"Method & a\textbar{}b & 50 \% \\",
        r"\midrule",
        r"x\_1 \& \{y\}\textbackslash{} & $\mathbf{1.2 \pm 0.3}$ & -- \\",
        r"$\lambda$ \textasciitilde{} 2 rows & $-0.4$ & \textbf{720 of 800} \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_files_hold_all_digits(tmp_path):
    columns = (Column("a", "A"), Column("b"))
    Table("t", "T", columns, ({"a": 1 / 3, "b": "x,y"}, {"a": None, "c": 5})).write(tmp_path)
    assert (tmp_path / "t.csv").read_text() == 'a,b\n0.3333333333333333,"x,y"\n,\n'
    assert json.loads((tmp_path / "t.json").read_text()) == {
        "title": "T",
        "rows": [{"a": 1 / 3, "b": "x,y"}, {"a": None, "b": None}],
    }


@pytest.mark.parametrize(
    ("value", "text"), [(0.0234, "+2.3"), (-0.01, "-1.0"), (0.0001, "0.0"), (-0.0001, "0.0")]
)
def test_points(value, text):
    assert points(value) == text
