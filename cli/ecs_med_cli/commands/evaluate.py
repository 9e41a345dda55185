"""`ecs-med evaluate`: score a trained run on labelled data."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ecs_med_cli.declaration import Given, with_options
from ecs_med_cli.options import DATA, DEVICE, JSON, LAYOUT, MASKS, MODEL, OUTPUT

__all__ = ["evaluate"]


class _Part(StrEnum):
    TEST = "test"
    VALIDATION = "validation"
    TRAIN = "train"
    ALL = "all"


@with_options(settings=(LAYOUT, *MASKS))
def evaluate(
    *,
    data: Annotated[Path, DATA.info()],
    model: Annotated[Path | None, MODEL.info()] = None,
    partition: Annotated[
        _Part | None,
        typer.Option(
            "--partition", help="Else test for the run's own data, all masks of other data."
        ),
    ] = None,
    output: Annotated[Path, OUTPUT.info("Folder for evaluation.json and cases.csv.")] = Path(
        "evaluation"
    ),
    settings: Given,
    device: Annotated[str, DEVICE.info()] = "auto",
    as_json: Annotated[bool, JSON.info()] = False,
) -> None:
    """Score a run: IoU and Dice per class and mean, and surface distance in volumes.

    Means are over classes and come from one confusion matrix over all cases; cases.csv has
    the scores of each case.
    """
    from ecs_med_cli.work.evaluate import run_evaluation

    run_evaluation(
        data,
        output,
        model=model,
        partition=None if partition is None else partition.value,
        reading=settings.get("reading", {}),
        device=device,
        as_json=as_json,
    )
