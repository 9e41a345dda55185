"""Builds `budget.html`, the report on what labels buy, from a set of run folders."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from ecs_med.errors import RunFolderError
from ecs_med.files import RESULT_REMEDY, make_folder, write_bytes, write_text, written_together
from ecs_med.reporting.html import rendered_page
from ecs_med.reporting.plots import Drawing
from ecs_med.reporting.sweep import answers, findings, tables
from ecs_med.reporting.sweep.charts import forecast_chart, gain_chart, score_chart
from ecs_med.reporting.sweep.checks import check_comparable
from ecs_med.reporting.sweep.class_maps import class_maps
from ecs_med.reporting.sweep.gallery import sample_gallery
from ecs_med.reporting.sweep.grid import Grid, arrange
from ecs_med.reporting.sweep.health import (
    CellHealth,
    health_charts,
    health_reading,
    health_table,
    read_health,
)
from ecs_med.reporting.sweep.hours import (
    draft_effort,
    hour_sentences,
    hour_table,
    priced_forms,
)
from ecs_med.reporting.sweep.pooling import pool_folds
from ecs_med.reporting.sweep.prices import Prices
from ecs_med.reporting.sweep.runs import Unfinished, read_runs
from ecs_med.reporting.sweep.series import by_draw
from ecs_med.reporting.sweep.statistics import Statistics, compute_statistics
from ecs_med.reporting.table import Table, markdown_text
from ecs_med.reporting.text import minute, plural
from ecs_med.runs import SweepFolder
from ecs_med.runs.outputs import mark_files, own_outputs

__all__ = ["write_budget_report"]

_OWN_FIGURE = re.compile(
    r"(score-curve|gain|forecast|pseudo-labels|corrector|classes-[\w.+-]+)\.(svg|png)"
)


def write_budget_report(
    output: Path,
    runs: Sequence[Path],
    *,
    failures: Sequence[Unfinished] = (),
    minutes_per_label: str | float | Mapping[str, float] | None = None,
    cost_per_hour: float | None = None,
    allow: Collection[str] = (),
) -> Path:
    """Write `budget.html`, self-contained and readable offline, with its figures and tables.

    Figures lie beside it in `figures/` as SVG and PNG, tables in `tables/` as CSV and JSON, the
    table for a paper as LaTeX and Markdown. The same run folders give the same bytes.

    Args:
        output: Folder to write into, made where it is missing.
        runs: Run folders. Those without a score are shown as such and never averaged.
        failures: Name of a run without a score and the reason, for runs not among `runs`.
        minutes_per_label: Minutes of an expert for one label, above 0; or by form of annotation,
            as a mapping or as `outline=6,draft=2,slice=1.5,scribble=0.5`.
        cost_per_hour: Price of an expert's hour in any currency, above 0; needs the minutes.
        allow: Differences to accept: `data`, `split`, `protocol`.

    Raises:
        RunFolderError: If no run has a score, runs are not comparable, a folder is no run, or
            `output` cannot be written.
        SettingsError: If a number is not above 0, a form of annotation is not known, a cost has no
            minutes, or `allow` names something else.
    """
    prices = Prices.read(minutes_per_label, cost_per_hour)
    found_runs, unfinished = read_runs(runs)
    finished, of_folds = pool_folds(found_runs)
    finished = by_draw(finished)
    unfinished += of_folds
    failed = sorted({**dict(unfinished), **dict(failures)}.items())
    if not finished:
        named = ", ".join(name for name, _ in failed[:3]) or "none given"
        raise RunFolderError(
            f"{output}: there is nothing to report, since no run has a score yet ({named}); finish "
            "a run first."
        )
    allowed = check_comparable(finished, allow)
    grid = arrange(finished)
    found, health = compute_statistics(grid), read_health(grid)
    draft = draft_effort(grid, found) if prices.minutes else None
    forms = priced_forms(grid, prices, draft)
    shown = {
        **_tables(grid, found, health, prices),
        "hours": hour_table(grid, found, forms),
    }
    drawings = _drawings(grid, found, health)
    savings = answers.savings_sentences(grid, found, prices)
    page = rendered_page(
        "budget.html.j2",
        package=__package__,
        styles=["budget.css"],
        grid=grid,
        subtitle=_subtitle(grid),
        verdict=findings.verdict(grid, found),
        saving=savings[grid.main][0] if grid.main in savings else "",
        tiles=findings.key_figures(grid, found),
        notes=found.notes,
        tables=shown,
        drawings=drawings,
        forecast=answers.forecast_sentences(grid, found),
        resolution=findings.resolution_sentence(grid, found),
        hours=hour_sentences(grid, found, forms, draft),
        savings=[sentence for sentences in savings.values() for sentence in sentences],
        gallery=sample_gallery(grid),
        health=health_reading(health, grid.unit),
        cost=findings.cost_sentence(grid),
        data=findings.data_facts(grid),
        settings=findings.setting_facts(grid),
        machine=findings.machine_facts(grid),
        warnings=findings.counted_warnings(grid),
        minutes=prices.minutes_per_label(grid.unit),
        cost_per_hour=prices.cost_per_hour,
        failures=failed,
        allowed=allowed,
    )
    # A line must not begin with a percent sign that has lost its number.
    page = re.sub(r"(?<=\d) %(?=[\s<.,;)])", "\u00a0%", page)
    folder = SweepFolder(output)
    folder.create()
    drawn = [drawing for part in drawings.values() for drawing in part]
    # An earlier report stays whole until every part of the new one is there.
    with written_together():
        _write_tables(output / "tables", [*shown.values(), tables.failure_table(failed)])
        _write_paper(output / "tables", grid, found)
        figures = _write_figures(output / "figures", drawn)
        write_text(folder.report_file, page, remedy=RESULT_REMEDY)
    _remove_stale(output / "figures", figures)
    if not own_outputs(output).whole:
        mark_files([*figures, folder.report_file])
    return folder.report_file


def _tables(
    grid: Grid, found: Statistics, health: Sequence[CellHealth], prices: Prices
) -> dict[str, Table]:
    """Tables by their name in the template."""
    return {
        "scores": tables.score_table(grid, found),
        "gains": tables.gain_table(found.gains),
        "classes": tables.class_table(grid),
        "forecast": answers.forecast_table(grid, found),
        "saved": answers.saved_table(grid, found, prices),
        "health": health_table(health),
        "cost": tables.cost_table(grid),
        "runs": tables.run_table(grid),
    }


def _drawings(
    grid: Grid, found: Statistics, health: Sequence[CellHealth]
) -> dict[str, list[Drawing]]:
    """Figures by the section that shows them."""
    gain, forecast = gain_chart(grid, found.gains), forecast_chart(grid, found)
    return {
        "scores": [score_chart(grid, found), *([gain] if gain else [])],
        "classes": class_maps(grid),
        "forecast": [forecast] if forecast else [],
        "health": health_charts(health, grid.unit),
    }


def _subtitle(grid: Grid) -> str:
    last = max(run.manifest.finished for run in grid.all_runs)
    methods = " and ".join(method.short_name for method in grid.methods)
    sizes = plural(len(grid.budgets), "budget"), plural(len(grid.seeds), "seed")
    return " · ".join((methods, *sizes, f"finished {minute(last)}"))


def _write_figures(folder: Path, drawings: Sequence[Drawing]) -> list[Path]:
    """Write every figure as SVG and PNG, and say where."""
    make_folder(folder)
    written = []
    for drawing in drawings:
        svg, png = (folder / f"{drawing.name}.{suffix}" for suffix in ("svg", "png"))
        write_text(svg, drawing.svg, remedy=RESULT_REMEDY)
        write_bytes(png, drawing.png, remedy=RESULT_REMEDY)
        written += [svg, png]
    return written


def _remove_stale(folder: Path, figures: Sequence[Path]) -> None:
    """A forecast of yesterday's runs must not lie beside today's refusal to give one."""
    for path in folder.iterdir():
        if _OWN_FIGURE.fullmatch(path.name) and path not in figures:
            path.unlink(missing_ok=True)


def _write_tables(folder: Path, shown: Sequence[Table]) -> None:
    """Write every table as CSV and JSON."""
    make_folder(folder)
    for table in shown:
        table.write(folder)


def _write_paper(folder: Path, grid: Grid, found: Statistics) -> None:
    """Write the table for a paper as LaTeX and Markdown."""
    paper, caption = tables.paper_table(grid, found), tables.paper_caption(grid)
    write_text(folder / "paper.tex", paper.to_latex(caption), remedy=RESULT_REMEDY)
    markdown = f"{paper.to_markdown()}\n{markdown_text(caption)}\n"
    write_text(folder / "paper.md", markdown, remedy=RESULT_REMEDY)
