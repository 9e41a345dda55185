"""Where a run begins: in a folder of its own, or where an interrupted one stopped."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ecs_med.config import Preparation, TrainConfig
from ecs_med.data.layout import open_data
from ecs_med.distributed import is_main_process, world_size
from ecs_med.errors import RunFolderError, SettingsError
from ecs_med.methods import fixed_settings, method_class, with_own_settings
from ecs_med.networks import Initialization
from ecs_med.runs import Origin, RunFolder
from ecs_med.runs.lock import refuse_busy
from ecs_med.sparse import LabeledCase
from ecs_med.training.data_plan import DataPlan, plan_data
from ecs_med.training.origin import check_origin, networks_from, open_origin, settings_from
from ecs_med.training.resolve import default_run_folder, preparation_of, resolve
from ecs_med.training.schedule import Schedule, cost_of_scoring, decide_schedule

__all__ = ["Opening", "open_run", "refuse_existing_run"]


@dataclass(frozen=True, slots=True)
class Opening:
    """What a run is made of; nothing is written yet.

    Attributes:
        config: Resolved settings.
        plan: The data.
        origin: The run that it begins with.
        initializations: Of segmenter and corrector.
        preparation: How scans are prepared.
        scored: The cases that its validations score; none where it is not validated.
        schedule: When they do.
        case_cost: Of scoring one case, see `cost_of_scoring`.
    """

    config: TrainConfig
    plan: DataPlan
    origin: Origin | None
    initializations: tuple[Initialization, Initialization]
    preparation: Preparation
    scored: tuple[LabeledCase, ...]
    schedule: Schedule
    case_cost: float

    @property
    def folder(self) -> RunFolder:
        """The run folder."""
        assert self.config.run is not None
        return RunFolder(self.config.run)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the user."""
        return (*self.plan.warnings, *(self.origin.warnings if self.origin else ()))


def open_run(
    config: TrainConfig, *, resume: bool, progress: Callable[[int, int], None] | None = None
) -> Opening:
    """Decide everything that a run is made of, in the order in which mistakes are cheap to find.

    Args:
        config: As the user gave it.
        resume: Whether the run is there already.
        progress: Told how many of how many cases are examined, where that takes decoding.

    Raises:
        EcsMedError: One of its kinds, for everything that a user can mend.
    """
    with_own_settings(config)
    plan, path, config, origin = (_reopened if resume else _opened)(config, progress)
    from_run = networks_from(origin, config.method) if origin else ()
    resolved, initializations = resolve(config, plan.images, path, from_run)
    _check_sizes(resolved)
    preparation = preparation_of(resolved)
    scored = _scored(config, plan)
    case_cost = cost_of_scoring(plan.collection.cases, preparation)
    schedule = decide_schedule(resolved, case_cost, len(scored))
    decided = {"evaluate_every": schedule.every, "validation_cases": schedule.num_cases or None}
    resolved = resolved.model_copy(update=decided)
    return Opening(
        resolved, plan, origin, initializations, preparation, scored, schedule, case_cost
    )


def _opened(
    config: TrainConfig, progress: Callable[[int, int], None] | None
) -> tuple[DataPlan, Path, TrainConfig, Origin | None]:
    origin = open_origin(config)
    config = settings_from(origin, config) if origin else config
    plan = plan_data(config, None, progress)
    folder = config.run or default_run_folder(config, plan.collection.name)
    if is_main_process():
        refuse_existing_run(folder)
    return plan, folder, config, check_origin(origin, config, plan) if origin else None


def _reopened(
    config: TrainConfig, progress: Callable[[int, int], None] | None
) -> tuple[DataPlan, Path, TrainConfig, Origin | None]:
    path = config.run
    if path is None:
        path = default_run_folder(config, open_data(config.data, config.reading).name)
    config = _resume_config(path, config)
    folder = RunFolder(path)
    return plan_data(config, folder, progress), path, config, folder.read_origin()


def _scored(config: TrainConfig, plan: DataPlan) -> tuple[LabeledCase, ...]:
    split, choosing = plan.split, config.keep == "best"
    if not choosing and not method_class(config.method).always_validates:
        return ()
    return split.validation or (split.labeled if choosing else split.test)


def _check_sizes(config: TrainConfig) -> None:
    crop, max_size = config.crop or 0, config.max_size or 0
    batch, parts = config.batch or 0, world_size()
    if batch % parts:
        raise SettingsError(
            f"`batch` {batch} cannot be divided among {parts} processes; choose a multiple."
        )
    if crop > 4096 or max_size > 16384:
        raise SettingsError(
            f"`crop` {crop} with `max_size` {max_size} is more than any GPU holds; lower them."
        )


def refuse_existing_run(path: Path) -> None:
    """Protect a run that is there; one that never reached its first checkpoint may be taken over.

    Raises:
        RunFolderError: If there is one, or another process is at work on it.
    """
    refuse_busy(path)
    folder = RunFolder(path)
    if folder.spec_file.exists() or folder.checkpoint_files():
        raise RunFolderError(
            f"{path}: holds a run already; go on with it by `resume`, or choose another `run`."
        )


def _resume_config(path: Path, config: TrainConfig) -> TrainConfig:
    """The settings of the run in a folder, if `config` does not contradict them.

    Args:
        path: Run folder.
        config: What the user asks for now; only settings given explicitly are compared, and where
            things lie may differ, as may the number of workers.

    Raises:
        RunFolderError: If there is nothing to resume.
        SettingsError: If a setting differs from the run's.
    """
    folder = RunFolder(path)
    if not folder.config_file.is_file() or not folder.checkpoint_files():
        raise RunFolderError(
            f"{path}: nothing to resume here; leave out `resume` to start this run."
        )
    if folder.is_finished:
        raise RunFolderError(
            f"{path}: this run is complete, there is nothing to resume; choose another `run` to "
            "train again."
        )
    saved = folder.read_config()
    may_differ = TrainConfig.fields_affecting("place") | {"workers"}
    ran = fixed_settings(saved)
    for name, asked in fixed_settings(config).items():
        if name not in may_differ and asked != ran.get(name):
            raise SettingsError(
                f"{path}: was started with `{name}` {ran.get(name)}, not {asked}; resume it with "
                "its own settings, or choose another `run`."
            )
    changes = {name: getattr(config, name) for name in ("workers", "tensorboard")}
    return saved.model_copy(update={**changes, "run": path, "data": config.data})
