"""`ecs-med budget`: what the next annotated image buys, from runs over budgets and seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from rich.table import Table

from ecs_med.errors import TrainingInterrupted
from ecs_med_cli import options
from ecs_med_cli.commands.train import build_config
from ecs_med_cli.console import plain_table
from ecs_med_cli.declaration import Given, with_options
from ecs_med_cli.lean import LEAN_TRAINING, sparing_imports

if TYPE_CHECKING:
    from ecs_med.sweep.budget import BudgetSweep
    from ecs_med.sweep.plan import Cell
    from ecs_med.sweep.sweep import SweepRequest, SweepResult
    from ecs_med_cli.sweep_console import SweepConsole

__all__ = ["budget", "budget_request", "outcome_rows", "outcome_table"]

GRID = (
    options.DATA,
    options.BUDGETS,
    options.METHODS,
    options.SEEDS,
    options.FOLDS.but("Cross-validation: a run for each of so many folds of all masks."),
    options.DRAW.but(
        "How labels are chosen; several, such as random,doubt, are compared: random, foreground, "
        "stratified, or a rule of `suggest` (coldstart, entropy, doubt, clasp)."
    ),
    options.OUTPUT.but("Folder of the sweep; else sweeps/<data>.", options.OUT),
)


@with_options(
    grid=GRID,
    place=options.PLACE,
    settings=(*options.UNIT, options.EXCLUDE, *options.TRAINING),
)
def budget(
    *,
    grid: Given,
    place: Given,
    dry_run: Annotated[bool, options.DRY_RUN.info()] = False,
    minutes_per_label: Annotated[str | None, options.MINUTES_PER_LABEL.info()] = None,
    cost_per_hour: Annotated[float | None, options.COST_PER_HOUR.info()] = None,
    settings: Given,
    config: Annotated[Path | None, options.CONFIG.info()] = None,
    as_json: Annotated[bool, options.JSON.info()] = False,
) -> None:
    """Train at several budgets and report what labels buy.

    Every method at every budget and seed is an ordinary run. Started again, only what is
    missing is done; ends with a report.
    """
    with sparing_imports():
        from ecs_med.reporting.sweep.prices import Prices
        from ecs_med.runs.lock import hold_folder
        from ecs_med.sweep.budget import plan_budget
        from ecs_med.sweep.executors import ExecutorOptions
        from ecs_med.sweep.sweep import write_plan
        from ecs_med_cli.sweep_console import SweepConsole

    # Refused now, not by the report after hours of training.
    Prices.read(minutes_per_label, cost_per_hour)
    console = SweepConsole(as_json=as_json)
    with console.only_json():
        asked = budget_request(grid, settings, config)
        with console.bar("examining the data") as moved:
            sweep = plan_budget(
                asked,
                ExecutorOptions(**place, preload=LEAN_TRAINING),
                starts_soon=not dry_run,
                progress=moved,
            )
    if "1" in grid.get("budgets", "").replace(" ", "").split(","):
        console.say("Budget 1 means all labels; one labelled case cannot be asked for here.")
    for sentence in (*sweep.notes, *(f"Warning: {warning}" for warning in sweep.warnings)):
        console.say(sentence)
    if dry_run:
        console.plan(str(sweep.out), sweep.cells, sweep.num_labeled, sweep.executor)
        return
    with hold_folder(sweep.out):
        write_plan(sweep.config, sweep.cells)
        _run_and_report(console, sweep, minutes_per_label, cost_per_hour)


def _run_and_report(
    console: "SweepConsole",
    sweep: "BudgetSweep",
    minutes_per_label: str | None,
    cost_per_hour: float | None,
) -> None:
    result = console.run(sweep.cells, sweep.executor)
    if result.exit_code == TrainingInterrupted.exit_code:
        _tell(console, sweep, result, None)
    again = f", or `ecs-med budget -o {sweep.out}`"
    console.raise_if_stopped(result, sweep.cells, again)
    report = None
    if result.done:
        from ecs_med.reporting.sweep.report import write_budget_report

        with console.only_json():
            report = write_budget_report(
                sweep.out,
                runs=result.done,
                failures=result.failures,
                minutes_per_label=minutes_per_label,
                cost_per_hour=cost_per_hour,
            )
    _tell(console, sweep, result, report)
    console.raise_if_failed(result, sweep.cells)


def budget_request(
    grid: Mapping[str, Any], settings: Mapping[str, Any], config_file: Path | None
) -> "SweepRequest":
    """What was given of a sweep; its data may be those of the sweep that is there.

    Args:
        grid: What was typed of `GRID`.
        settings: Settings of every run as given.
        config_file: Settings that `settings` override.

    Raises:
        EcsMedError: If an option is wrong.
    """
    from ecs_med.sweep.sweep import read_plan

    axes = dict(grid)
    data, out = axes.pop("data", None), axes.pop("output", None)
    if (draws := axes.pop("draw", None)) is not None:
        if draws in ("random", "foreground", "stratified"):
            settings = {**settings, "draw": draws}
        else:
            axes["draws"] = draws
    if data is None and config_file is None and out is not None:
        stored = read_plan(out)
        data = stored.data if stored else None
    config = build_config({**settings, "data": data}, config_file=config_file)
    shared = config.model_dump(mode="json", exclude_unset=True, exclude={"data"})
    if out is not None:
        axes["out"] = out
    return {"data": config.data, "settings": shared, **axes}


def _tell(
    console: "SweepConsole", sweep: "BudgetSweep", result: "SweepResult", report: Path | None
) -> None:
    rows = outcome_rows(sweep.cells, result)
    if console.as_json:
        path = str(report) if report else None
        console.print_json({"out": str(sweep.out), "report": path, "cells": rows})
        return
    if result.done:
        console.show(outcome_table(rows, sweep.num_labeled))
    if report is not None:
        console.say(f"Report: {report}")


def outcome_rows(cells: "Sequence[Cell]", result: "SweepResult") -> list[dict[str, Any]]:
    """One row a cell: what became of it."""
    from ecs_med_cli.sweep_console import describe_cell

    outcomes = {cell.name: outcome for cell, outcome in result.outcomes}
    rows = []
    for cell in cells:
        outcome = outcomes.get(cell.name)
        rows.append(
            {
                **describe_cell(cell),
                "state": outcome.progress if outcome else "missing",
                "miou": outcome.miou if outcome else None,
                "seconds": round(outcome.seconds, 1) if outcome else None,
                "sentence": outcome.sentence if outcome else None,
            }
        )
    return rows


def outcome_table(rows: Sequence[Mapping[str, Any]], counts: Mapping[str, int]) -> Table:
    """Mean test mIoU and its standard deviation over seeds, by budget and method."""
    from ecs_med.analysis import summarize

    curves = [", ".join(filter(None, (row["method"], row.get("draw")))) for row in rows]
    methods = list(dict.fromkeys(curves))
    title = "Test mIoU, mean and standard deviation over seeds"
    table = plain_table("budget", "labels", *methods, left=0, title=title)
    for budget in dict.fromkeys(row["labeled"] for row in rows):
        cells = []
        for method in methods:
            of_cell = [
                row
                for row, curve in zip(rows, curves, strict=True)
                if (curve, row["labeled"]) == (method, budget)
            ]
            scores = [row["miou"] for row in of_cell if row["miou"] is not None]
            if not scores:
                cells.append("-")
                continue
            summary = summarize(scores)
            spread = "" if summary.sd is None else f" ± {summary.sd:.4f}"
            lacking = len(of_cell) - len(scores)
            cells.append(f"{summary.mean:.4f}{spread}" + (f" ({lacking} missing)" * bool(lacking)))
        table.add_row(budget, str(counts[budget]), *cells)
    return table
