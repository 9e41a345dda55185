"""`ecs-med train`: from a folder to a trained model, a test score and a report."""

from pathlib import Path
from typing import Annotated

import typer

from ecs_med_cli.declaration import Given, Option, with_options
from ecs_med_cli.options import (
    AUGMENTATION,
    CONFIG,
    DATA,
    DRAW,
    ENCODERS,
    ITERATIONS,
    JSON,
    MACHINE,
    MIN_SIZE,
    NETWORK,
    READING,
    SEED,
    STEPS,
)

__all__ = ["train"]

WHAT = (
    DATA,
    Option("--labeled", str, "Labelled budget: 10%, 1/8, 0.1, a count, all, or a split file."),
    DRAW,
    Option("--method", str, "Training method: {methods}."),
    SEED,
    Option("--run", Path, "Run folder; else runs/<data>-<method>-<labeled>-s<seed>."),
)
HOW = (
    ITERATIONS,
    *STEPS,
    MIN_SIZE,
    NETWORK,
    Option("--start-from", Path, "Finished run whose networks this one begins with."),
    *ENCODERS,
    *MACHINE,
    *AUGMENTATION,
    *READING,
    Option("--tensorboard", bool, "Also write TensorBoard files into the run."),
)


@with_options(what=WHAT, how=HOW)
def train(
    *,
    what: Given,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run, exactly.")
    ] = False,
    how: Given,
    config: Annotated[Path | None, CONFIG.info()] = None,
    as_json: Annotated[bool, JSON.info()] = False,
) -> None:
    """Train on the masks there are and all images without one.

    Ends with the score on the test cases and a picture report, in a run folder.
    """
    from ecs_med_cli.work.train import run_training

    run_training({**what, **how}, config_file=config, resume=resume, as_json=as_json)
