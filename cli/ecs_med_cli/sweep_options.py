"""Options of where runs are to run; every command that runs several takes them from here."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

__all__ = [
    "DryRun",
    "ExecutorName",
    "GpusPerRun",
    "Jobs",
    "RayAddress",
    "Slurm",
    "place_options",
]

ExecutorName = Annotated[str, typer.Option("--executor", help="processes, inline, ray or slurm.")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", help="Runs at once; else one per GPU, one on a CPU.")
]
GpusPerRun = Annotated[
    float | None, typer.Option("--gpus-per-run", help="Share of a GPU for a run, such as 0.5.")
]
RayAddress = Annotated[
    str | None, typer.Option("--ray-address", help="Ray cluster that is there already.")
]
Slurm = Annotated[
    list[str] | None,
    typer.Option("--slurm", help="KEY=VALUE for SLURM, such as partition=gpu; repeatable."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan and how long it will take.")
]


def place_options(given: Mapping[str, Any]) -> dict[str, Any]:
    """Values for `ecs_med_cli.work.budget_request.executor_options`.

    Args:
        given: Values of a command's options by parameter name (`typer.Context.params`).
    """
    names = ("jobs", "gpus_per_run", "ray_address", "slurm")
    return {"name": given["executor"], **{name: given[name] for name in names}}
