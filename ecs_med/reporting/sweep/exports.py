"""Writes the figures and tables of a budget report for papers and for other programs."""

import re
from collections.abc import Sequence
from pathlib import Path

from ecs_med.files import make_folder, write_bytes, write_text
from ecs_med.reporting.plots import Drawing
from ecs_med.reporting.sweep.grid import BASELINE, Budget, Grid, short_name
from ecs_med.reporting.sweep.statistics import CellScore, Statistics
from ecs_med.reporting.table import PrintedTable, Table
from ecs_med.reporting.text import NOTHING

__all__ = ["paper_caption", "paper_table", "write_figures", "write_tables"]

SIGNIFICANT = 0.05
_OWN_FIGURE = re.compile(
    r"(score-curve|gain|forecast|pseudo-labels|corrector|classes-[\w.-]+)\.(svg|png)"
)


def write_figures(folder: Path, drawings: Sequence[Drawing]) -> None:
    """Write every figure as SVG and PNG, and remove those of an earlier report.

    Args:
        folder: Made where it is missing.
        drawings: The figures.

    Raises:
        RunFolderError: If the folder cannot be written.
    """
    make_folder(folder)
    written = set()
    for drawing in drawings:
        write_text(folder / f"{drawing.name}.svg", drawing.svg)
        write_bytes(folder / f"{drawing.name}.png", drawing.png)
        written |= {f"{drawing.name}.svg", f"{drawing.name}.png"}
    for path in folder.iterdir():
        # A forecast of yesterday's runs must not lie beside today's refusal to give one.
        if _OWN_FIGURE.fullmatch(path.name) and path.name not in written:
            path.unlink(missing_ok=True)


def write_tables(folder: Path, tables: Sequence[Table], grid: Grid, found: Statistics) -> None:
    """Write every table as CSV and JSON, and the table for a paper as LaTeX and Markdown.

    Args:
        folder: Made where it is missing.
        tables: The tables; files hold all digits.
        grid: Finished runs.
        found: Their statistics.

    Raises:
        RunFolderError: If the folder cannot be written.
    """
    make_folder(folder)
    for table in tables:
        table.write(folder)
    paper, caption = paper_table(grid, found), paper_caption(grid)
    write_text(folder / "paper.tex", paper.to_latex(caption))
    write_text(folder / "paper.md", f"{paper.to_markdown()}\n{caption}\n")


def paper_table(grid: Grid, found: Statistics) -> PrintedTable:
    """The table of a paper: methods are rows, budgets columns.

    A cell is mean and standard deviation over seeds in percent. The best mean of a budget is bold
    only where the corrected p-value of its difference from supervised training is below 0.05.
    """
    rows, bold = [], set()
    for row, method in enumerate(grid.methods):
        cells = [short_name(method)]
        for column, budget in enumerate(grid.budgets, start=1):
            cells.append(_cell(found.score(method, budget)))
            if _is_bold(grid, found, method, budget):
                bold.add((row, column))
        rows.append(tuple(cells))
    return PrintedTable(
        headings=("Method", *(f"{budget.name} ({budget.num_labeled})" for budget in grid.budgets)),
        rows=tuple(rows),
        align="l" + "c" * len(grid.budgets),
        bold=frozenset(bold),
    )


def paper_caption(grid: Grid) -> str:
    """What the table of a paper shows."""
    num_seeds = len(grid.seeds)
    over = "one seed" if num_seeds == 1 else f"up to {num_seeds} seeds"
    spread = "" if num_seeds == 1 else " and standard deviation"
    return (
        f"mIoU in % on the test set of {grid.title}: mean{spread} over {over}, by labelled budget "
        f"(number of labelled {grid.unit}s). Bold: best, where it differs from supervised training "
        f"with p < {SIGNIFICANT} (paired t-test, Holm-corrected)."
    )


def _cell(score: CellScore | None) -> str:
    if score is None:
        return NOTHING
    mean, deviation = score.seeds.mean, score.seeds.sd
    return f"{100 * mean:.1f}" + ("" if deviation is None else f" ± {100 * deviation:.1f}")


def _is_bold(grid: Grid, found: Statistics, method: str, budget: Budget) -> bool:
    means = {
        name: score.seeds.mean for name in grid.methods if (score := found.score(name, budget))
    }
    if len(means) < 2 or max(means, key=lambda name: means[name]) != method:
        return False
    rivals = [name for name in means if name != BASELINE] if method == BASELINE else [method]
    gains = [found.gain(name, budget) for name in rivals]
    return all(
        gain is not None and gain.corrected is not None and gain.corrected < SIGNIFICANT
        for gain in gains
    )
