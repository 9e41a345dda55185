"""Builds `budget.html`, the report on what labels buy, from a set of run folders."""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.files import write_text
from ecs_med.reporting.html import rendered_page
from ecs_med.reporting.plots import Drawing
from ecs_med.reporting.sweep import protocol
from ecs_med.reporting.sweep.answers import (
    fitted,
    forecast_sentences,
    forecast_table,
    saved_table,
    savings_sentences,
)
from ecs_med.reporting.sweep.charts import forecast_chart, gain_chart, score_chart
from ecs_med.reporting.sweep.checks import check_comparable
from ecs_med.reporting.sweep.cost import cost_sentence, cost_table
from ecs_med.reporting.sweep.exports import write_figures, write_tables
from ecs_med.reporting.sweep.gallery import sample_gallery
from ecs_med.reporting.sweep.grid import Grid, arrange, short_name
from ecs_med.reporting.sweep.health import (
    BudgetHealth,
    health_charts,
    health_reading,
    health_table,
    read_health,
)
from ecs_med.reporting.sweep.heatmaps import class_maps
from ecs_med.reporting.sweep.runs import Failure, read_runs
from ecs_med.reporting.sweep.statistics import Statistics, compute_statistics
from ecs_med.reporting.sweep.tables import (
    class_table,
    failure_table,
    gain_table,
    run_table,
    score_table,
)
from ecs_med.reporting.sweep.verdict import key_figures, main_method, verdict
from ecs_med.reporting.table import Table
from ecs_med.reporting.text import plural

__all__ = ["write_budget_report"]

REPORT_NAME = "budget.html"


def write_budget_report(
    out: Path,
    runs: Sequence[Path],
    *,
    failures: Sequence[Failure] = (),
    minutes_per_label: float | None = None,
    cost_per_hour: float | None = None,
    allow: Collection[str] = (),
) -> Path:
    """Write `budget.html`, self-contained and readable offline, with its figures and tables.

    Figures lie beside it in `figures/` as SVG and PNG, tables in `tables/` as CSV and JSON, the
    table for a paper as LaTeX and Markdown. The same run folders give the same bytes.

    Args:
        out: Folder to write into, made where it is missing.
        runs: Run folders. Those without a score are shown as such and never averaged.
        failures: Name of a run without a score and the reason, for runs not among `runs`.
        minutes_per_label: Minutes of an expert for one label, above 0.
        cost_per_hour: Price of an expert's hour in any currency, above 0; needs the minutes.
        allow: Differences to accept: `data`, `split`, `protocol`.

    Returns:
        Path of `budget.html`.

    Raises:
        RunFolderError: If no run has a score, runs are not comparable, a folder is no run, or
            `out` cannot be written.
        SettingsError: If a number is not above 0, a cost has no minutes, or `allow` names
            something else.
    """
    _check_prices(minutes_per_label, cost_per_hour)
    finished, unfinished = read_runs(runs)
    failed = dict([*unfinished, *failures])
    if not finished:
        named = ", ".join(sorted(failed)[:3]) or "none given"
        raise RunFolderError(
            f"{out}: there is nothing to report, since no run has a score yet ({named}); finish a "
            "run first."
        )
    allowed = check_comparable(finished, allow)
    report = _Report(arrange(finished), minutes_per_label, cost_per_hour)
    tables = [*report.tables.values(), failure_table(sorted(failed.items()))]
    write_tables(out / "tables", tables, report.grid, report.found)
    write_figures(out / "figures", report.all_drawings())
    page = _render(
        report.context() | {"failures": sorted(failed.items()), "allowed": allowed},
    )
    # A lone surrogate from an undecodable file name cannot be written as UTF-8.
    write_text(out / REPORT_NAME, page.encode("utf-8", errors="replace").decode("utf-8"))
    return out / REPORT_NAME


