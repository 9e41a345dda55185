"""`ecs-med report`: the budget report from run folders that are there already."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ecs_med_cli import options
from ecs_med_cli.console import Terminal

__all__ = ["report"]


class _Difference(StrEnum):
    DATA = "data"
    SPLIT = "split"
    PROTOCOL = "protocol"


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders, or sweep folders for all runs below them.")
    ],
    output: Annotated[
        Path, options.OUTPUT.info("Folder for budget.html, figures/ and tables/.")
    ] = Path("report"),
    allow: Annotated[
        list[_Difference] | None,
        typer.Option("--allow", help="Accept runs that differ in this; repeatable."),
    ] = None,
    minutes_per_label: Annotated[str | None, options.MINUTES_PER_LABEL.info()] = None,
    cost_per_hour: Annotated[float | None, options.COST_PER_HOUR.info()] = None,
    as_json: Annotated[bool, options.JSON.info()] = False,
) -> None:
    """Compare runs over labelled budgets: curves, gains, forecast, labels saved.

    Runs that differ in data, test cases or settings other than method, budget and seed are
    refused, unless --allow says otherwise; the report then names every difference. Runs
    without a score are listed and never averaged.
    """
    from ecs_med.reporting.sweep.report import write_budget_report
    from ecs_med.reporting.sweep.runs import collect_folders

    folders, missing = collect_folders(runs)
    path = write_budget_report(
        output,
        folders,
        failures=missing,
        minutes_per_label=minutes_per_label,
        cost_per_hour=cost_per_hour,
        allow=[difference.value for difference in allow or ()],
    )
    finished, failed = (
        json.loads((output / "tables" / f"{name}.json").read_text(encoding="utf-8"))["rows"]
        for name in ("runs", "failures")
    )
    terminal = Terminal(as_json=as_json)
    if as_json:
        without = [row["run"] for row in failed]
        terminal.print_json(
            {"report": str(path), "finished": len(finished), "without_score": without}
        )
        return
    terminal.say(f"{len(finished)} runs with a score, {len(failed)} without.")
    terminal.say(f"Report: {path}")
