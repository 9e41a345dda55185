"""The state of a run: two processes in one folder, signals at any time, reports on a full disk."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from situations.inputs_state import TINY
from sweep_folders import SweepSpec, write_sweep

import ecs_med
from ecs_med import files
from ecs_med.errors import RunFolderError, TrainingInterrupted
from ecs_med.reporting.sweep.report import write_budget_report
from ecs_med.runs import RunFolder
from ecs_med.runs.lock import LOCK_NAME, BusyError, hold_folder, hold_lock
from ecs_med.runs.outputs import MARKER, own_outputs
from ecs_med.sweep.budget import budget
from ecs_med.training import finish
from ecs_med.training.listener import NullListener
from ecs_med.training.train import train

HOLDER = """
import sys, time
from pathlib import Path
from ecs_med.runs.lock import hold_folder
with hold_folder(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def settings(example_folder, tmp_path):
    return {**TINY, "data": example_folder, "run": tmp_path / "run"}


@pytest.fixture
def holder(tmp_path):
    """Another process that is at work on `run`."""
    words = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process
        process.kill()


class Signals(NullListener):
    """Sends this process a signal where a run calls a method of its listener."""

    def __init__(self, where: str, number: int) -> None:
        self.sent = False

        def send(*_: object) -> None:
            if not self.sent:
                self.sent = True
                os.kill(os.getpid(), number)

        setattr(self, where, send)


def test_two_trainings_in_one_folder_the_second_is_refused(settings, holder):
    told = rf"run: another process \({holder.pid} on .*\) is at work on this; wait for it, or end"
    with pytest.raises(BusyError, match=told):
        train(settings)
    RunFolder(settings["run"]).spec_file.touch()  # a run that is further on
    with pytest.raises(BusyError, match=told):
        train(settings)
    assert not RunFolder(settings["run"]).config_file.exists()


def test_the_lock_dies_with_its_holder(settings, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert RunFolder(train(settings)).is_finished
    assert not (settings["run"] / LOCK_NAME).exists()


def test_a_forked_worker_does_not_hold_the_lock(tmp_path):
    with hold_lock(tmp_path / "lock"):
        worker = os.fork()
        if not worker:
            time.sleep(30)
            os._exit(0)
    with hold_lock(tmp_path / "lock"):
        pass
    os.kill(worker, signal.SIGKILL)
    os.waitpid(worker, 0)


def test_two_sweeps_in_one_folder_the_second_is_refused(example_folder, tmp_path):
    grid = {"budgets": ["all"], "methods": ["supervised"], "seeds": [0]}
    shared = {name: value for name, value in TINY.items() if name != "method"}
    with hold_folder(tmp_path / "sweep"), pytest.raises(BusyError, match=r"sweep: another process"):
        budget(example_folder, **grid, settings=shared, output=tmp_path / "sweep")
    assert not (tmp_path / "sweep").exists()


def test_a_refused_run_leaves_no_folder(settings):
    with pytest.raises(ecs_med.errors.SettingsError):
        train({**settings, "run": settings["run"] / "deep" / "er", "corrector_encoder": "no such"})
    assert not settings["run"].exists()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_while_preparing_loses_nothing(settings, name):
    number = getattr(signal, name)
    former = signal.getsignal(number)
    told = f"Stopped by {name} before the first iteration, nothing is lost; start again with"
    with pytest.raises(TrainingInterrupted, match=told) as caught:
        train(settings, Signals("preparing", number))
    assert caught.value.exit_code == 75
    assert signal.getsignal(number) == former
    assert not RunFolder(settings["run"]).is_run
    assert RunFolder(train(settings)).is_finished


def test_a_signal_while_scoring_is_resumed(settings, monkeypatch):
    evaluate = finish.evaluate_cases

    def interrupted(*words, **options):
        os.kill(os.getpid(), signal.SIGHUP)
        return evaluate(*words, **options)

    monkeypatch.setattr(finish, "evaluate_cases", interrupted)
    told = "Stopped by SIGHUP outside of the iterations, everything is saved; go on with"
    with pytest.raises(TrainingInterrupted, match=told):
        train(settings)
    monkeypatch.setattr(finish, "evaluate_cases", evaluate)
    assert RunFolder(train(settings, resume=True)).is_finished


def test_a_signal_while_iterating_saves_first(settings):
    told = "Stopped by SIGHUP after iteration 1, everything is saved"
    with pytest.raises(TrainingInterrupted, match=told):
        train(settings, Signals("trained", signal.SIGHUP))
    assert RunFolder(settings["run"]).progress() == (1, 2)


def test_an_ignored_hangup_stays_ignored(settings):
    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        run = train(settings, Signals("preparing", signal.SIGHUP))
    finally:
        signal.signal(signal.SIGHUP, former)
    assert RunFolder(run).is_finished


def full_after(monkeypatch, number: int) -> None:
    """Let the disk be full when so many files have been written."""
    left, write = [number], files.os.fsync

    def fsync(handle: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(handle)

    monkeypatch.setattr(files.os, "fsync", fsync)


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Folders of finished runs."""
    folder = tmp_path_factory.mktemp("sweep")
    return write_sweep(folder, SweepSpec(budgets=("1/16", "1/4"), num_samples=1, num_test=8))


@pytest.mark.parametrize("number", [0, 1, 7, 15])
def test_a_report_on_a_full_disk_leaves_the_old_one_whole(sweep, tmp_path, monkeypatch, number):
    write_budget_report(tmp_path, sweep)
    before = content(tmp_path)
    full_after(monkeypatch, number)
    with pytest.raises(RunFolderError, match="No space left on device") as caught:
        write_budget_report(tmp_path, sweep, minutes_per_label=3)
    assert "resume" not in str(caught.value)
    assert "free space" in str(caught.value)
    assert content(tmp_path) == before
    monkeypatch.undo()
    write_budget_report(tmp_path, sweep, minutes_per_label=3)
    after = content(tmp_path)
    assert after.keys() == before.keys()
    assert after["budget.html"] != before["budget.html"]


def test_a_run_whose_report_finds_no_space_is_finished_by_resuming(settings, monkeypatch):
    def full(*_):
        raise RunFolderError("full")

    write = finish.write_report
    monkeypatch.setattr(finish, "write_report", full)
    with pytest.raises(RunFolderError, match="full"):
        train(settings)
    monkeypatch.setattr(finish, "write_report", write)
    assert RunFolder(train(settings, resume=True)).report_file.is_file()


def test_a_full_disk_in_training_names_its_own_option(settings, monkeypatch):
    full_after(monkeypatch, 1)
    with pytest.raises(RunFolderError, match="go on with `resume`"):
        train(settings)


def test_runs_and_sweeps_are_marked_whole(sweep, tmp_path, settings):
    assert own_outputs(train(settings)).whole
    write_budget_report(tmp_path / "new", sweep)
    assert own_outputs(tmp_path / "new").whole


def test_a_folder_that_held_files_of_others_is_never_marked_whole(sweep, tmp_path, settings):
    for folder in (settings["run"], tmp_path / "report"):
        folder.mkdir()
        (folder / "holiday.png").write_bytes(b"mine")
    assert not own_outputs(train(settings)).whole
    gallery = RunFolder(settings["run"]).gallery
    panels = [path.name for path in gallery.glob("*.png")]
    assert panels
    assert all(own_outputs(gallery).holds(name) for name in panels)
    write_budget_report(tmp_path / "report", sweep)
    assert not own_outputs(tmp_path / "report").whole
    figures = own_outputs(tmp_path / "report" / "figures")
    assert all(figures.holds(path.name) for path in figures.folder.glob("*.png"))
    assert (tmp_path / "report" / "figures" / MARKER).is_file()
