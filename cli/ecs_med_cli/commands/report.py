"""`ecs-med report`: the budget report from run folders that are there already."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ecs_med_cli.options import COST_PER_HOUR, JSON, MINUTES_PER_LABEL, OUTPUT

__all__ = ["report"]


class _Difference(StrEnum):
    DATA = "data"
    SPLIT = "split"
    PROTOCOL = "protocol"


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders, or sweep folders for all runs below them.")
    ],
    output: Annotated[Path, OUTPUT.info("Folder for budget.html, figures/ and tables/.")] = Path(
        "report"
    ),
    allow: Annotated[
        list[_Difference] | None,
        typer.Option("--allow", help="Accept runs that differ in this; repeatable."),
    ] = None,
    minutes_per_label: Annotated[float | None, MINUTES_PER_LABEL.info()] = None,
    cost_per_hour: Annotated[float | None, COST_PER_HOUR.info()] = None,
    as_json: Annotated[bool, JSON.info()] = False,
) -> None:
    """Compare runs over labelled budgets: curves, gains, forecast, labels saved.

    Runs that differ in data, test cases or settings other than method, budget and seed are
    refused, unless --allow says otherwise; the report then names every difference. Runs
    without a score are listed and never averaged.
    """
    from ecs_med_cli.work.report import run_report

    run_report(
        runs,
        output,
        allow=[difference.value for difference in allow or ()],
        minutes_per_label=minutes_per_label,
        cost_per_hour=cost_per_hour,
        as_json=as_json,
    )
