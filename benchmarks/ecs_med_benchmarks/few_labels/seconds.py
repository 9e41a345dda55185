"""CPU seconds of a training step of each method, beside those of a reference: equal seconds.

A method and the reference take turns in one process, so that what else the machine does slows both
alike, and the seconds that count are those of the processor. Methods may do more late in a run than
early, so steps are taken at several points of it; the median counts at each, and their mean in all.
"""

import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from ecs_med.config import TrainConfig
from ecs_med.errors import SettingsError
from ecs_med.records import Record
from ecs_med_benchmarks.machine import machine_in_words

__all__ = ["MethodSeconds", "StepSeconds", "measure_method", "steps_in_time"]

_POINTS = (0.02, 0.25, 0.5, 0.75, 0.98)
"""Shares of the run at which steps are taken."""
_WARM_UP = 2


class MethodSeconds(Record):
    """How long a step of a method takes."""

    dataset: str
    """Name of the protocol, at whose sizes it was measured."""
    method: str
    """The method."""
    reference: str
    """The method that it took turns with."""
    seconds: float
    """CPU seconds of a step, batch and views included."""
    reference_seconds: float
    """Those of the reference meanwhile."""
    repeats: int
    """Steps at each of the points of a run."""
    sizes: dict[str, int | str]
    """Batch, crop and encoder."""
    threads: int
    """Computing threads."""
    machine: str
    """Processor, cores and system."""
    torch: str
    """Version."""
    date: str
    """ISO 8601."""

    @property
    def ratio(self) -> float:
        """Of the method to the reference; above 1 it is slower."""
        return self.seconds / self.reference_seconds


class StepSeconds(Record):
    """`step_seconds.json`: all that was measured."""

    remedy: ClassVar[str] = "remove the file to measure anew"

    methods: tuple[MethodSeconds, ...] = ()
    """One a data set and method."""

    def find(
        self, dataset: str, method: str, sizes: Mapping[str, Any] | None = None
    ) -> MethodSeconds | None:
        """What was measured of a method, at these sizes where they are given."""
        for each in self.methods:
            if (each.dataset, each.method) == (dataset, method):
                return each if sizes is None or each.sizes == sizes else None
        return None

    def ratio(self, dataset: str, method: str) -> float:
        """Seconds of a step of the method, in those of the reference.

        Raises:
            SettingsError: If it was not measured.
        """
        found = self.find(dataset, method)
        if found is None:
            raise SettingsError(
                f"The seconds of a step of {method} on {dataset} are not measured; measure "
                "them, or ask for `equal=steps`."
            )
        return found.ratio

    def with_method(self, measured: MethodSeconds) -> "StepSeconds":
        """The same with a method measured anew."""
        place = (measured.dataset, measured.method)
        others = [each for each in self.methods if (each.dataset, each.method) != place]
        ordered = sorted([*others, measured], key=lambda each: (each.dataset, each.method))
        return StepSeconds(methods=tuple(ordered))


def steps_in_time(reference_steps: int, ratio: float) -> int:
    """Steps of a method that take as long as those of the reference, at least one.

    Example:
        >>> steps_in_time(500, 0.23), steps_in_time(500, 1.0), steps_in_time(500, 1.3)
        (2173, 500, 384)
    """
    return max(1, int(reference_steps / ratio + 1e-9))


def sizes_of(config: TrainConfig) -> dict[str, int | str]:
    """Settings on which the seconds of a step depend most."""
    assert config.batch is not None
    assert config.crop is not None
    return {"batch": config.batch, "crop": config.crop, "encoder": config.encoder}


def measure_method(
    dataset: str, config: TrainConfig, reference: str, *, repeats: int = 5
) -> MethodSeconds:
    """Time steps of a method in turns with the reference, on real batches.

    Args:
        dataset: Name of the protocol.
        config: Of a run of the method.
        reference: The other method.
        repeats: Steps of each at each point of a run.

    Raises:
        EcsMedError: If a run cannot even begin, for the same reason as it will in the table.
    """
    import torch

    num_steps = _WARM_UP + len(_POINTS) * repeats
    with tempfile.TemporaryDirectory(prefix="ecs-med-steps-") as folder:
        # Nothing is written there: a run only opens its folder.
        own = config.model_copy(update={"run": Path(folder) / "run"})
        steppers = [_Stepper(own, num_steps)]
        if config.method != reference:
            steppers.append(_Stepper(own.model_copy(update={"method": reference}), num_steps))
    seconds = _in_turns(steppers, repeats)
    return MethodSeconds(
        dataset=dataset,
        method=config.method,
        reference=reference,
        seconds=round(seconds[0], 5),
        reference_seconds=round(seconds[-1], 5),
        repeats=repeats,
        sizes=sizes_of(config),
        threads=torch.get_num_threads(),
        machine=machine_in_words(),
        torch=torch.__version__,
        date=datetime.now(UTC).date().isoformat(),
    )


def _in_turns(steppers: Sequence["_Stepper"], repeats: int) -> list[float]:
    """Mean over the points of a run of each one's median seconds there."""
    for _ in range(_WARM_UP):
        for stepper in steppers:
            stepper.timed(_POINTS[0])
    medians: list[list[float]] = [[] for _ in steppers]
    for share in _POINTS:
        taken = [[stepper.timed(share) for stepper in steppers] for _ in range(repeats)]
        for place, found in enumerate(zip(*taken, strict=True)):
            medians[place].append(statistics.median(found))
    return [statistics.mean(each) for each in medians]


class _Stepper:
    """Takes steps of one method as training does, without logging, validation and checkpoints.

    Args:
        config: Of a run.
        num_steps: How many it has to have batches for.
    """

    def __init__(self, config: TrainConfig, num_steps: int) -> None:
        import torch

        from ecs_med.data.batches import batch_loader
        from ecs_med.training.build import build_model
        from ecs_med.training.opening import open_run
        from ecs_med.training.stores import build_stores, strong_views, training_batches

        longer = {"iterations": max(num_steps, config.iterations or 0), "workers": 0}
        opening = open_run(config.model_copy(update=longer), resume=False)
        config, plan = opening.config, opening.plan
        self.device = torch.device(config.device)
        stores, _ = build_stores(plan, config, opening.preparation, lambda *_: None)
        self.method, model = build_model(config, plan, opening.initializations, self.device)
        self._normalization = model.normalization
        self._strong = strong_views(self.method, config, plan.images)
        batches = training_batches(stores, config, plan.images)
        self._batches = iter(batch_loader(batches, 0, 0))

    def timed(self, progress: float) -> float:
        """Seconds of one step: of the processor, or by the clock where a GPU does the work."""
        import torch

        from ecs_med.data.batches import to_device

        clock = time.process_time if self.device.type == "cpu" else time.perf_counter
        started = clock()
        batch = to_device(next(self._batches), self.device, self._normalization, self._strong)
        self.method.train_mode()
        self.method.step(batch, progress)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return clock() - started
