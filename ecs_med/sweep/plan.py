"""The plan of a sweep: which runs there are, each with all of its settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from ecs_med.config import BASELINE_METHOD, DEFAULT_METHOD, Settings, TrainConfig
from ecs_med.errors import SettingsError
from ecs_med.sweep.axes import folder_name

__all__ = [
    "CELL_SETTINGS",
    "Cell",
    "SweepConfig",
    "cell_name",
    "describe_cells",
    "plan_cells",
]

CELL_SETTINGS = ("data", "labeled", "method", "run", "seed")
"""Settings of a run that the plan decides cell by cell or for all, not `SweepConfig.settings`."""


class SweepConfig(Settings):
    """Everything that decides a sweep."""

    data: Path
    """Folder or list file."""
    out: Path
    """Folder of the sweep."""
    budgets: tuple[str, ...] = Field(min_length=1)
    """Labelled budgets, each as `--labeled` takes it."""
    methods: tuple[str, ...] = Field((BASELINE_METHOD, DEFAULT_METHOD), min_length=1)
    """Names of training methods."""
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1)
    """Each seed draws a labelled subset, the same for every method."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """Fields of `TrainConfig` that all runs share, as given; `iterations` has to be among them
    before cells are planned, so that all of them take equally many steps."""

    @field_validator("settings")
    @classmethod
    def _only_shared_settings(cls, settings: dict[str, Any]) -> dict[str, Any]:
        for name in CELL_SETTINGS:
            if name in settings:
                raise ValueError(f"'{name}' is decided by the sweep; leave it out")
        return settings


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a sweep.

    Attributes:
        method: Name of the training method.
        labeled: Labelled budget as asked for.
        seed: Seed of the run.
        config: All settings of the run, its folder among them.
    """

    method: str
    labeled: str
    seed: int
    config: TrainConfig

    @property
    def name(self) -> str:
        """Name of the run folder: `ecs-1-16-s0`."""
        return cell_name(self.method, self.labeled, self.seed)

    @property
    def label(self) -> str:
        """The cell in words: `ecs, 1/16, seed 0`."""
        return f"{self.method}, {self.labeled}, seed {self.seed}"

    @property
    def folder(self) -> Path:
        """The run folder."""
        assert self.config.run is not None
        return self.config.run

    @property
    def log(self) -> Path:
        """What the run printed; outside of its folder, which may be cleared to start anew."""
        return self.folder.parent.parent / "logs" / f"{self.name}.log"


def cell_name(method: str, labeled: str, seed: int) -> str:
    """Name of a cell's run folder."""
    return f"{method}-{folder_name(labeled)}-s{seed}"


def plan_cells(sweep: SweepConfig) -> list[Cell]:
    """All cells of a sweep, seed by seed and small budgets first as they are given.

    Seeds are the outermost loop, so that a sweep that is stopped early holds whole curves.

    Args:
        sweep: With `iterations` in its settings.

    Returns:
        One cell for every combination.

    Raises:
        SettingsError: If a setting is unknown or wrong.
    """
    shared = dict(sweep.settings)
    iterations = shared.get("iterations")
    if iterations is None:
        raise SettingsError("Equal steps for all runs need --iterations to be decided first.")
    every = shared.get("evaluate_every")
    if every is not None:
        # A run records the smaller one, and would not be recognised by the larger.
        shared["evaluate_every"] = min(int(every), int(iterations))
    return [
        _cell(sweep, shared, method, labeled, seed)
        for seed in sweep.seeds
        for labeled in sweep.budgets
        for method in sweep.methods
    ]


def _cell(sweep: SweepConfig, shared: dict[str, Any], method: str, labeled: str, seed: int) -> Cell:
    run = sweep.out / "runs" / cell_name(method, labeled, seed)
    config = TrainConfig.parse(
        {
            **shared,
            "data": sweep.data,
            "method": method,
            "labeled": labeled,
            "seed": seed,
            "run": run,
        }
    )
    return Cell(method, labeled, seed, config)


def describe_cells(cells: Sequence[Cell], out: Path) -> list[dict[str, Any]]:
    """The cells as `sweep.json` lists them, folders relative to `out`."""
    return [
        {
            "method": cell.method,
            "labeled": cell.labeled,
            "seed": cell.seed,
            "folder": cell.folder.relative_to(out).as_posix(),
        }
        for cell in cells
    ]
