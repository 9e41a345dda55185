"""Cells as jobs of a SLURM cluster, through submitit.

A job that is to be preempted, or whose time is nearly over, is told so by a signal; it then
saves after its current iteration, ends as with exit code 75, and is queued again.
"""

import signal
import time
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any, ClassVar

from ecs_med.errors import MissingExtraError, SettingsError
from ecs_med.sweep.cell import CellOutcome, outcome_of_folder, run_cell
from ecs_med.sweep.executors.base import Done, Executor, Stop, follow, outcome_without_result
from ecs_med.sweep.lock_and_log import append_line
from ecs_med.sweep.plan import Cell

__all__ = ["CellJob", "SlurmExecutor"]

_LOOK_SECONDS = 0.5
_DEFAULTS: dict[str, Any] = {"timeout_min": 24 * 60, "cpus_per_task": 4, "name": "ecs-med"}
_GENERIC = ("timeout_min", "mem_gb", "nodes", "cpus_per_task", "gpus_per_node", "name")


class SlurmExecutor(Executor):
    """Jobs of a SLURM cluster; every node needs ecs-med and sees the same folders.

    Args:
        device: Setting of the runs; unless `cpu`, a job asks for one GPU.
        folder: For submitit's own files.
        jobs: Most jobs of the sweep that run at once; `None`: no limit but the cluster's.
        parameters: Of submitit and sbatch: `partition`, `account`, `timeout_min`, `mem_gb`, ...;
            `cluster=local` runs the jobs on this machine.

    Raises:
        MissingExtraError: If submitit is not installed.
        SettingsError: If a parameter is unknown, or this machine has no SLURM.
    """

    name: ClassVar[str] = "slurm"
    here = False

    def __init__(
        self,
        device: str,
        folder: Path,
        jobs: int | None = None,
        parameters: Mapping[str, str] | None = None,
    ) -> None:
        if find_spec("submitit") is None:
            raise MissingExtraError("`executor=slurm`", "slurm")
        self._jobs = jobs
        given = dict(parameters or {})
        self._cluster = given.pop("cluster", "slurm")
        values = dict(_DEFAULTS)
        if device != "cpu":
            values["gpus_per_node"] = 1
        if jobs is not None:
            values["slurm_array_parallelism"] = jobs
        values |= {_parameter(key): _value(value) for key, value in given.items()}
        self._submitter = _submitter(folder, self._cluster, values)

    @property
    def places(self) -> int:
        """How many cells run at once, as far as it is known."""
        return self._jobs or 1

    def run(self, cells: Sequence[Cell], done: Done, stop: Stop) -> None:
        """Run cells; see `Executor`. The cluster decides on their order."""
        with self._submitter.batch():
            submitted = [self._submitter.submit(CellJob(cell)) for cell in cells]

        def ended(jobs: list[Any]) -> list[Any]:
            time.sleep(_LOOK_SECONDS)
            return [job for job in jobs if job.done()]

        follow(
            dict(zip(submitted, cells, strict=True)),
            done,
            stop,
            cancel=lambda job: job.cancel(),
            ended=ended,
            outcome=lambda job, cell: _result(job, cell, stop),
        )


class CellJob:
    """What a job does: run a cell, and be queued again if it is interrupted.

    Args:
        cell: The cell.
    """

    def __init__(self, cell: Cell) -> None:
        self.cell = cell

    def __call__(self) -> CellOutcome:
        """Run the cell; the scheduler's warning becomes a SIGTERM, which saves and ends it."""
        from submitit import JobEnvironment

        number = JobEnvironment._usr_sig()
        requeue: Any = signal.getsignal(number)
        warned = False

        def warn(_: int, __: FrameType | None) -> None:
            nonlocal warned
            warned = True
            signal.raise_signal(signal.SIGTERM)

        signal.signal(number, warn)
        outcome = run_cell(self.cell.config, partial(append_line, self.cell.log))
        signal.signal(number, requeue)
        if warned and outcome.progress == "stopped":
            # submitit's own handler: it stores what `checkpoint` returns, and requeues the job.
            requeue(number, None)
        return outcome

    def checkpoint(self) -> Any:
        """The job to queue again: the same, since the run folder knows how far it is."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(CellJob(self.cell))


def _parameter(key: str) -> str:
    return key if key in _GENERIC or key.startswith("slurm_") else f"slurm_{key}"


def _value(text: str) -> str | int | float:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _submitter(folder: Path, cluster: str, values: Mapping[str, Any]) -> Any:
    import submitit

    try:
        submitter = submitit.AutoExecutor(folder=folder, cluster=cluster)
        submitter.update_parameters(**values)
    except (AssertionError, NameError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:300].rstrip(".")
        raise SettingsError(f"`executor=slurm`: {reason}; see `slurm`.") from error
    return submitter


def _result(job: Any, cell: Cell, stop: Stop) -> CellOutcome | None:
    """What became of a job; `None` if it was cancelled before it began."""
    if stop.asked and not cell.folder.exists():
        return None
    if stop.asked and outcome_of_folder(cell.folder, 0.0).progress != "done":
        return outcome_without_result(cell, 0.0, stop, "")
    try:
        outcome: CellOutcome = job.result()
    except Exception as error:
        # Whatever the scheduler or submitit has to say about a job that ended without a result.
        reason = " ".join(str(error).split())[-300:]
        sentence = (
            f"Its job {job.job_id} ended without a result ({reason}); see {job.paths.folder}."
        )
        return outcome_without_result(cell, 0.0, stop, sentence)
    return outcome
