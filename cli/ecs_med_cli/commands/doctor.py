"""`ecs-med doctor`: versions, device, what is installed, and whether training works here."""

from typing import Annotated

import typer

from ecs_med_cli.options import DEVICE, JSON

__all__ = ["doctor"]


def doctor(
    device: Annotated[str, DEVICE.info("Device to try: auto, cpu, cuda, cuda:1, mps.")] = "auto",
    as_json: Annotated[bool, JSON.info()] = False,
) -> None:
    """Tell what is installed and whether training works.

    Ends with 0 where training works, else with 2.
    """
    from ecs_med_cli.work.doctor import run_doctor

    if not run_doctor(device, as_json=as_json):
        raise typer.Exit(2)
