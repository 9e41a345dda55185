"""`train`: one run, from settings to a finished run folder."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ecs_med.config import TrainConfig
from ecs_med.data.batches import Normalization, batch_loader
from ecs_med.distributed import (
    is_main_process,
    main_process_first,
    process_group,
    wait_for_all,
    world_size,
)
from ecs_med.errors import DeviceMemoryError, SettingsError
from ecs_med.inference.model import load_model, save_model
from ecs_med.methods import with_own_settings
from ecs_med.runs import Origin, RunFolder, ValidationRow
from ecs_med.training.build import build_model
from ecs_med.training.checkpoint import load_checkpoint, save_checkpoint
from ecs_med.training.data_plan import DataPlan, build_stores, plan_data, training_batches
from ecs_med.training.energy import EnergyMeter
from ecs_med.training.events import Listener, Silence
from ecs_med.training.finish import finish_run
from ecs_med.training.handlers import Checkpoints, Log, Signals, Validation
from ecs_med.training.health import SILENT_CORRECTOR, is_silent
from ecs_med.training.manifest import Clock, start_manifest
from ecs_med.training.origin import check_origin, networks_from, open_origin, settings_from
from ecs_med.training.resolve import default_run_folder, preparation_of, resolve
from ecs_med.training.run_folder import (
    History,
    create_run_folder,
    refuse_existing_run,
    resume_config,
    write_config,
)
from ecs_med.training.trainer import MethodTrainer
from ecs_med.training.validation import validation_row

__all__ = ["train"]


def train(
    config: TrainConfig | Mapping[str, Any],
    listener: Listener | None = None,
    *,
    resume: bool = False,
) -> Path:
    """Train, choose the best model on validation, test it once, write the report.

    Under `torchrun` the batch is divided among the processes, with the result of one process; the
    first of them validates and writes, and is the only one that `listener` hears.

    Args:
        config: Settings, or a mapping of them.
        listener: Told what happens; `None` for silence.
        resume: Go on with the run of the same folder, to the same end as if it had never stopped.

    Returns:
        The run folder.

    Raises:
        EcsMedError: One of its kinds, for everything that a user can mend.
        TrainingInterrupted: After SIGTERM or Ctrl-C, when everything is saved.
    """
    if not isinstance(config, TrainConfig):
        config = TrainConfig.parse(config)
    with process_group(config.device):
        if listener is None or not is_main_process():
            listener = Silence()
        run = _Run(config, listener, resume=resume)
        with run.memory_errors_in_words():
            run.train()
            if is_main_process():
                finish_run(load_model(run.folder, run.config.device), run.plan, run.manifest)
            wait_for_all()
    run.listener.finished(run.folder, run.manifest.metrics)
    return run.folder


class _Run:
    """The parts of one run, built in the order in which a mistake is cheapest to find."""

    def __init__(self, config: TrainConfig, listener: Listener, *, resume: bool) -> None:
        with_own_settings(config)
        self.listener = listener
        self.clock = Clock()
        opened = self._reopen(config) if resume else self._open(config)
        self.plan, self.folder, config, origin = opened
        from_run = networks_from(origin, config.method) if origin else ()
        self.config, self.initializations = resolve(config, self.plan.images, self.folder, from_run)
        self._check_sizes()
        self.manifest = start_manifest(self.folder, self.config, self.plan, self.initializations)
        for sentence in [*self.plan.warnings, *(origin.warnings if origin else ())]:
            self._warn(sentence)
        self.preparation = preparation_of(self.config)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.stores, more = main_process_first(
                lambda: build_stores(self.plan, self.config, self.preparation, listener.preparing)
            )
        for sentence in [*(str(w.message) for w in caught), *more]:
            self._warn(sentence)
        self.device = torch.device(self.config.device)
        self.method, self.model = build_model(
            self.config,
            self.plan,
            self.initializations,
            self.device,
            origin=None if resume else origin,
        )
        if not resume and is_main_process():
            create_run_folder(self.folder)
            write_config(self.folder, self.config)
            if origin:
                origin.write(RunFolder(self.folder).origin_file)
            self.plan.split.write(self.folder / "split.json")
        self.energy = EnergyMeter(self.device)
        self.history = History(self.folder / "history.jsonl")
        self.progress: dict[str, Any] = {"best_miou": None, "best_iteration": 0}
        self.progress |= {"seconds": 0.0, "energy_wh": None}
        self.first = self._restore() if resume else 0

    def _open(self, config: TrainConfig) -> tuple[DataPlan, Path, TrainConfig, Origin | None]:
        origin = open_origin(config)
        config = settings_from(origin, config) if origin else config
        plan = plan_data(config)
        folder = config.run or default_run_folder(config, plan.collection.name)
        if is_main_process():
            refuse_existing_run(folder)
        return plan, folder, config, check_origin(origin, config, plan) if origin else None

    def _reopen(self, config: TrainConfig) -> tuple[DataPlan, Path, TrainConfig, Origin | None]:
        folder = config.run
        if folder is None:
            from ecs_med.data.layout import open_data

            folder = default_run_folder(config, open_data(config.data, config.reading).name)
        config = resume_config(folder, config)
        origin = RunFolder(folder).read_origin()
        return plan_data(config, folder / "split.json"), folder, config, origin

    def _check_sizes(self) -> None:
        crop, max_size = self.config.crop or 0, self.config.max_size or 0
        batch, parts = self.config.batch or 0, world_size()
        if batch % parts:
            raise SettingsError(
                f"--batch {batch} cannot be divided among {parts} processes; choose a multiple."
            )
        if crop > 4096 or max_size > 16384:
            raise SettingsError(
                f"--crop {crop} with --max-size {max_size} is more than any GPU holds; lower them."
            )

    def _warn(self, sentence: str) -> None:
        if not self.manifest.has_warned(sentence):
            self.manifest.warn(sentence)
            self.listener.warned(sentence)

    def _restore(self) -> int:
        iteration, progress = load_checkpoint(self.folder / "checkpoints", self.method)
        self.progress = progress
        self.manifest.progress = progress
        if is_main_process():
            self.history.rewind(iteration)
        self.clock.add(progress["seconds"])
        self.energy = EnergyMeter(self.device, progress.get("energy_wh"))
        return iteration

    def train(self) -> None:
        """Iterate to the end; every iteration's result depends on settings and seed alone."""
        config = self.config
        assert config.iterations is not None
        assert config.evaluate_every is not None
        assert config.batch is not None
        self.listener.started(self.manifest.plan(self.first))
        if self.first == 0:
            self._save(0)
        trainer = MethodTrainer(
            self.method,
            batch_loader(training_batches(self.stores, config), self.first, config.workers),
            device=self.device,
            normalization=Normalization(self.model.spec.mean, self.model.spec.std),
            seed=config.seed,
            max_iterations=config.iterations,
            epoch_length=config.evaluate_every,
            first_iteration=self.first,
        )
        images = config.batch * (1 if self.stores.unlabeled is None else 2)
        interval = {"every": config.evaluate_every, "last": config.iterations}
        hint = f"go on with `ecs-med train --resume --run {self.folder}`"
        with Signals(self._save, hint) as signals:
            every = max(1, min(10, config.iterations // 20))
            log = Log(
                self.history,
                self.listener,
                self.method,
                every=every,
                last=config.iterations,
                images_per_iteration=images,
                warn=self._warn,
            )
            for handler in (
                log,
                Validation(self._validate, **interval),
                Checkpoints(self._save, **interval),
                signals,
            ):
                handler.attach(trainer)
            if config.tensorboard:
                from ecs_med.training.tensorboard import attach_tensorboard

                attach_tensorboard(trainer, self.folder)
            if self.first < config.iterations:
                trainer.run()
        self.manifest.stop_clock(self.clock, self.energy, self.device)

    def _validate(self, iteration: int) -> None:
        if not is_main_process():
            return
        choosing = self.config.keep == "best"
        if not choosing and iteration == self.config.iterations:
            self._keep_last(iteration)
        if not choosing and not self.method.always_validates:
            return
        split = self.plan.split
        cases = split.validation or (split.labeled if choosing else split.test)
        row = validation_row(self.model, split, cases, iteration)
        if is_silent(row.get("pseudo_labels", {})):
            self._warn(SILENT_CORRECTOR)
        best = self.progress["best_miou"]
        score = self.method.selection_score(
            ValidationRow.model_validate({k: v for k, v in row.items() if v != {}})
        )
        row["best"] = choosing and (best is None or (score is not None and score > best))
        if row["best"]:
            save_model(self.model)
            self.progress |= {"best_miou": score, "best_iteration": iteration}
            self.progress |= {k: row[k] for k in ("validation", "corrector") if k in row}
        self.manifest.progress = self.progress
        self.history.append(row)
        self.listener.validated(row)

    def _keep_last(self, iteration: int) -> None:
        """Keep the model as it is, as published protocols do; nothing is scored before the test."""
        save_model(self.model)
        self.progress |= {"best_miou": None, "best_iteration": iteration, "validation": None}
        self.manifest.progress = self.progress

    def _save(self, iteration: int) -> None:
        if not is_main_process():
            return
        self.progress["seconds"] = self.clock.seconds()
        self.progress["energy_wh"] = self.energy.watt_hours()
        save_checkpoint(self.folder / "checkpoints", self.method, iteration, self.progress)

    @contextmanager
    def memory_errors_in_words(self) -> Iterator[None]:
        """Running out of memory becomes one sentence that names what to lower."""
        try:
            yield
        except RuntimeError as error:  # torch.OutOfMemoryError is one, and the CPU has no own
            text = str(error).lower()
            if "out of memory" not in text and "can't allocate memory" not in text:
                raise
            raise DeviceMemoryError(
                f"{self.config.device} ran out of memory at batch {self.config.batch} and crop "
                f"{self.config.crop}; lower --batch or --crop (or --max-size) and start a new run."
            ) from error
