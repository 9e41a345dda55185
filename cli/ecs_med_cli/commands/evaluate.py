"""`ecs-med evaluate`: score a trained run on labelled data."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ecs_med_cli.data_options import (
    LayoutName,
    MaskColors,
    MaskThreshold,
    MaskValues,
    VoidValues,
    given_reading,
)

__all__ = ["evaluate"]


class _Part(StrEnum):
    TEST = "test"
    VALIDATION = "validation"
    TRAIN = "train"
    ALL = "all"


def evaluate(
    context: typer.Context,
    data: Annotated[
        Path, typer.Option("--data", help="Folder or list file (see `ecs-med check`).")
    ],
    model: Annotated[
        Path | None, typer.Option("--model", help="Run folder; else the newest below runs.")
    ] = None,
    partition: Annotated[
        _Part | None,
        typer.Option(
            "--partition", help="Else test for the run's own data, all masks of other data."
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for evaluation.json and cases.csv.")
    ] = Path("evaluation"),
    layout: LayoutName = None,
    mask_values: MaskValues = None,
    mask_threshold: MaskThreshold = None,
    mask_colors: MaskColors = None,
    void_values: VoidValues = None,
    device: Annotated[str, typer.Option("--device", help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, nothing else.")
    ] = False,
) -> None:
    """Score a run: IoU and Dice per class and mean, and surface distance in volumes.

    Means are over classes and come from one confusion matrix over all cases; cases.csv has
    the scores of each case.
    """
    from ecs_med_cli.work.applying import run_evaluation

    run_evaluation(
        data,
        output,
        model=model,
        partition=None if partition is None else partition.value,
        reading=given_reading(context.params),
        device=device,
        as_json=as_json,
    )
