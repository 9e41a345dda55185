"""Cells as tasks of a Ray cluster: one started on this machine, or one that is there."""

import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar

from ecs_med.errors import MissingExtraError, SettingsError
from ecs_med.sweep.cell import CellOutcome, run_cell
from ecs_med.sweep.executors.base import (
    Done,
    Executor,
    Stop,
    follow,
    num_cores,
    outcome_without_result,
    refuse_wrong_shares,
)
from ecs_med.sweep.lock_and_log import append_line
from ecs_med.sweep.plan import Cell

__all__ = ["RayExecutor"]

_LOOK_SECONDS = 0.25
_ATTEMPTS = 3


class RayExecutor(Executor):
    """Tasks of a Ray cluster.

    A cluster on this machine binds to 127.0.0.1, has no dashboard and sends no usage
    statistics. On a cluster that is there, all machines need ecs-med and see the same folders.

    Args:
        device: Setting of the runs.
        jobs: Runs at once on one machine's cores; `None`: one per GPU, or one.
        gpus_per_run: Share of a GPU for one run; `None`: a whole one where there are GPUs.
        address: Of a cluster that is there, such as `auto` or `10.0.0.1:6379`.

    Raises:
        MissingExtraError: If Ray is not installed.
        SettingsError: If a number is out of range, or the cluster does not answer.
    """

    name: ClassVar[str] = "ray"

    def __init__(
        self,
        device: str = "auto",
        jobs: int | None = None,
        gpus_per_run: float | None = None,
        address: str | None = None,
    ) -> None:
        if find_spec("ray") is None:
            raise MissingExtraError("`executor=ray`", "ray")
        refuse_wrong_shares(jobs, gpus_per_run)
        self._device = device
        self._jobs = jobs
        self._gpus_per_run = gpus_per_run
        self._address = address
        self.here = address is None

    @property
    def places(self) -> int:
        """How many cells run at once, as far as this machine knows."""
        return self._jobs or 1

    def run(self, cells: Sequence[Cell], done: Done, stop: Stop) -> None:
        """Run cells; see `Executor`."""
        ray = _connected(self._address)
        try:
            self._run(ray, cells, done, stop)
        finally:
            ray.shutdown()

    def _run(self, ray: Any, cells: Sequence[Cell], done: Done, stop: Stop) -> None:
        resources = self._resources(ray)
        task = ray.remote(max_retries=0, **resources)(_work)
        threads = max(1, int(resources["num_cpus"]))
        cwd = str(Path.cwd())
        follow(
            {task.remote(cell, threads, cwd): cell for cell in cells},
            done,
            stop,
            cancel=partial(ray.cancel, force=False, recursive=False),
            ended=lambda tasks: ray.wait(tasks, num_returns=1, timeout=_LOOK_SECONDS)[0],
            outcome=lambda reference, cell: _result(ray, reference, cell, stop),
        )

    def _resources(self, ray: Any) -> dict[str, float]:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        cores = min(int(node.get("CPU", 1)) for node in nodes)
        gpus = max(int(node.get("GPU", 0)) for node in nodes)
        if gpus and self._device != "cpu":
            share = self._gpus_per_run or 1.0
            return {
                "num_gpus": share,
                "num_cpus": max(1, cores // (self._jobs or int(gpus / share))),
            }
        if self._gpus_per_run is not None:
            raise SettingsError(
                "`gpus_per_run`: this Ray cluster offers no GPU, or `device` is cpu; leave it out."
            )
        return {"num_cpus": max(1, cores // (self._jobs or 1))}


def _connected(address: str | None) -> Any:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Ray hides the GPUs from tasks that ask for none; the setting `device` decides here.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if address is None:
        _keep_to_loopback()
    else:
        _refuse_silent_address(address)
    import ray

    local = {"num_cpus": num_cores(), "include_dashboard": False}
    where: dict[str, Any] = {"address": address} if address else local
    attempts = 1 if address else _ATTEMPTS
    for attempt in range(1, attempts + 1):
        before = _children()
        try:
            ray.init(**where, log_to_driver=False, configure_logging=False)
        except Exception as error:
            # Ray raises plain exceptions here. On a busy machine its own servers may miss their
            # fixed time limits (ray-project/ray#65983), and the next attempt finds them cached.
            _end(_children() - before)
            if attempt == attempts:
                raise _no_answer(address, error) from error
        else:
            break
    return ray


def _keep_to_loopback() -> None:
    """Let the servers of a new cluster listen to the loopback address alone."""
    # Despite its name, this decides so on every system. Ray reads it when it is first imported,
    # and somebody else may have done that: then what it read is set right.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    import ray
    from ray._private import ray_constants

    ray_constants.ENABLE_RAY_CLUSTER = False
    if not ip_address(ray.util.get_node_ip_address()).is_loopback:
        raise SettingsError(
            f"`executor=ray`: Ray {ray.__version__} would listen to the network; "
            "use `executor=processes`, or start a cluster and name its `ray_address`."
        )


def _refuse_silent_address(address: str) -> None:
    """Say at once that nobody listens there; Ray itself tries for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and port.isdecimal()):
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise _no_answer(address, error) from error


def _children() -> set[int]:
    """Child processes of this one; none where the system does not tell."""
    lists = Path("/proc/self/task").glob("*/children")
    return {int(pid) for each in lists for pid in each.read_text().split()}


def _end(processes: set[int]) -> None:
    """End what a failed start of a cluster left running; Ray does so only when this one ends."""
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _no_answer(address: str | None, error: Exception) -> SettingsError:
    reason = " ".join(str(error).split())[:200]
    where = f"`ray_address={address}`" if address else "a Ray cluster on this machine"
    return SettingsError(
        f"{where}: no answer ({reason}); check the address, or use `executor=processes`."
    )


def _work(cell: Cell, threads: int, cwd: str) -> CellOutcome:
    """The task of one cell."""
    import torch

    if Path(cwd).is_dir():
        os.chdir(cwd)
    torch.set_num_threads(threads)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    return run_cell(cell.config, partial(append_line, cell.log))


def _result(ray: Any, reference: Any, cell: Cell, stop: Stop) -> CellOutcome | None:
    """What became of a task; `None` if it was cancelled before it began."""
    try:
        outcome: CellOutcome = ray.get(reference)
    except ray.exceptions.RayError as error:
        if stop.asked and not cell.folder.exists():
            return None
        sentence = (
            f"Its Ray worker died ({type(error).__name__}); a full memory is the usual reason."
        )
        return outcome_without_result(cell, 0.0, stop, sentence)
    return outcome
