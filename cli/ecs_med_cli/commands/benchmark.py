"""`ecs-med benchmark`: published protocols, tables and figures."""

from pathlib import Path
from typing import Annotated

import typer

from ecs_med_cli.declaration import Given, Option, with_options
from ecs_med_cli.options import (
    BUDGETS,
    DATA,
    DRY_RUN,
    ENCODERS,
    ITERATIONS,
    JSON,
    MACHINE,
    OUT,
    OUTPUT,
    PLACE,
    SEEDS,
    STEPS,
)

__all__ = ["benchmark"]


ASKED = (
    DATA.but("Folder of the data set; else ECS_MED_DATA."),
    Option("--download", bool, "Fetch the data into --data first (voc only)."),
    Option("--table", list[str], "Table of the paper, 1 to 4; repeatable; else 1.", "tables"),
    Option("--figure", list[str], "Figure of the paper, 3 or 4; repeatable.", "figures"),
    BUDGETS.but("Other budgets, such as 1/8,1/4; 1 is all."),
    SEEDS.but("0..9 or 0,1,2; else the protocol's."),
    Option("--scale", float, "Trial: this share of iterations and pixels."),
    OUTPUT.but("Folder of the benchmark; else benchmark-<name>.", OUT),
    Option("--splits", Path, "Folder of files that name the labelled images."),
)
SETTINGS = (
    ITERATIONS.but("Training steps; else the protocol's."),
    *STEPS,
    *ENCODERS,
    *MACHINE,
)


@with_options(asked=ASKED, place=PLACE, settings=SETTINGS)
def benchmark(
    *,
    name: Annotated[
        str,
        typer.Argument(help="voc, cityscapes, camvid, kvasir, cvc-clinicdb, hippocampus, or list."),
    ],
    asked: Given,
    write_splits: Annotated[
        Path | None,
        typer.Option("--write-splits", help="Write such files to this folder and end."),
    ] = None,
    place: Given,
    dry_run: Annotated[bool, DRY_RUN.info()] = False,
    settings: Given,
    as_json: Annotated[bool, JSON.info()] = False,
) -> None:
    """Reproduce the tables and figures of the paper, or compare methods by its protocol.

    Prints our figures beside the published ones and writes benchmark.html, with all tables as
    Markdown, LaTeX, CSV and JSON. Started again, it does only what is missing. Options that
    leave the protocol are named in every output. `list` shows what there is.
    """
    from ecs_med_cli.work.benchmark import BenchmarkRequest, BenchmarkSession, list_benchmarks

    if name == "list":
        list_benchmarks(as_json=as_json)
        return
    session = BenchmarkSession(
        BenchmarkRequest(name=name, **asked),
        settings,
        place=place,
        dry_run=dry_run or write_splits is not None,
        as_json=as_json,
    )
    if write_splits is not None:
        session.write_splits(write_splits)
    elif dry_run:
        session.plan()
    else:
        session.run()