def _check_prices(minutes_per_label: float | None, cost_per_hour: float | None) -> None:
    for name, value in (("minutes per label", minutes_per_label), ("cost per hour", cost_per_hour)):
        if value is not None and not 0 < value < float("inf"):
            raise SettingsError(f"{name}: {value:g} is not above 0; give a number above 0.")
    if cost_per_hour is not None and minutes_per_label is None:
        raise SettingsError(
            "cost per hour: money is counted by the hour; give the minutes per label too."
        )


def _render(context: Mapping[str, Any]) -> str:
    page = rendered_page("budget.html.j2", styles=("report.css", "budget.css"), **context)
    # A line must not begin with a percent sign that has lost its number.
    return re.sub(r"(?<=\d) %(?=[\s<.,;)])", "\u00a0%", page)


class _Report:
    """Statistics, drawings and tables of a report, each made once.

    Args:
        grid: Finished runs.
        minutes_per_label: As for `write_budget_report`.
        cost_per_hour: As for `write_budget_report`.
    """

    def __init__(
        self, grid: Grid, minutes_per_label: float | None, cost_per_hour: float | None
    ) -> None:
        self.grid = grid
        self.found: Statistics = compute_statistics(grid)
        self.health: list[BudgetHealth] = read_health(grid)
        self.minutes_per_label = minutes_per_label
        self.cost_per_hour = cost_per_hour
        self.tables: dict[str, Table] = {
            "scores": score_table(grid, self.found),
            "gains": gain_table(self.found.gains),
            "classes": class_table(grid),
            "forecast": forecast_table(grid, self.found),
            "saved": saved_table(
                self.found, minutes_per_label=minutes_per_label, cost_per_hour=cost_per_hour
            ),
            "health": health_table(self.health),
            "cost": cost_table(grid),
            "runs": run_table(grid),
        }
        self.drawings: dict[str, Drawing | None] = {
            "score": score_chart(grid, self.found),
            "gain": gain_chart(grid, self.found.gains),
            "forecast": forecast_chart(grid, fitted(self.found.forecasts)),
        }
        self.class_maps = class_maps(grid)
        self.health_charts = health_charts(self.health, grid.unit)

    def all_drawings(self) -> list[Drawing]:
        """Every figure."""
        single = [drawing for drawing in self.drawings.values() if drawing is not None]
        return [*single, *self.class_maps, *self.health_charts]

    def context(self) -> dict[str, Any]:
        """What the template shows, apart from failures and allowed differences."""
        grid, found = self.grid, self.found
        savings = savings_sentences(
            grid,
            found,
            minutes_per_label=self.minutes_per_label,
            cost_per_hour=self.cost_per_hour,
        )
        main = main_method(grid)
        return {
            "grid": grid,
            "subtitle": self._subtitle(),
            "verdict": verdict(grid, found),
            "saving": savings[main][0] if main in savings else "",
            "tiles": key_figures(grid, found),
            "notes": found.notes,
            "one_seed": len(grid.seeds) == 1,
            "tables": self.tables,
            "drawings": self.drawings | {"classes": self.class_maps, "health": self.health_charts},
            "forecast": forecast_sentences(grid, found),
            "savings": [sentence for told in savings.values() for sentence in told],
            "gallery": sample_gallery(grid),
            "health": health_reading(self.health, grid.unit),
            "cost": cost_sentence(grid),
            "data": protocol.data_facts(grid),
            "settings": protocol.setting_facts(grid),
            "machine": protocol.machine_facts(grid),
            "warnings": protocol.counted_warnings(grid),
            "minutes_per_label": self.minutes_per_label,
            "cost_per_hour": self.cost_per_hour,
        }

    def _subtitle(self) -> str:
        grid = self.grid
        last = max(str(run.manifest.get("finished") or "") for run in grid.all_runs)
        parts = [
            " and ".join(map(short_name, grid.methods)),
            plural(len(grid.budgets), "budget"),
            plural(len(grid.seeds), "seed"),
            *([f"finished {last[:16].replace('T', ' ')}"] if last else []),
        ]
        return " · ".join(parts)
