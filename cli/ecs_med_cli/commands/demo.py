"""`ecs-med demo`: the whole thing on pictures that are drawn on the spot, offline, in minutes."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["demo"]


def demo(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder for pictures, runs and predictions.")
    ] = Path("demo"),
    iterations: Annotated[
        int | None, typer.Option("--iterations", help="Training steps of each of the two runs.")
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", help="Draws the pictures, the labelled ones, the weights.")
    ] = 0,
) -> None:
    """Draw pictures, train without and with unlabelled ones.

    Nothing is downloaded. Started again, it goes on where it was stopped.
    """
    from ecs_med_cli.work.demo import run_demo

    run_demo(output, iterations=iterations, seed=seed)
