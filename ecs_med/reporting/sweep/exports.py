"""Writes the figures and tables of a budget report for papers and for other programs."""

import csv
import functools
import io
import re
from collections.abc import Sequence
from pathlib import Path

from ecs_med.errors import RunFolderError
from ecs_med.files import write_atomically, write_json, write_text
from ecs_med.reporting.plots import Drawing
from ecs_med.reporting.sweep.grid import BASELINE, Budget, Grid, short_name
from ecs_med.reporting.sweep.statistics import Statistics
from ecs_med.reporting.table import Table

__all__ = ["latex_table", "markdown_table", "write_figures", "write_tables"]

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
    _make(folder)
    written = set()
    for drawing in drawings:
        write_text(folder / f"{drawing.name}.svg", drawing.svg)
        pixels = functools.partial(_write_bytes, drawing.png)
        write_atomically(folder / f"{drawing.name}.png", pixels)
        written |= {f"{drawing.name}.svg", f"{drawing.name}.png"}
    for path in folder.iterdir():
        # A forecast of yesterday's runs must not lie beside today's refusal to give one.
        if _OWN_FIGURE.fullmatch(path.name) and path.name not in written:
            path.unlink(missing_ok=True)


def _write_bytes(content: bytes, path: Path) -> None:
    path.write_bytes(content)


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
    _make(folder)
    for table in tables:
        keys = [column.key for column in table.columns]
        rows = [{key: row.get(key) for key in keys} for row in table.rows]
        text = io.StringIO()
        writer = csv.DictWriter(text, keys, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(folder / f"{table.name}.csv", text.getvalue())
        write_json(folder / f"{table.name}.json", {"title": table.title, "rows": rows})
    write_text(folder / "paper.tex", latex_table(grid, found))
    write_text(folder / "paper.md", markdown_table(grid, found))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(
            f"{folder}: cannot be made ({error.strerror}); choose another folder with -o."
        ) from error


def latex_table(grid: Grid, found: Statistics) -> str:
    """The table of a paper for LaTeX with the package booktabs.

    Methods are rows and budgets columns; a cell is mean and standard deviation over seeds in
    percent. The best mean of a budget is bold only where the corrected p-value of its difference
    from supervised training is below 0.05.
    """
    header = [
        rf"{_latex(budget.name)} ({budget.num_labeled})"
        if budget.share
        else str(budget.num_labeled)
        for budget in grid.budgets
    ]
    lines = [
        "% " + _caption(grid),
        rf"\begin{{tabular}}{{l{'c' * len(grid.budgets)}}}",
        r"\toprule",
        " & ".join(["Method", *header]) + r" \\",
        r"\midrule",
    ]
    for method in grid.methods:
        cells = [
            rf"$\mathbf{{{text}}}$" if bold else (f"${text}$" if text else "--")
            for text, bold in _cells(grid, found, method, r"{:.1f} \pm {:.1f}")
        ]
        lines.append(" & ".join([_latex(short_name(method)), *cells]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def markdown_table(grid: Grid, found: Statistics) -> str:
    """The same as `latex_table` in Markdown, with its caption."""
    header = [f"{budget.name} ({budget.num_labeled})" for budget in grid.budgets]
    lines = [
        _row(["Method", *header]),
        _row(["---", *(["---:"] * len(header))]),
    ]
    for method in grid.methods:
        cells = [
            f"**{text}**" if bold else text or "–"  # noqa: RUF001 - no value
            for text, bold in _cells(grid, found, method, "{:.1f} ± {:.1f}")
        ]
        lines.append(_row([short_name(method).replace("|", r"\|"), *cells]))
    return "\n".join([*lines, "", _caption(grid)]) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _caption(grid: Grid) -> str:
    num_seeds = len(grid.seeds)
    over = "one seed" if num_seeds == 1 else f"up to {num_seeds} seeds"
    spread = "" if num_seeds == 1 else " and standard deviation"
    return (
        f"mIoU in % on the test set of {grid.title}: mean{spread} over {over}, by labelled budget "
        f"(number of labelled {grid.unit}s). Bold: best, where it differs from supervised training "
        f"with p < {SIGNIFICANT} (paired t-test, Holm-corrected)."
    )


def _cells(grid: Grid, found: Statistics, method: str, form: str) -> list[tuple[str, bool]]:
    """Text of a method's cells, empty where there is no run, and whether each is bold."""
    cells = []
    for budget in grid.budgets:
        score = found.score(method, budget)
        if score is None:
            cells.append(("", False))
            continue
        mean, deviation = score.seeds.mean, score.seeds.sd
        text = (
            f"{100 * mean:.1f}" if deviation is None else form.format(100 * mean, 100 * deviation)
        )
        cells.append((text, _is_bold(grid, found, method, budget)))
    return cells


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


def _latex(text: str) -> str:
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    escaped = {char: rf"\{char}" for char in "&%$#_{}"}
    return "".join((special | escaped).get(char, char) for char in text)
