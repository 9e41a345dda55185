"""Cells in processes of this machine, as many at once as there are places.

On a CPU the processes are forked from a server that has imported everything once, so that a
short run does not pay seconds of imports; each still is a process of its own, which can die
alone. With GPUs they are started afresh, because CUDA does not survive a fork.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from typing import Any, ClassVar

from ecs_med.memory import free_memory
from ecs_med.sweep.cell import CellOutcome, run_cell
from ecs_med.sweep.executors.base import (
    Done,
    Executor,
    Stop,
    num_cores,
    outcome_without_result,
    refuse_wrong_shares,
)
from ecs_med.sweep.lock_and_log import append_line, send_output_to
from ecs_med.sweep.plan import Cell

__all__ = ["ProcessExecutor", "Slot", "local_slots", "usual_jobs"]

_LOOK_SECONDS = 0.25
_MOST_JOBS = 4
_RUN_BYTES = 8 * 2**30
_THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Slot:
    """A place for one run at a time.

    Attributes:
        threads: Computing threads of the run.
        gpu: The one GPU that it sees, as `CUDA_VISIBLE_DEVICES` names it; `None`: it sees
            whatever this process sees.
    """

    threads: int
    gpu: str | None = None


@dataclass(slots=True)
class _Running:
    """A cell and the process that runs it."""

    cell: Cell
    slot: Slot
    process: Any
    result: Connection
    lifeline: Connection
    started: float
    signals_sent: int = 0


class ProcessExecutor(Executor):
    """Local processes: one per GPU, or some on a CPU.

    Args:
        device: Setting of the runs.
        jobs: Runs at once; `None`: one per GPU, or on a CPU `usual_jobs`.
        gpus_per_run: Share of a GPU for one run.
        preload: Modules that processes are forked with.

    Raises:
        SettingsError: If a number is out of range.
    """

    name: ClassVar[str] = "processes"

    def __init__(
        self,
        device: str = "auto",
        jobs: int | None = None,
        gpus_per_run: float | None = None,
        preload: Sequence[str] = ("ecs_med.training.train",),
    ) -> None:
        self._preload = list(preload)
        self.slots = local_slots(device, jobs, gpus_per_run)

    @property
    def places(self) -> int:
        """How many cells run at once."""
        return len(self.slots)

    @property
    def threads(self) -> int | None:
        """Computing threads of a run."""
        return self.slots[0].threads

    def prepare(self) -> None:
        """Let the server of processes begin its imports."""
        self._context()

    def run(self, cells: Sequence[Cell], done: Done, stop: Stop) -> None:
        """Run cells; see `Executor`."""
        context = self._context()
        waiting, free = list(cells), list(self.slots)
        running: list[_Running] = []
        try:
            while running or (waiting and not stop.asked):
                while waiting and free and not stop.asked:
                    running.append(_start(context, waiting.pop(0), free.pop(0)))
                if stop.asked:
                    _pass_on(stop, running)
                wait([r.process.sentinel for r in running], timeout=_LOOK_SECONDS)
                for ended in [r for r in running if not r.process.is_alive()]:
                    running.remove(ended)
                    free.append(ended.slot)
                    done(ended.cell, _outcome(ended, stop))
        finally:
            for left in running:
                left.process.kill()

    def _context(self) -> BaseContext:
        if sys.platform != "linux" or any(slot.gpu is not None for slot in self.slots):
            return multiprocessing.get_context("spawn")
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(self._preload)
        from multiprocessing.forkserver import ensure_running

        # A server with one thread can be forked; each run sets its own number afterwards.
        former = dict(os.environ)
        os.environ.update(dict.fromkeys(_THREAD_SETTINGS, "1"))
        try:
            ensure_running()
        finally:
            os.environ.clear()
            os.environ.update(former)
        return context


def _start(context: BaseContext, cell: Cell, slot: Slot) -> _Running:
    result, to_parent = context.Pipe(duplex=False)
    from_parent, lifeline = context.Pipe(duplex=False)
    process = context.Process(  # type: ignore[attr-defined]
        target=_work,
        args=(cell, slot, dict(os.environ), to_parent, from_parent),
        name=cell.name,
    )
    process.start()
    to_parent.close()
    from_parent.close()
    return _Running(cell, slot, process, result, lifeline, time.monotonic())


def _work(
    cell: Cell, slot: Slot, environment: Mapping[str, str], result: Connection, lifeline: Connection
) -> None:
    """The process of one cell."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(lifeline,), daemon=True).start()
    os.environ.clear()
    os.environ.update(environment, **dict.fromkeys(_THREAD_SETTINGS, str(slot.threads)))
    if slot.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = slot.gpu
    send_output_to(cell.log)
    import torch

    torch.set_num_threads(slot.threads)
    outcome = run_cell(cell.config, partial(append_line, cell.log))
    with suppress(BrokenPipeError):  # The sweep is gone; the folder says the same.
        result.send(outcome)


