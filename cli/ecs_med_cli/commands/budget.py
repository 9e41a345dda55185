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
    reading_options,
)

__all__ = ["budget"]


def budget(
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder or list file (see `ecs-med check`).")
    ] = None,
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
    draw: Annotated[
        str | None,
        typer.Option("--draw", help="How labels are drawn: random, foreground, stratified."),
    ] = None,
    executor: Annotated[
        str, typer.Option("--executor", help="processes, inline, ray or slurm.")
    ] = "processes",
    jobs: Annotated[
        int | None, typer.Option("--jobs", help="Runs at once; else one per GPU, one on a CPU.")
    ] = None,
    gpus_per_run: Annotated[
        float | None, typer.Option("--gpus-per-run", help="Share of a GPU for a run, such as 0.5.")
    ] = None,
    ray_address: Annotated[
        str | None, typer.Option("--ray-address", help="Ray cluster that is there already.")
    ] = None,
    slurm: Annotated[
        list[str] | None,
        typer.Option("--slurm", help="KEY=VALUE for SLURM, such as partition=gpu; repeatable."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and how long it will take.")
    ] = False,
    minutes_per_label: Annotated[
        float | None,
        typer.Option("--minutes-per-label", help="An expert's time for one image, for the report."),
    ] = None,
    cost_per_hour: Annotated[
        float | None, typer.Option("--cost-per-hour", help="Of the expert, for the report.")
    ] = None,
    iterations: Annotated[
        int | None,
        typer.Option("--iterations", help="Steps of every run; else 1000, on a GPU 10000."),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option("--batch", help="Labelled images per step, and as many unlabelled; else 8."),
    ] = None,
    crop: Annotated[
        int | None, typer.Option("--crop", help="Side of the training crop in pixels.")
    ] = None,
    resize: Annotated[
        int | None,
        typer.Option("--resize", help="Longer side to bring images down to first; 0: never."),
    ] = None,
    encoder: Annotated[
        str | None, typer.Option("--encoder", help="Segmenter's encoder, as in `ecs-med train`.")
    ] = None,
    corrector_encoder: Annotated[
        str | None, typer.Option("--corrector-encoder", help="Corrector's encoder.")
    ] = None,
    encoder_weights: Annotated[
        str | None, typer.Option("--encoder-weights", help="imagenet, none, or a file.")
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")
    ] = None,
    precision: Annotated[str | None, typer.Option("--precision", help="auto, fp32, bf16.")] = None,
    evaluate_every: Annotated[
        int | None,
        typer.Option("--evaluate-every", help="Steps between validations; else a tenth of all."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes that prepare batches; else none.")
    ] = None,
    scale: Annotated[
        tuple[float, float] | None,
        typer.Option("--scale", help="Random zoom, lowest and highest, such as 0.5 2.0."),
    ] = None,
    jitter: Annotated[
        float | None, typer.Option("--jitter", help="Random brightness and contrast, 0 to 1.")
    ] = None,
    no_flip: Annotated[
        bool, typer.Option("--no-flip", help="Never mirror left and right.")
    ] = False,
    layout: LayoutName = None,
    patient: Patient = None,
    mask_values: MaskValues = None,
    mask_threshold: MaskThreshold = None,
    mask_colors: MaskColors = None,
    void_values: VoidValues = None,
    class_names: ClassNames = None,
    axis: Axis = None,
    window: Window = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="YAML or JSON file of settings; options here override it."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object at the end, nothing else.")
    ] = False,
) -> None:
    """Train at several budgets and report what labels buy.

    Every method at every budget and seed is an ordinary run. Started again, only what is
    missing is done; ends with a report.
    """
    from ecs_med_cli.budget_session import BudgetSession

    reading = reading_options(
        layout=layout,
        patient=patient,
        mask_values=mask_values,
        mask_threshold=mask_threshold,
        mask_colors=mask_colors,
        void_values=void_values,
        class_names=class_names,
        axis=axis,
        window=window,
    )
    settings = {
        "draw": draw,
        "iterations": iterations,
        "batch": batch,
        "crop": crop,
        "resize": resize,
        "encoder": encoder,
        "corrector_encoder": corrector_encoder,
        "encoder_weights": encoder_weights,
        "device": device,
        "precision": precision,
        "evaluate_every": evaluate_every,
        "workers": workers,
        "reading": reading,
        "augmentation": {"scale": scale, "jitter": jitter, "flip": False if no_flip else None},
    }
    grid = {"data": data, "budgets": budgets, "methods": methods, "seeds": seeds, "out": out}
    place = {
        "name": executor,
        "jobs": jobs,
        "gpus_per_run": gpus_per_run,
        "ray_address": ray_address,
        "slurm": slurm,
    }
    prices = {"minutes_per_label": minutes_per_label, "cost_per_hour": cost_per_hour}
    session = BudgetSession(
        grid, settings, config_file=config, place=place, dry_run=dry_run, as_json=as_json
    )
    session.plan() if dry_run else session.run(prices)
