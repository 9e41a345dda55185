"""`ecs-med train`: from a folder to a trained model, a test score and a report."""

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
    StartFrom,
    Workers,
    training_settings,
)

__all__ = ["train"]


def train(
    context: typer.Context,
    data: Data = None,
    labeled: Annotated[
        str | None,
        typer.Option(
            "--labeled", help="Labelled budget: 10%, 1/8, 0.1, a count, all, or a split file."
        ),
    ] = None,
    draw: DrawName = None,
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            help="ecs, supervised, a rival (advsemiseg, s4gan, s4gan+mlmt), or corrector, which "
            "needs --start-from.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Draws the labelled cases, the order, the weights.")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option("--run", help="Run folder; else runs/<data>-<method>-<labeled>-s<seed>."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run, exactly.")
    ] = False,
    iterations: Iterations = None,
    batch: Batch = None,
    crop: Crop = None,
    max_size: MaxSize = None,
    min_size: MinSize = None,
    network: Network = None,
    start_from: StartFrom = None,
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
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write TensorBoard files into the run.")
    ] = False,
    as_json: JsonAtEnd = False,
) -> None:
    """Train on the masks there are and all images without one.

    Ends with the score on the test cases and a picture report, in a run folder.
    """
    from ecs_med_cli.work.train import run_training

    options = {
        **training_settings(context.params),
        "data": data,
        "labeled": labeled,
        "method": method,
        "seed": seed,
        "run": run,
        "start_from": start_from,
        "tensorboard": tensorboard or None,
    }
    run_training(options, config_file=config, resume=resume, as_json=as_json)
