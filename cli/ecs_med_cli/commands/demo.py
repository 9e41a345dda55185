"""`ecs-med demo`: the whole thing on pictures that are drawn on the spot, offline, in minutes."""

from pathlib import Path
from typing import Annotated

from ecs_med_cli.options import ITERATIONS, OUTPUT, SEED

__all__ = ["demo"]


def demo(
    output: Annotated[Path, OUTPUT.info("Folder for pictures, runs and predictions.")] = Path(
        "demo"
    ),
    iterations: Annotated[
        int | None, ITERATIONS.info("Training steps of each of the two runs.")
    ] = None,
    seed: Annotated[int, SEED.info("Draws the pictures, the labelled ones, the weights.")] = 0,
) -> None:
    """Draw pictures, train without and with unlabelled ones.

    Nothing is downloaded. Started again, it goes on where it was stopped.
    """
    from ecs_med_cli.work.demo import run_demo

    run_demo(output, iterations=iterations, seed=seed)
