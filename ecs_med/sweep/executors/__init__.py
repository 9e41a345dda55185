"""Where the runs of a sweep run: one module each, loaded when chosen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ecs_med.errors import SettingsError
from ecs_med.sweep.executors.base import Executor, InlineExecutor

__all__ = ["EXECUTORS", "ExecutorOptions", "choose_executor"]

EXECUTORS = ("processes", "inline", "ray", "slurm")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorOptions:
    """Where runs are to run.

    Attributes:
        name: One of `EXECUTORS`.
        jobs: Runs at once; `None`: one per GPU, on a CPU one a core (4 at most) as memory allows.
        gpus_per_run: Share of a GPU for one run.
        ray_address: Of a Ray cluster that is there; `None` starts one on this machine.
        slurm: Parameters of submitit by name.
        preload: Modules that local processes are forked with; a program may name one that imports
            less than `ecs_med.training.train` would by itself.
    """

    name: str = "processes"
    jobs: int | None = None
    gpus_per_run: float | None = None
    ray_address: str | None = None
    slurm: Mapping[str, str] = field(default_factory=dict)
    preload: tuple[str, ...] = ("ecs_med.training.train",)


def choose_executor(options: ExecutorOptions, device: str, out: Path) -> Executor:
    """The executor that was asked for.

    Args:
        options: Where runs are to run.
        device: Setting of the runs.
        out: Folder of the sweep, for files of the executor.

    Raises:
        SettingsError: If an option is wrong, or belongs to another executor.
        MissingExtraError: If its package is not installed.
    """
    _refuse_foreign_options(options)
    if options.name == "inline":
        return InlineExecutor()
    if options.name == "processes":
        from ecs_med.sweep.executors.processes import ProcessExecutor

        return ProcessExecutor(device, options.jobs, options.gpus_per_run, options.preload)
    if options.name == "ray":
        from ecs_med.sweep.executors.ray import RayExecutor

        return RayExecutor(device, options.jobs, options.gpus_per_run, options.ray_address)
    from ecs_med.sweep.executors.slurm import SlurmExecutor

    return SlurmExecutor(device, out / "slurm", options.jobs, options.slurm)


def _refuse_foreign_options(options: ExecutorOptions) -> None:
    if options.name not in EXECUTORS:
        raise SettingsError(
            f"`executor`: '{options.name}' is unknown; choose one of {', '.join(EXECUTORS)}."
        )
    belongs = (
        ("jobs", options.jobs is not None, ("processes", "ray", "slurm")),
        ("gpus_per_run", options.gpus_per_run is not None, ("processes", "ray")),
        ("ray_address", options.ray_address is not None, ("ray",)),
        ("slurm", bool(options.slurm), ("slurm",)),
    )
    for option, given, executors in belongs:
        if given and options.name not in executors:
            raise SettingsError(
                f"`{option}` does nothing with `executor={options.name}`; leave it out, or use "
                f"{' or '.join(f'`executor={each}`' for each in executors)}."
            )
