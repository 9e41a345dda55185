"""`ecs-med budget`: what the next annotated image buys, from runs over budgets and seeds."""

from pathlib import Path
from typing import Annotated

import typer

from ecs_med_cli.data_options import (
    Axis,
    ClassNames,
    LayoutName,
    MaskColors,
    MaskThreshold,
    MaskValues,
    Patient,
    VoidValues,
    Window,
)
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
    ConfigFile,
    CorrectorEncoder,
    Crop,
    Data,
    Device,
    DrawName,
    Encoder,
    EncoderWeights,
    EvaluateEvery,
    Iterations,
    Jitter,
    JsonAtEnd,
    MaxSize,
    MinSize,
    Network,
    NoFlip,
    Precision,
    Scale,
    Workers,
    training_settings,
)

__all__ = ["budget"]


def budget(
    context: typer.Context,
    data: Data = None,
    budgets: Annotated[
        str | None,
        typer.Option("--budgets", help="Labelled budgets, 1 being all; else 1/16,1/8,1/4,1/2,1."),
    ] = None,
    methods: Annotated[
        str | None, typer.Option("--methods", help="Methods to compare; else supervised,ecs.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option("--seeds", help="0..4 (both included) or 0,1,7; else 0..2.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder of the sweep; else sweeps/<data>.")
    ] = None,
    draw: DrawName = None,
    executor: ExecutorName = "processes",
    jobs: Jobs = None,
    gpus_per_run: GpusPerRun = None,
    ray_address: RayAddress = None,
    slurm: Slurm = None,
    dry_run: DryRun = False,
    minutes_per_label: Annotated[
        float | None,
        typer.Option("--minutes-per-label", help="An expert's time for one image, for the report."),
    ] = None,
    cost_per_hour: Annotated[
        float | None, typer.Option("--cost-per-hour", help="Of the expert, for the report.")
    ] = None,
    iterations: Iterations = None,
    batch: Batch = None,
    crop: Crop = None,
    max_size: MaxSize = None,
    min_size: MinSize = None,
    network: Network = None,
    encoder: Encoder = None,
    corrector_encoder: CorrectorEncoder = None,
    encoder_weights: EncoderWeights = None,
    device: Device = None,
    precision: Precision = None,
    evaluate_every: EvaluateEvery = None,
    workers: Workers = None,
    scale: Scale = None,
    jitter: Jitter = None,
    no_flip: NoFlip = False,
    layout: LayoutName = None,
    patient: Patient = None,
    mask_values: MaskValues = None,
    mask_threshold: MaskThreshold = None,
    mask_colors: MaskColors = None,
    void_values: VoidValues = None,
    class_names: ClassNames = None,
    axis: Axis = None,
    window: Window = None,
    config: ConfigFile = None,
    as_json: JsonAtEnd = False,
) -> None:
    """Train at several budgets and report what labels buy.

    Every method at every budget and seed is an ordinary run. Started again, only what is
    missing is done; ends with a report.
    """
    from ecs_med_cli.work.budget import BudgetSession

    grid = {"data": data, "budgets": budgets, "methods": methods, "seeds": seeds, "out": out}
    prices = {"minutes_per_label": minutes_per_label, "cost_per_hour": cost_per_hour}
    session = BudgetSession(
        grid,
        training_settings(context.params),
        config_file=config,
        place=place_options(context.params),
        dry_run=dry_run,
        as_json=as_json,
    )
    session.plan() if dry_run else session.run(prices)
