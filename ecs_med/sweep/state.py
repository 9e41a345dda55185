"""How far a run of a sweep is, known from its folder alone."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ecs_med.config import TrainConfig
from ecs_med.errors import EcsMedError, RunFolderError, SettingsError
from ecs_med.methods import fixed_settings
from ecs_med.sweep.plan import Cell
from ecs_med.sweep.plan_file import MAY_DIFFER

__all__ = [
    "FAILURE_FILE",
    "CellState",
    "Progress",
    "can_resume",
    "look_at",
    "read_object",
    "refuse_other_settings",
]

FAILURE_FILE = "failure.json"

Progress = Literal["done", "resumable", "failed", "missing"]

_PLACES = ("data", "run", *MAY_DIFFER)
"""Settings on which no result depends: where things lie, and who prepares batches."""


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


def look_at(folder: Path) -> CellState:
    """How far the run in `folder` is.

    A failed run may hold a usable checkpoint; its `iteration` then is above 0.

    Args:
        folder: A run folder that need not exist.
    """
    if (metrics := read_object(folder / "metrics.json")) is not None and "test" in metrics:
        return CellState("done")
    iteration = _newest_iteration(folder)
    failure = read_object(folder / FAILURE_FILE)
    if failure is not None:
        sentence = str(failure.get("sentence", "It failed without a word."))
        return CellState("failed", iteration or 0, sentence)
    if iteration is not None:
        return CellState("resumable", iteration)
    return CellState("missing")


def can_resume(folder: Path) -> bool:
    """Whether a checkpoint and the settings it belongs to are there."""
    return _newest_iteration(folder) is not None


def refuse_other_settings(cell: Cell) -> None:
    """Make sure that what lies in a cell's folder is that cell.

    Settings that the plan leaves to the run (`None` or `auto`) are not compared.

    Raises:
        RunFolderError: If the run there was made with another setting, naming it.
    """
    path = cell.folder / "config.json"
    if not path.is_file():
        return
    try:
        ran = fixed_settings(TrainConfig.from_file(path), with_defaults=True)
    except SettingsError as error:
        raise RunFolderError(f"{error} Remove {cell.folder}, or choose another --out.") from error
    for name, planned in fixed_settings(cell.config, with_defaults=True).items():
        if name not in _PLACES and planned != ran.get(name):
            raise RunFolderError(
                f"{cell.folder}: was run with {name}={ran.get(name)}, and this sweep asks for "
                f"{planned}; move that folder away, or choose another --out."
            )


def read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file, `None` where there is no whole one."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def _newest_iteration(folder: Path) -> int | None:
    """Iterations in the newest checkpoint that is whole, `None` without one."""
    if read_object(folder / "config.json") is None:
        return None
    for path in sorted((folder / "checkpoints").glob("iteration-*.safetensors"), reverse=True):
        iteration = _iteration_of(path)
        if iteration is not None:
            return iteration
    return None


def _iteration_of(path: Path) -> int | None:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            return int(file.metadata()["iteration"])
    except (OSError, SafetensorError, EcsMedError, KeyError, TypeError, ValueError):
        return None
