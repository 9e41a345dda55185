"""`ecs-med check`: is my data all right, before any minute of training."""

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
    given_reading,
)

__all__ = ["check"]


def check(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(help="Folder, or JSON or CSV list.")],
    layout: LayoutName = None,
    patient: Patient = None,
    mask_values: MaskValues = None,
    mask_threshold: MaskThreshold = None,
    mask_colors: MaskColors = None,
    void_values: VoidValues = None,
    class_names: ClassNames = None,
    axis: Axis = None,
    window: Window = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, nothing else.")
    ] = False,
) -> None:
    """Decode every image and mask and print one table of all problems.

    Layouts: images/ beside masks/ (or labels/, annotations/), optionally inside train/,
    validation/, test/, matched by name; imagesTr/ beside labelsTr/ (Decathlon or nnU-Net);
    a JSON or CSV list. An image without a mask is unlabelled. Ends with 2 if training
    would be wrong.
    """
    from ecs_med_cli.work.check import run_check

    if not run_check(data, given_reading(context.params), as_json=as_json):
        raise typer.Exit(2)
