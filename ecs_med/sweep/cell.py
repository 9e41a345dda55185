"""One run of a sweep, from whatever lies in its folder to its scores or a recorded failure.

`python -m ecs_med.sweep.cell FILE.json` does the same for settings in a file.
"""

import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Literal

from ecs_med.config import TrainConfig
from ecs_med.errors import EcsMedError, SettingsError, TrainingInterrupted
from ecs_med.files import remedy_of_writing
from ecs_med.runs import Failure, RunFolder
from ecs_med.sweep.lock_and_log import BusyError, LogListener, hold_lock
from ecs_med.sweep.state import can_resume, read_failure, read_metrics
from ecs_med.training.interruption import signals_to

__all__ = ["CellOutcome", "main", "outcome_of_folder", "record_failure", "run_cell"]

STOPPED = 75
BUG = 1

_PATIENCE = 60.0
"""Seconds granted to a run whose sweep was killed to save and end."""


@dataclass(frozen=True, slots=True)
class CellOutcome:
    """What became of a run.

    Attributes:
        progress: `done`, `failed`, or `stopped` by a signal with everything saved.
        seconds: Spent on it now; earlier starts of the same run are not counted.
        miou: On the test cases, 0 to 1; `None` unless done, and where no class occurs.
        sentence: Why it is not done, else `None`.
        exit_code: 0, 75 if stopped, else as the command line would end.
    """

    progress: Literal["done", "failed", "stopped"]
    seconds: float
    miou: float | None = None
    sentence: str | None = None
    exit_code: int = 0


class _Stopped(BaseException):
    """A signal outside of the training loop, where no state has to be saved."""


def run_cell(config: TrainConfig, log: Callable[[str], None]) -> CellOutcome:
    """Train a run or go on with it, in this process.

    SIGTERM, and Ctrl-C unless it is ignored, end it with everything saved. A failure is
    written into the run folder as `failure.json`; it never raises.

    Args:
        config: Settings with `run`.
        log: Takes lines for whoever wants to know how it went.

    Returns:
        What became of it.
    """
    assert config.run is not None
    folder, started = config.run, time.monotonic()
    try:
        with (
            signals_to(_stop_anywhere),
            remedy_of_writing("free disk space, then start the sweep again"),
            hold_lock(_lock_of(folder), _PATIENCE),
        ):
            RunFolder(folder).failure_file.unlink(missing_ok=True)
            _train(config, folder, log)
        return outcome_of_folder(folder, time.monotonic() - started)
    except (_Stopped, TrainingInterrupted) as error:
        sentence = str(error) or "Stopped before or after its iterations."
        log(sentence)
        return CellOutcome(
            "stopped", time.monotonic() - started, sentence=sentence, exit_code=STOPPED
        )
    except BusyError as error:
        code, sentence = error.exit_code, str(error)
    except EcsMedError as error:
        code, sentence = error.exit_code, str(error)
        record_failure(folder, sentence, code)
    except Exception as error:
        log(traceback.format_exc())
        code, sentence = BUG, " ".join(f"this is a bug: {type(error).__name__}: {error}".split())
        record_failure(folder, sentence, code)
    log(sentence)
    return CellOutcome("failed", time.monotonic() - started, sentence=sentence, exit_code=code)


def _lock_of(folder: Path) -> Path:
    locks = folder.parent / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    return locks / f"{folder.name}.lock"


def _train(config: TrainConfig, folder: Path, log: Callable[[str], None]) -> None:
    if read_metrics(folder) is not None:
        return
    resume = can_resume(folder)
    if not resume:
        _clear_remains(folder)
    from ecs_med.training.train import train

    train(config, LogListener(log), resume=resume)


def _clear_remains(folder: Path) -> None:
    """Take away what a run without one whole checkpoint left, which `train` would not write over.

    Only files that a run writes; the folder may hold others if its name was given by hand.
    """
    run = RunFolder(folder)
    for path in (*run.checkpoint_files(), run.spec_file, run.history_file):
        path.unlink(missing_ok=True)


def outcome_of_folder(folder: Path, seconds: float) -> CellOutcome:
    """The outcome of a run that ended out of sight.

    Args:
        folder: Its folder.
        seconds: How long it took.

    Returns:
        `done` with its score, or `failed` with the recorded sentence.
    """
    if (metrics := read_metrics(folder)) is not None:
        return CellOutcome("done", seconds, miou=metrics.test.miou)
    if (failure := read_failure(folder)) is not None:
        return CellOutcome("failed", seconds, None, failure.sentence, failure.exit_code)
    sentence = f"{folder}: ended without scores and without a word."
    return CellOutcome("failed", seconds, None, sentence, BUG)


def record_failure(folder: Path, sentence: str, exit_code: int) -> None:
    """Write `failure.json`, unless the disk refuses; the outcome says the same then.

    Args:
        folder: Run folder, made if it is not there.
        sentence: What happened.
        exit_code: As the command line would end.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    failure = Failure(sentence=sentence, exit_code=exit_code, time=now)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        failure.write(RunFolder(folder).failure_file)
    except (OSError, EcsMedError):
        return


def _stop_anywhere(number: int, _: FrameType | None) -> None:
    """Let signals end preparation and scoring too, not only the training loop."""
    raise _Stopped(f"Stopped by {signal.Signals(number).name}.")


def main(arguments: Sequence[str]) -> int:
    """Run the cell whose settings are in a file.

    Args:
        arguments: The path of a JSON or YAML file of settings with `run`.

    Returns:
        0 done, 1 a bug, 2 wrong settings or data, 75 stopped but resumable.
    """

    def tell(line: str) -> None:
        sys.stderr.write(line.rstrip("\n") + "\n")

    try:
        if len(arguments) != 1:
            raise SettingsError("Name one file of settings: python -m ecs_med.sweep.cell FILE.json")
        config = TrainConfig.from_file(Path(arguments[0]))
        if config.run is None:
            raise SettingsError(f"{arguments[0]}: names no run folder; add the setting `run`.")
    except SettingsError as error:
        tell(str(error))
        return error.exit_code
    return run_cell(config, tell).exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
