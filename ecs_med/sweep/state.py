"""How far a run of a sweep is, known from its folder alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.files import regular_file
from ecs_med.records import Record
from ecs_med.runs import Failure, Metrics, RunFolder
from ecs_med.sweep.plan import FREE_SETTINGS, Cell

__all__ = [
    "CellState",
    "Progress",
    "can_resume",
    "read_failure",
    "read_metrics",
    "read_state",
    "refuse_other_settings",
]

Progress = Literal["done", "resumable", "failed", "missing"]

_Record = TypeVar("_Record", bound=Record)


@dataclass(frozen=True, slots=True)
class CellState:
    """How far a run is.

    Attributes:
        progress: `done` with scores; `resumable` from a checkpoint; `failed`, to be tried again;
            `missing`, to be started.
        iteration: Iterations that need not be done again, 0 where none is known.
        sentence: Why it failed, else `None`.
    """

    progress: Progress
    iteration: int = 0
    sentence: str | None = None


def read_state(folder: Path) -> CellState:
    """How far the run in `folder` is.

    A failed run may hold a usable checkpoint; its `iteration` then is above 0.

    Args:
        folder: A run folder that need not exist.
    """
    if read_metrics(folder) is not None:
        return CellState("done")
    iteration = _newest_iteration(folder)
    if (failure := read_failure(folder)) is not None:
        return CellState("failed", iteration or 0, failure.sentence)
    return CellState("missing") if iteration is None else CellState("resumable", iteration)


def can_resume(folder: Path) -> bool:
    """Whether a checkpoint and the settings it belongs to are there."""
    return _newest_iteration(folder) is not None


def read_metrics(folder: Path) -> Metrics | None:
    """The scores of the run in `folder`, `None` where there are no whole ones."""
    return _read_whole(Metrics, RunFolder(folder).metrics_file)


def read_failure(folder: Path) -> Failure | None:
    """Why the run in `folder` failed, `None` where nothing whole says so."""
    return _read_whole(Failure, RunFolder(folder).failure_file)


def _read_whole(record: type[_Record], path: Path) -> _Record | None:
    try:
        return record.read(path)
    except RunFolderError:
        return None


def refuse_other_settings(cell: Cell) -> None:
    """Make sure that what lies in a cell's folder is that cell.

    Settings that the plan leaves to the run are not compared.

    Raises:
        RunFolderError: If the run there was made with another setting, naming it.
    """
    from ecs_med.methods import fixed_settings

    folder = RunFolder(cell.folder)
    if not folder.config_file.is_file():
        return
    try:
        ran = fixed_settings(folder.read_config(), with_defaults=True)
    except SettingsError as error:
        raise RunFolderError(
            f"{error} Remove {cell.folder}, or choose another `output`."
        ) from error
    for name, planned in fixed_settings(cell.config, with_defaults=True).items():
        if name not in FREE_SETTINGS and planned != ran.get(name):
            raise RunFolderError(
                f"{cell.folder}: was run with `{name}={ran.get(name)}`, and this sweep asks for "
                f"{planned}; move that folder away, or choose another `output`."
            )


def _newest_iteration(path: Path) -> int | None:
    """Iterations in the newest checkpoint that is whole, `None` without one."""
    folder = RunFolder(path)
    try:
        folder.read_config()
    except SettingsError:
        return None
    found = map(_iteration_of, folder.checkpoint_files())
    return next((iteration for iteration in found if iteration is not None), None)


def _iteration_of(path: Path) -> int | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(regular_file(path), framework="np") as file:
            return int(file.metadata()["iteration"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
