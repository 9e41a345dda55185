"""`ecs-med benchmark`: published protocols, tables and figures."""

from pathlib import Path
from typing import Annotated

import typer

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
    Given,
    with_options,
)

__all__ = ["benchmark"]


@with_options(place=PLACE, settings=(*STEPS, *ENCODERS, *MACHINE))
def benchmark(
    *,
    name: Annotated[
        str,
        typer.Argument(help="voc, cityscapes, camvid, kvasir, cvc-clinicdb, hippocampus, or list."),
    ],
    data: Annotated[Path | None, DATA.info("Folder of the data set; else ECS_MED_DATA.")] = None,
    download: Annotated[
        bool, typer.Option("--download", help="Fetch the data into --data first (voc only).")
    ] = False,
    table: Annotated[
        list[str] | None,
        typer.Option("--table", help="Table of the paper, 1 to 4; repeatable; else 1."),
    ] = None,
    figure: Annotated[
        list[str] | None,
        typer.Option("--figure", help="Figure of the paper, 3 or 4; repeatable."),
    ] = None,
    budgets: Annotated[
        str | None, BUDGETS.info("Other budgets, such as 1/8,1/4; 1 is all.")
    ] = None,
    seeds: Annotated[str | None, SEEDS.info("0..9 or 0,1,2; else the protocol's.")] = None,
    scale: Annotated[
        float, typer.Option("--scale", help="Trial: this share of iterations and pixels.")
    ] = 1.0,
    output: Annotated[
        Path | None, OUTPUT.info("Folder of the benchmark; else benchmark-<name>.", OUT)
    ] = None,
    splits: Annotated[
        Path | None, typer.Option("--splits", help="Folder of files that name the labelled images.")
    ] = None,
    write_splits: Annotated[
        Path | None,
        typer.Option("--write-splits", help="Write such files to this folder and end."),
    ] = None,
    place: Given,
    dry_run: Annotated[bool, DRY_RUN.info()] = False,
    iterations: Annotated[
        int | None, ITERATIONS.info("Training steps; else the protocol's.")
    ] = None,
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
    request = BenchmarkRequest(
        name=name,
        data=data,
        download=download,
        tables=tuple(table or ()),
        figures=tuple(figure or ()),
        budgets=budgets,
        seeds=seeds,
        scale=scale,
        output=output,
        splits=splits,
    )
    session = BenchmarkSession(
        request,
        {"iterations": iterations, **settings},
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
