"""`ecs-med budget`: what the next annotated image buys, from runs over budgets and seeds."""

from pathlib import Path
from typing import Annotated

from ecs_med_cli.declaration import Given, Option, with_options
from ecs_med_cli.options import (
    AUGMENTATION,
    BUDGETS,
    CONFIG,
    COST_PER_HOUR,
    DATA,
    DRAW,
    DRY_RUN,
    ENCODERS,
    ITERATIONS,
    JSON,
    MACHINE,
    MIN_SIZE,
    MINUTES_PER_LABEL,
    NETWORK,
    OUT,
    OUTPUT,
    PLACE,
    READING,
    SEEDS,
    STEPS,
)

__all__ = ["budget"]

GRID = (
    DATA,
    BUDGETS,
    Option(
        "--methods",
        str,
        "Methods to compare ({methods}); else the default one and its baseline.",
    ),
    SEEDS,
    OUTPUT.but("Folder of the sweep; else sweeps/<data>.", OUT),
)
RUNS = (
    DRAW,
    ITERATIONS,
    *STEPS,
    MIN_SIZE,
    NETWORK,
    *ENCODERS,
    *MACHINE,
    *AUGMENTATION,
    *READING,
)


@with_options(grid=GRID, place=PLACE, settings=RUNS)
def budget(
    *,
    grid: Given,
    place: Given,
    dry_run: Annotated[bool, DRY_RUN.info()] = False,
    minutes_per_label: Annotated[float | None, MINUTES_PER_LABEL.info()] = None,
    cost_per_hour: Annotated[float | None, COST_PER_HOUR.info()] = None,
    settings: Given,
    config: Annotated[Path | None, CONFIG.info()] = None,
    as_json: Annotated[bool, JSON.info()] = False,
) -> None:
    """Train at several budgets and report what labels buy.

    Every method at every budget and seed is an ordinary run. Started again, only what is
    missing is done; ends with a report.
    """
    from ecs_med_cli.work.budget import BudgetRequest, BudgetSession

    session = BudgetSession(
        BudgetRequest(**grid),
        settings,
        config_file=config,
        place=place,
        dry_run=dry_run,
        as_json=as_json,
    )
    if dry_run:
        session.plan()
    else:
        session.run(minutes_per_label, cost_per_hour)
