"""Reads a run folder for the report; every part but the folder itself may be missing."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ecs_med.config import TrainConfig
from ecs_med.errors import EcsMedError, RunFolderError
from ecs_med.reporting.text import plural
from ecs_med.runs import Gallery, History, Manifest, Metrics, RunFolder, read_history
from ecs_med.splits import SplitDocument

__all__ = ["RunRecord", "read_run"]

Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a run folder holds; `None` for a file that is missing or damaged.

    Attributes:
        history: Empty where the file is missing.
        notes: One sentence for each part that is damaged.
    """

    folder: Path
    config: TrainConfig | None
    split: SplitDocument | None
    metrics: Metrics | None
    manifest: Manifest | None
    gallery: Gallery | None
    history: History
    notes: tuple[str, ...] = ()

    @property
    def unit(self) -> str:
        """What a case is called."""
        return self.manifest.data.unit if self.manifest else "image"

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, background first; empty where nothing has been written of them."""
        if part := self.metrics or self.gallery:
            return part.class_names
        return (self.config.reading.class_names if self.config else None) or ()

    @property
    def uses_corrector(self) -> bool:
        """Whether the method has a corrector; before the end of a run, whether it was scored."""
        if self.manifest is not None:
            return self.manifest.method.uses_corrector
        return any(row.pseudo_labels or row.corrector for row in self.history.validation)

    @property
    def chosen_iteration(self) -> int | None:
        """Iteration whose weights the run keeps: as scored, else the best validated so far."""
        if self.metrics is not None:
            return self.metrics.best_iteration
        flagged = [row.iteration for row in self.history.validation if row.best]
        return flagged[-1] if flagged else None


def read_run(path: Path) -> RunRecord:
    """Read everything that a report is made of.

    Raises:
        RunFolderError: If `path` is no folder, or holds none of the files of a run.
    """
    folder = RunFolder(path)
    if not path.is_dir():
        raise RunFolderError(f"{path}: no such run folder; check the path of the run.")
    if not folder.is_run:
        raise RunFolderError(
            f"{path}: not a run folder (no config.json in it); name a folder that "
            "`ecs-med train` has written."
        )
    notes: list[str] = []

    def part(file: Path, read: Callable[[Path], Part]) -> Part | None:
        """`None` where a file is missing, or damaged, which `notes` then say."""
        if not file.exists():
            return None
        try:
            return read(file)
        except EcsMedError as error:
            reason = str(error).removeprefix(f"{file}: ")
            notes.append(f"{file.relative_to(path)} cannot be shown: {reason}")
            return None

    history = part(folder.history_file, read_history) or History()
    if history.num_skipped:
        notes.append(
            f"history.jsonl has {plural(history.num_skipped, 'unreadable line')}, left by a "
            "process that was stopped while writing; the rest is shown."
        )
    return RunRecord(
        folder=path,
        config=part(folder.config_file, lambda _: folder.read_config()),
        split=part(folder.split_file, SplitDocument.read),
        metrics=part(folder.metrics_file, Metrics.read),
        manifest=part(folder.manifest_file, Manifest.read),
        gallery=part(folder.gallery / "gallery.json", Gallery.read),
        history=history,
        notes=tuple(notes),
    )
