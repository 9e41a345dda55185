"""`ecs-med benchmark`: published protocols, tables and figures."""

from pathlib import Path
from typing import Annotated

import typer

from ecs_med_cli.sweep_options import (
    DryRun,
    ExecutorName,
    GpusPerRun,
    Jobs,
    RayAddress,
    Slurm,
    place_options,
)
from ecs_med_cli.training_options import (
    Batch,
    CorrectorEncoder,
    Crop,
    Device,
    Encoder,
    EncoderWeights,
    EvaluateEvery,
    JsonAtEnd,
    MaxSize,
    Precision,
    Workers,
    named_settings,
)

__all__ = ["benchmark"]


def benchmark(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(help="voc, cityscapes, camvid, kvasir, cvc-clinicdb, hippocampus, or list."),
    ],
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder of the data set; else ECS_MED_DATA.")
    ] = None,
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
        str | None, typer.Option("--budgets", help="Other budgets, such as 1/8,1/4; 1 is all.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option("--seeds", help="0..9 or 0,1,2; else the protocol's.")
    ] = None,
    scale: Annotated[
        float, typer.Option("--scale", help="Trial: this share of iterations and pixels.")
    ] = 1.0,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the benchmark; else benchmark-<name>.")
    ] = None,
    splits: Annotated[
        Path | None, typer.Option("--splits", help="Folder of files that name the labelled images.")
    ] = None,
    write_splits: Annotated[
        Path | None,
        typer.Option("--write-splits", help="Write such files to this folder and end."),
    ] = None,
    executor: ExecutorName = "processes",
    jobs: Jobs = None,
    gpus_per_run: GpusPerRun = None,
    ray_address: RayAddress = None,
    slurm: Slurm = None,
    dry_run: DryRun = False,
    iterations: Annotated[
        int | None, typer.Option("--iterations", help="Training steps; else the protocol's.")
    ] = None,
    batch: Batch = None,
    crop: Crop = None,
    max_size: MaxSize = None,
    encoder: Encoder = None,
    corrector_encoder: CorrectorEncoder = None,
    encoder_weights: EncoderWeights = None,
    device: Device = None,
    precision: Precision = None,
    evaluate_every: EvaluateEvery = None,
    workers: Workers = None,
    as_json: JsonAtEnd = False,
) -> None:
    """Reproduce the tables and figures of the paper, or compare methods by its protocol.

    Prints our figures beside the published ones and writes benchmark.html, with all tables as
    Markdown, LaTeX, CSV and JSON. Started again, it does only what is missing. Options that
    leave the protocol are named in every output. `list` shows what there is.
    """
    from ecs_med_cli.work.benchmark import BenchmarkSession, list_benchmarks

    if name == "list":
        list_benchmarks(as_json=as_json)
        return
    session = BenchmarkSession(
        name,
        {"data": data, "download": download, "out": out, "splits": splits},
        {"tables": table, "figures": figure, "budgets": budgets, "seeds": seeds, "scale": scale},
        named_settings(context.params),
        place=place_options(context.params),
        dry_run=dry_run or write_splits is not None,
        as_json=as_json,
    )
    if write_splits is not None:
        session.write_splits(write_splits)
    elif dry_run:
        session.plan()
    else:
        session.run()
