"""One run of training: its parts, and what is done with them from the first step to the test."""

import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from ignite.engine import Events

from ecs_med.config import TrainConfig
from ecs_med.data.augment import describe_transform
from ecs_med.data.batches import OwnTransform, batch_loader
from ecs_med.distributed import (
    is_main_process,
    main_process_first,
    world_size,
)
from ecs_med.errors import SettingsError
from ecs_med.inference.storing import load_model, save_model
from ecs_med.litter import clear_litter
from ecs_med.networks.compiling import compile_networks, uncompiled
from ecs_med.runs import Metrics, ValidationRow
from ecs_med.runs.history import HistoryFile
from ecs_med.runs.lock import hold_folder
from ecs_med.training.build import build_model
from ecs_med.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from ecs_med.training.finish import Last, finish_run
from ecs_med.training.handlers import (
    Checkpoints,
    Log,
    is_due,
    tensorboard_handler,
)
from ecs_med.training.interruption import Interruption
from ecs_med.training.listener import Listener
from ecs_med.training.manifest import Clock, EnergyMeter, RunNotes, now
from ecs_med.training.opening import Opening, open_run, refuse_existing_run
from ecs_med.training.pace import Pace, Work
from ecs_med.training.scoring import SILENT_CORRECTOR, Scoring, is_silent, row_of_main_process
from ecs_med.training.stores import build_stores, strong_views, training_batches
from ecs_med.training.trainer import MethodTrainer
from ecs_med.training.workers import usual_workers

__all__ = ["Doors", "Run"]


@dataclass(frozen=True, slots=True)
class Doors:
    """What a caller hands in that no file can hold, and what the whole run is in."""

    handlers: Sequence[Any]
    transform: OwnTransform | None
    interruption: Interruption
    held: ExitStack


