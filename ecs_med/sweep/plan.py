"""The plan of a sweep: which runs there are, each with all of its settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator

from ecs_med.config import BASELINE_METHOD, DEFAULT_METHOD, Settings, TrainConfig
from ecs_med.errors import SettingsError
from ecs_med.names import file_name
from ecs_med.runs import SweepFolder
from ecs_med.splits import DRAWS
from ecs_med.sweep.axes import budget_key, folder_name

if TYPE_CHECKING:
    from ecs_med.training.images import Images

__all__ = [
    "CELL_SETTINGS",
    "FREE_SETTINGS",
    "Cell",
    "SweepConfig",
    "cell_name",
    "decide_open_settings",
    "is_open",
    "plan_cells",
]

CELL_SETTINGS = ("data", "draw_from", "fold", "folds", "labeled", "method", "run", "seed")
"""Settings of a run that follow from the axes and the folder of a sweep, not from its settings."""

FREE_SETTINGS = TrainConfig.fields_affecting("place")
"""Settings that a second start may change, and in which runs of one sweep may differ: no result
depends on them. What affects the result may not, nor may device and precision (`machine`), on which
its last digits depend, so that a run is resumed exactly and methods are compared fairly."""


_SIDES = (16, 2**15)
"""Of images that are smaller, and larger, than any that count."""


class SweepConfig(Settings):
    """Everything that decides a sweep."""

    data: Path
    """Folder or list file."""
    out: Path
    """Folder of the sweep."""
    budgets: tuple[str, ...] = Field(min_length=1)
    """Labelled budgets, each as `labeled` takes it."""
    methods: tuple[str, ...] = Field((BASELINE_METHOD, DEFAULT_METHOD), min_length=1)
    """Names of training methods."""
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1)
    """Each seed draws a labelled subset, the same for every method."""
    draws: tuple[str, ...] = ()
    """Several ways to choose the labels, each a curve of its own: draws, and rules of `ecs-med
    suggest`, which add to the labels of a budget by the model that was trained on them; empty: that
    of `draw` in the settings."""
    folds: int | None = Field(None, ge=2, le=1000)
    """Cross-validation: a run for each of so many folds, and every case that has a mask is tested
    on once; `None`: one run, tested on the cases of the data set or those that the seed draws."""
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
        """Name of the run folder: `ecs-1-16-s0`, in cross-validation `ecs-1-16-s0-f2`."""
        return self.folder.name

    @property
    def label(self) -> str:
        """The cell in words: `ecs, 1/16, seed 0`."""
        draw = "" if self.config.draw == "random" else f", {self.config.draw}"
        fold = "" if self.config.fold is None else f", fold {self.config.fold}"
        return f"{self.method}{draw}, {self.labeled}, seed {self.seed}{fold}"

    @property
    def folder(self) -> Path:
        """The run folder."""
        assert self.config.run is not None
        return self.config.run

    @property
    def log(self) -> Path:
        """What the run printed; outside of its folder, which may be cleared to start anew."""
        return SweepFolder(self.folder.parent.parent).logs / f"{self.name}.log"


def cell_name(
    method: str, labeled: str, seed: int, *, fold: int | None = None, draw: str | None = None
) -> str:
    """Name of a cell's run folder."""
    of_fold = "" if fold is None else f"-f{fold}"
    by = "" if draw is None else f"-{draw}"
    return file_name(f"{method}{by}-{folder_name(labeled)}-s{seed}{of_fold}")


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
        raise SettingsError("Equal steps for all runs need `iterations` to be decided first.")
    every = shared.get("evaluate_every")
    if every is not None:
        # A run records the smaller one, and would not be recognised by the larger.
        shared["evaluate_every"] = min(int(every), int(iterations))
    folds = (None,) if sweep.folds is None else range(sweep.folds)
    _refuse_loose_budgets(sweep)
    return [
        _cell(sweep, shared | more, method, place, seed)
        for seed in sweep.seeds
        for place in range(len(sweep.budgets))
        for fold in folds
        for draw in sweep.draws or (None,)
        for method in sweep.methods
        for more in [{"fold": fold, "folds": sweep.folds} | ({"draw": draw} if draw else {})]
    ]