def _end_with_parent(lifeline: Connection) -> None:
    """Stop resumably when the sweep is gone, however it went."""
    try:
        lifeline.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)


def _pass_on(stop: Stop, running: Sequence[_Running]) -> None:
    for each in running:
        if stop.at_once and each.signals_sent < 2:
            each.process.kill()
        elif each.signals_sent < 1:
            each.process.terminate()
        each.signals_sent = max(each.signals_sent, min(stop.requests, 2))


def _outcome(ended: _Running, stop: Stop) -> CellOutcome:
    """What a process said, or what its death means."""
    seconds = time.monotonic() - ended.started
    try:
        if ended.result.poll():
            outcome: CellOutcome = ended.result.recv()
            return outcome
    except (EOFError, OSError):
        pass
    finally:
        ended.result.close()
        ended.lifeline.close()
    ended.process.join()
    return outcome_without_result(ended.cell, seconds, stop, _death(ended.process.exitcode or 0))


def _death(code: int) -> str:
    if code >= 0:
        return f"Its process ended with code {code} and without a word; see its log."
    name = signal.Signals(-code).name
    hint = "; a full memory is the usual reason, lower `jobs` or `batch`" if code == -9 else ""
    return f"Its process was ended by {name}{hint}."


def local_slots(device: str, jobs: int | None, gpus_per_run: float | None) -> list[Slot]:
    """Places on this machine.

    With GPUs, one place a GPU, or several with `gpus_per_run` below 1; `jobs` then is the most
    that run at once. Without, `jobs` places, else `usual_jobs`. The cores are divided equally,
    since threads of several runs on one core slow all of them down; `OMP_NUM_THREADS` is respected
    as an upper bound.

    Args:
        device: Setting of the runs: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        jobs: Runs at once, at least 1.
        gpus_per_run: Share of a GPU for one run, above 0 and at most 1.

    Raises:
        SettingsError: If a number is out of range.
    """
    refuse_wrong_shares(jobs, gpus_per_run)
    gpus = _visible_gpus() if device in ("auto", "cuda") else []
    if not gpus:
        number = jobs or usual_jobs()
        return [Slot(_threads(number))] * number
    each = int(1 / (gpus_per_run or 1.0) + 1e-6)
    # The second run on a GPU comes after every GPU has its first.
    places = [gpu for _ in range(each) for gpu in gpus][: jobs or None]
    return [Slot(_threads(len(places)), gpu) for gpu in places]


def usual_jobs() -> int:
    """How many runs a machine without GPUs does at once where nobody says it.

    Two runs on a core each end sooner than one after the other on both: 135 s instead of 180 s for
    the trial of a published table. One run for `_RUN_BYTES` of free memory, one a core, and not
    more than `_MOST_JOBS`, for the bandwidth of the memory is shared.
    """
    free = free_memory()
    fitting = _MOST_JOBS if free is None else free // _RUN_BYTES
    return max(1, min(num_cores(), fitting, _MOST_JOBS))


def _threads(num_runs: int) -> int:
    share = max(1, num_cores() // num_runs)
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(asked)) if asked.isdecimal() and int(asked) > 0 else share


def _visible_gpus() -> list[str]:
    """GPUs of this process by the names under which a child can be given one of them."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [part.strip() for part in named.split(",") if part.strip() not in ("", "-1")]
    import torch

    return [str(index) for index in range(torch.cuda.device_count())]
