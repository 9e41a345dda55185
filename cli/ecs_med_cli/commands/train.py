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
    reading_options,
)

__all__ = ["train"]


def train(
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder or list file (see `ecs-med check`).")
    ] = None,
    labeled: Annotated[
        str | None,
        typer.Option(
            "--labeled", help="Labelled budget: 10%, 1/8, 0.1, a count, all, or a split file."
        ),
    ] = None,
    draw: Annotated[
        str | None,
        typer.Option("--draw", help="How they are drawn: random, foreground, or stratified."),
    ] = None,
    method: Annotated[str | None, typer.Option("--method", help="ecs or supervised.")] = None,
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
    iterations: Annotated[
        int | None, typer.Option("--iterations", help="Training steps; else 1000, on a GPU 10000.")
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
    enlarge: Annotated[
        int | None,
        typer.Option("--enlarge", help="Longer side to bring smaller images up to; 0: never."),
    ] = None,
    encoder: Annotated[
        str | None,
        typer.Option(
            "--encoder", help="Segmenter's encoder, by its name in timm or segmentation-models."
        ),
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
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Also write TensorBoard files into the run.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object at the end, nothing else.")
    ] = False,
) -> None:
    """Train on the masks there are and all images without one.

    Ends with the score on the test cases and a picture report, in a run folder.
    """
    from ecs_med_cli.training_session import run_training

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
    options = {
        "data": data,
        "labeled": labeled,
        "draw": draw,
        "method": method,
        "seed": seed,
        "run": run,
        "iterations": iterations,
        "batch": batch,
        "crop": crop,
        "resize": resize,
        "enlarge": enlarge,
        "encoder": encoder,
        "corrector_encoder": corrector_encoder,
        "encoder_weights": encoder_weights,
        "device": device,
        "precision": precision,
        "evaluate_every": evaluate_every,
        "workers": workers,
        "tensorboard": tensorboard or None,
        "reading": reading,
        "augmentation": {"scale": scale, "jitter": jitter, "flip": False if no_flip else None},
    }
    run_training(options, config_file=config, resume=resume, as_json=as_json)