def _refuse_loose_budgets(sweep: SweepConfig) -> None:
    """Rules add to the labels of the budget before, so that budgets have to rise."""
    if all(draw in DRAWS for draw in sweep.draws):
        return
    keys = [budget_key(budget) for budget in sweep.budgets]
    kinds = {type(key) for key in keys if key != 1}
    if len(kinds) > 1 or Path in kinds or keys != sorted(keys, key=lambda key: (key == 1, key)):
        raise SettingsError(
            f"`budgets={','.join(sweep.budgets)}`: a rule adds to the labels of the budget before; "
            "name shares, or numbers, from few to many."
        )


def _cell(sweep: SweepConfig, shared: dict[str, Any], method: str, place: int, seed: int) -> Cell:
    labeled, draw = sweep.budgets[place], shared.get("draw") if sweep.draws else None
    axes = {"method": method, "labeled": labeled, "seed": seed}

    def folder(budget: str) -> Path:
        name = cell_name(method, budget, seed, fold=shared["fold"], draw=draw)
        return SweepFolder(sweep.out).runs / name

    if draw is not None and draw not in DRAWS and place:
        axes["draw_from"] = folder(sweep.budgets[place - 1])
    config = TrainConfig.parse({**shared, **axes, "data": sweep.data, "run": folder(labeled)})
    return Cell(method, labeled, seed, config)


def is_open(value: object) -> bool:
    """Whether a setting is left to the run."""
    return value in (None, "auto")


def decide_open_settings(sweep: SweepConfig, *, here: bool) -> SweepConfig:
    """Fill in what runs would decide for themselves, so that a sweep goes on alike elsewhere.

    Decided is every setting that affects the result and does not follow from the images, which
    are the same for all runs. Unknown encoders, missing weights and absent devices so are found
    before the first run.

    Args:
        sweep: As asked for.
        here: Whether the runs run on this machine. Where they do not, this machine cannot
            decide for them; steps have to be given and the rest stays open.

    Returns:
        The sweep with every setting in `settings`, `iterations` decided.

    Raises:
        SettingsError: If a setting is wrong, or `iterations` is needed and not given.
    """
    from ecs_med.methods.settings import shared_optimizers

    config = TrainConfig.parse({**sweep.settings, "data": sweep.data})
    # Defaults too: a later version of this program may have others.
    settings = config.model_dump(mode="json", exclude=set(CELL_SETTINGS))
    if here:
        settings |= _decided(config, sweep.methods)
    if settings["iterations"] is None:
        raise SettingsError(
            "`iterations` has to be given with this executor: its default depends on the "
            "device, and the runs are not on this machine."
        )
    decided = TrainConfig.parse({**settings, "data": sweep.data})
    optimizers = shared_optimizers(decided, sweep.methods)
    settings["optimizers"] = {n: o.model_dump(mode="json") for n, o in optimizers.items()}
    return sweep.model_copy(update={"settings": settings})


def _decided(config: TrainConfig, methods: Sequence[str]) -> dict[str, Any]:
    """What is open in `config` and has one value for small and for large images."""
    from ecs_med.methods import method_class
    from ecs_med.training.resolve import resolve

    names = TrainConfig.fields_affecting("result") - set(CELL_SETTINGS)
    own = {method: set(method_class(method).own_settings) for method in methods}
    given, decided = config.model_dump(mode="json"), dict[str, Any]()
    for method in methods:
        foreign = set[str]().union(*own.values()) - own[method]
        asked = TrainConfig.parse({**given, **decided, "method": method})
        first, *others = (
            resolve(asked, images, Path())[0].model_dump(mode="json")
            for images in _images_of_all_sizes(asked)
        )
        decided |= {
            name: first[name]
            for name in sorted(names - foreign)
            if is_open(getattr(asked, name)) and all(first[name] == o[name] for o in others)
        }
    return decided


def _images_of_all_sizes(config: TrainConfig) -> list["Images"]:
    """Small and large ones of each kind that may be trained on."""
    from ecs_med.networks.base import network_class
    from ecs_med.training.images import Images

    is_deep = network_class(config.network).spatial_dims == 3 or config.context > 0
    kinds = {"volume"} if is_deep or config.dims in ("2.5", "3") else {"picture"}
    if config.dims == "auto" and not is_deep:
        kinds = {"picture", "volume"}
    sizes = [((side, side), side) for side in _SIDES]
    return [
        Images(kind, 3, size, depth=depth if kind == "volume" else 1)
        for kind in ("picture", "volume")
        if kind in kinds
        for size, depth in sizes
    ]
