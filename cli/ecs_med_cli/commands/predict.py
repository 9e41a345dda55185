"""`ecs-med predict`: segment pictures, NIfTI volumes and folders of them."""

from pathlib import Path
from typing import Annotated

import typer

from ecs_med_cli.options import DEVICE, JSON, MODEL, OUTPUT

__all__ = ["predict"]


def predict(
    inputs: Annotated[
        list[Path],
        typer.Argument(help="Pictures, NIfTI volumes, and folders, searched with sub-folders."),
    ],
    output: Annotated[
        Path | None, OUTPUT.info("Folder, or a file with a single input; else predictions.")
    ] = None,
    model: Annotated[Path | None, MODEL.info()] = None,
    overlay: Annotated[
        bool, typer.Option("--overlay", help="Also write a PNG with the labels drawn in.")
    ] = False,
    certainty: Annotated[
        bool,
        typer.Option(
            "--certainty",
            help="Also write how sure the corrector is: 0 to 1 for volumes, 0 to 255 for pictures.",
        ),
    ] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave alone what has its results already.")
    ] = False,
    device: Annotated[str, DEVICE.info()] = "auto",
    as_json: Annotated[bool, JSON.info()] = False,
) -> None:
    """Segment scans; every result has the grid of its input.

    A picture gives a PNG, a volume a NIfTI file, whose integers are the classes. If one of
    several inputs fails, the rest is done, failures.json says why, and the exit code is 3.
    """
    from ecs_med.inference.predict import PredictionOptions
    from ecs_med_cli.work.predict import run_prediction

    run_prediction(
        inputs,
        output,
        PredictionOptions(overlay=overlay, certainty=certainty, skip_existing=skip_existing),
        model=model,
        device=device,
        as_json=as_json,
    )
