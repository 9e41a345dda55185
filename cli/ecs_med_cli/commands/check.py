"""`ecs-med check`: is my data all right, before any minute of training."""

from pathlib import Path
from typing import Annotated

import typer

from ecs_med_cli.declaration import Given, with_options
from ecs_med_cli.options import JSON, READING

__all__ = ["check"]


@with_options(settings=READING)
def check(
    *,
    data: Annotated[Path, typer.Argument(help="Folder, or JSON or CSV list.")],
    settings: Given,
    as_json: Annotated[bool, JSON.info()] = False,
) -> None:
    """Decode every image and mask and print one table of all problems.

    Layouts: images/ beside masks/ (or labels/, annotations/), optionally inside train/,
    validation/, test/, matched by name; imagesTr/ beside labelsTr/ (Decathlon or nnU-Net);
    a JSON or CSV list. An image without a mask is unlabelled. Ends with 2 if training
    would be wrong.
    """
    from ecs_med_cli.work.check import run_check

    if not run_check(data, settings.get("reading", {}), as_json=as_json):
        raise typer.Exit(2)
