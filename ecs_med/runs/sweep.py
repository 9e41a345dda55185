"""The folder of a sweep: where its files lie, and what is planned in it."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import JsonValue

from ecs_med.errors import RunFolderError
from ecs_med.records import Record

__all__ = ["PlannedRun", "SweepFolder", "SweepPlan"]


class PlannedRun(Record):
    """One run of a plan."""

    method: str
    """Name of the training method."""
    labeled: str
    """Labelled budget as asked for."""
    seed: int
    """Seed of the run."""
    folder: Path
    """Run folder, relative to that of the sweep."""


class SweepPlan(Record):
    """`sweep.json`: what a sweep was asked for; what has become of it is in its run folders."""

    remedy: ClassVar[str] = "update ecs-med if it is of a later version, or choose another `output`"
    version: Literal[1] = 1
    """Version of this file."""
    data: Path
    """Folder or list file."""
    budgets: tuple[str, ...]
    """Labelled budgets."""
    methods: tuple[str, ...]
    """Names of training methods."""
    seeds: tuple[int, ...]
    """Each draws a labelled subset, the same for every method."""
    settings: dict[str, JsonValue]
    """Fields of `TrainConfig` that all runs share."""
    cells: tuple[PlannedRun, ...]
    """Every run."""


@dataclass(frozen=True, slots=True)
class SweepFolder:
    """The files of one sweep.

    Attributes:
        path: The folder; it need not exist.
    """

    path: Path

    @property
    def plan_file(self) -> Path:
        """What is planned."""
        return self.path / "sweep.json"

    @property
    def runs(self) -> Path:
        """Folder of the run folders."""
        return self.path / "runs"

    @property
    def logs(self) -> Path:
        """Folder of what the runs print, outside of their folders, which may be cleared."""
        return self.path / "logs"

    @property
    def report_file(self) -> Path:
        """What labels buy, one page."""
        return self.path / "budget.html"

    def read_plan(self) -> SweepPlan | None:
        """The plan, `None` where there is none.

        Raises:
            RunFolderError: If it is damaged, or was written by another version.
        """
        try:
            return SweepPlan.parse_json(self.plan_file.read_bytes(), self.plan_file)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RunFolderError(
                f"{self.plan_file}: cannot be read ({error.strerror}); check its permissions."
            ) from error