class Run:
    """The parts of one run, built in the order in which a mistake is cheapest to find."""

    def __init__(
        self, config: TrainConfig, listener: Listener, doors: Doors, *, resume: bool
    ) -> None:
        self.listener = listener
        self.doors = doors
        self.clock = Clock()
        opening = open_run(config, resume=resume, progress=_all_but_the_end(listener))
        self.config, self.plan, self.folder = opening.config, opening.plan, opening.folder
        self.schedule, self.case_cost = opening.schedule, opening.case_cost
        self._take_folder(resume=resume)
        self.notes = RunNotes(
            self.config, self.plan, opening.initializations, self.schedule, opening.origin
        )
        for sentence in opening.warnings:
            self._warn(sentence)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.stores, more = main_process_first(
                lambda: build_stores(
                    self.plan, self.config, opening.preparation, listener.preparing
                )
            )
        self.notes.prepared(self.stores)
        for sentence in [*(str(w.message) for w in caught), *more]:
            self._warn(sentence)
        self.batches = training_batches(self.stores, self.config, self.plan.images, doors.transform)
        self.scoring = Scoring(opening.scored, self.schedule, self.stores, self.plan.split)
        self.device = torch.device(self.config.device)
        self.method, self.model = build_model(
            self.config,
            self.plan,
            opening.initializations,
            self.device,
            origin=None if resume else opening.origin,
        )
        self.is_compiled = self.config.compile and self._compile()
        if not resume and is_main_process():
            self._write_beginning(opening)
        self.history = HistoryFile(self.folder.history_file)
        transform = describe_transform(doors.transform) if doors.transform else None
        self.progress = Progress(started=now(), transform=transform)
        self.first = self._restore() if resume else 0
        self.energy = EnergyMeter(self.device, self.progress.energy_wh if resume else 0.0)

    def _take_folder(self, *, resume: bool) -> None:
        """Let no other process work in the folder, and remove what killed ones left in it."""
        path = self.folder.path
        self.doors.interruption.folder = path
        if not is_main_process():
            return
        self.doors.held.enter_context(hold_folder(path))
        if not resume:
            refuse_existing_run(path)  # Another process may have come and gone meanwhile.
        clear_litter(path, self.folder.checkpoints, self.folder.gallery, self.folder.samples)

    def _compile(self) -> bool:
        reason = compile_networks(self.method.networks.values(), self.device)
        if reason is not None:
            self._warn(f"`compile` is left out, since {reason}; training goes on without it.")
        elif self.device.type == "cpu":
            self._warn(
                "`compile`: on a CPU a compiled step was measured to take 1.3 times as long as one "
                "that is not (docs/speed.md)."
            )
        return reason is None

    def _write_beginning(self, opening: Opening) -> None:
        self.folder.create()
        self.folder.write_config(self.config)
        if opening.origin:
            opening.origin.write(self.folder.origin_file)
        self.plan.split.write(self.folder.split_file)
        self.plan.contents.write(self.folder.data_file)

    def _warn(self, sentence: str) -> None:
        if self.notes.warn(sentence):
            self.listener.warned(sentence)

    def _restore(self) -> int:
        iteration, progress = load_checkpoint(self.folder.checkpoints, self.method)
        if progress.transform != self.progress.transform:
            raise SettingsError(
                f"{self.folder.path}: was started with `transform` {progress.transform}, not "
                f"{self.progress.transform}; resume it with the same one."
            )
        self.progress = progress
        if is_main_process():
            self.history.rewind(iteration)
        self.clock.add(progress.seconds)
        self.scoring.seconds = progress.validation_seconds
        return iteration

    def train(self) -> None:
        """Iterate to the end; every iteration's result depends on settings and seed alone."""
        config = self.config
        assert config.iterations is not None
        assert config.batch is not None
        workers = config.workers
        if workers is None:
            workers = usual_workers(self.device, self.batches)
        self.listener.started(self.notes.plan(self.first, workers, is_compiled=self.is_compiled))
        if self.first == 0:
            self._save(0)
        every, last = self.schedule.every, config.iterations
        trainer = MethodTrainer(
            self.method,
            batch_loader(self.batches, self.first, workers),
            device=self.device,
            normalization=self.model.normalization,
            seed=config.seed,
            max_iterations=last,
            epoch_length=every,
            first_iteration=self.first,
            strong=strong_views(self.method, config, self.plan.images),
            unlabeled_pixels=self.stores.unlabeled_pixels,
        )
        log = Log(
            self.history,
            self.listener,
            self.method,
            every=max(1, min(10, last // 20)),
            last=last,
            images_per_iteration=config.batch * self.stores.num_streams,
            warn=self._warn,
        )
        for handler in (log, *self._paces(), *self.doors.handlers):
            handler.attach(trainer)
        trainer.add_event_handler(
            Events.ITERATION_COMPLETED(event_filter=lambda _, i: is_due(i, every, last)),
            lambda engine: self._validate(engine.state.iteration),
        )
        Checkpoints(self._save, every=every, last=last).attach(trainer)
        if config.tensorboard:
            tensorboard_handler(self.folder.path).attach(trainer)
        if self.first < last:
            with self.doors.interruption.iterating(trainer, self._save):
                trainer.run()
        self._take_stock()

    def _paces(self) -> list[Pace]:
        """What says how long the run will take, where that is worth a few seconds of timing."""
        if self.device.type != "cpu" or world_size() > 1 or self.is_compiled:
            return []
        work = Work.of(
            self.schedule,
            self.first,
            case_cost=self.case_cost,
            num_tested=len(self.plan.split.test),
            networks=1 + self.model.has_corrector,
        )
        return [Pace(self.method, self.config, work, self.listener.expected)]

    def _validate(self, iteration: int) -> None:
        row = self._score(iteration) if is_main_process() else None
        if self.schedule.num_all:
            self.method.validated(row_of_main_process(row, self.device))

    def _score(self, iteration: int) -> ValidationRow | None:
        """Score the model and keep it where it is the best; `None` where nothing is scored."""
        choosing = self.config.keep == "best"
        is_last = iteration == self.config.iterations
        if not choosing and is_last:
            self._keep_last(iteration)
        if not self.schedule.num_all:
            return None
        with uncompiled():
            row = self.scoring.in_between(self.model, iteration, is_last=is_last)
        if row.pseudo_labels is not None and is_silent(row.pseudo_labels):
            self._warn(SILENT_CORRECTOR)
        score = self.method.selection_score(row.without_hidden_masks())
        best = self.progress.best_score
        if choosing and (best is None or (score is not None and score > best)):
            row = row.model_copy(update={"best": True})
            save_model(self.model)
            self._note(
                best_score=score,
                best_iteration=iteration,
                validation=row.validation,
                corrector=row.corrector,
            )
        self.history.append(row)
        self.listener.validated(row)
        return row

    def _keep_last(self, iteration: int) -> None:
        """Keep the model as it is, as published protocols do; nothing is scored before the test."""
        save_model(self.model)
        self._note(best_score=None, best_iteration=iteration, validation=None)

    def _note(self, **changes: Any) -> None:
        self.progress = self.progress.model_copy(update=changes)

    def _take_stock(self) -> None:
        self._note(
            seconds=self.clock.seconds(),
            validation_seconds=self.scoring.seconds,
            energy_wh=self.energy.watt_hours(),
        )

    def _save(self, iteration: int) -> None:
        if is_main_process():
            self._take_stock()
            save_checkpoint(self.folder.checkpoints, self.method, iteration, self.progress)

    def finish(self) -> Metrics:
        """Score the chosen model on all validation cases and once on the test cases."""
        model = load_model(self.folder.path, self.config.device)
        if self.progress.validation is not None and not self.scoring.scores_all:
            whole = self.scoring.at_the_end(model, corrector=self.method.always_validates)
            corrector = whole.corrector or self.progress.corrector
            self._note(validation=whole.scores, corrector=corrector)
            self._take_stock()
        of_corrector = self.progress.corrector
        weakness = of_corrector.weakness() if of_corrector else None
        if weakness is not None:
            self._warn(weakness)
        last = self._last() if self.config.score_last else None
        manifest = self.notes.manifest(self.progress, self.device)
        return finish_run(model, self.plan, self.stores, self.progress, manifest, last)

    def _last(self) -> Last:
        """The model as training left it, scored on all validation cases."""
        iterations = self.config.iterations
        assert iterations is not None
        validation = self.progress.validation
        if iterations != self.progress.best_iteration and self.schedule.num_all:
            with uncompiled():
                validation = self.scoring.at_the_end(self.model, corrector=False).scores
            self._take_stock()
        return Last(self.model, iterations, validation)


def _all_but_the_end(listener: Listener) -> Callable[[int, int], None]:
    """Show how far the examination is; preparing the images comes after it and then ends both."""

    def told(done: int, total: int) -> None:
        if done < total:
            listener.preparing(done, total)

    return told
