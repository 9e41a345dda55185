"""`ecs-med doctor`: versions, device, and whether training works here."""

from typing import Annotated

import typer

__all__ = ["doctor"]


def doctor(
    device: Annotated[
        str, typer.Option("--device", help="Device to try: auto, cpu, cuda, cuda:1, mps.")
    ] = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, nothing else.")
    ] = False,
) -> None:
    """Tell what is installed and whether training works.

    Ends with 0 where training works, else with 2.
    """
    import json
    import sys

    from ecs_med_cli.work.doctor import examine_environment, print_environment

    report = examine_environment(device)
    if as_json:
        json.dump(report.as_dict(), sys.stdout)
        sys.stdout.write("\n")
    else:
        print_environment(report)
    if not report.works:
        raise typer.Exit(2)
