"""The files of a run folder: what is written when, and what may be taken up again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecs_med.config import TrainConfig
from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.files import write_json, write_text
from ecs_med.methods import fixed_settings

__all__ = ["History", "create_run_folder", "refuse_existing_run", "resume_config", "write_config"]

_MAY_DIFFER = ("data", "run", "workers", "cache", "tensorboard")
"""Settings that may change on resuming, because the result does not depend on them."""


def refuse_existing_run(folder: Path) -> None:
    """Protect a run that is there; one that never reached its first checkpoint may be taken over.

    Raises:
        RunFolderError: If `folder` holds a run.
    """
    if (folder / "model.json").exists() or any((folder / "checkpoints").glob("*.safetensors")):
        raise RunFolderError(
            f"{folder}: holds a run already; go on with it by --resume, or choose another --run."
        )


def create_run_folder(folder: Path) -> None:
    """Make a run folder.

    Raises:
        RunFolderError: If it cannot be made.
    """
    try:
        (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(
            f"{folder}: cannot be made ({error.strerror}); choose another --run."
        ) from error


def resume_config(folder: Path, config: TrainConfig) -> TrainConfig:
    """The settings of the run in `folder`, if `config` does not contradict them.

    Args:
        folder: Run folder.
        config: What the user asks for now; only settings given explicitly are compared.

    Raises:
        RunFolderError: If there is nothing to resume.
        SettingsError: If a setting differs from the run's.
    """
    path = folder / "config.json"
    if not path.is_file() or not any((folder / "checkpoints").glob("*.safetensors")):
        raise RunFolderError(
            f"{folder}: nothing to resume here; leave out --resume to start this run."
        )
    if (folder / "metrics.json").is_file():
        raise RunFolderError(
            f"{folder}: this run is complete, there is nothing to resume; choose another --run to "
            "train again."
        )
    saved = TrainConfig.from_file(path)
    ran = fixed_settings(saved)
    for name, asked in fixed_settings(config).items():
        if name not in _MAY_DIFFER and asked != ran.get(name):
            raise SettingsError(
                f"{folder}: was started with {name}={ran.get(name)}, not {asked}; resume it with "
                "its own settings, or choose another --run."
            )
    changes = {name: getattr(config, name) for name in ("workers", "tensorboard")}
    return saved.model_copy(update={**changes, "run": folder, "data": config.data})


class History:
    """`history.jsonl`: one row per log and per validation, appended as they come.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, row: Mapping[str, Any]) -> None:
        """Add one row and push it to the disk.

        Raises:
            RunFolderError: If it cannot be written.
        """
        try:
            with self.path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(row, allow_nan=False) + "\n")
        except OSError as error:
            raise RunFolderError(
                f"{self.path}: cannot be written ({error.strerror}); free disk space, then go on "
                "with --resume."
            ) from error

    def rewind(self, iteration: int) -> None:
        """Forget rows after `iteration`, and a last row torn by a crash."""
        kept = []
        if self.path.is_file():
            for line in self.path.read_text(encoding="utf-8").splitlines():
                try:
                    row = json.loads(line)
                except json.JSONDecodeError:
                    continue
                if row["iteration"] <= iteration:
                    kept.append(line)
        write_text(self.path, "".join(f"{line}\n" for line in kept))


def write_config(folder: Path, config: TrainConfig) -> None:
    """Write `config.json`."""
    write_json(folder / "config.json", config.model_dump(mode="json"))
