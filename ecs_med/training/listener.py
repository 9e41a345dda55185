"""What a run tells whoever listens, without knowing of a terminal."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ecs_med.runs import Metrics, TrainRow, ValidationRow

__all__ = ["Expectation", "Listener", "NullListener", "RunPlan"]


@dataclass(frozen=True, slots=True)
class RunPlan:
    """What is about to happen, in words but for the two numbers.

    Attributes:
        data: Where the data lie and how they were understood.
        cases: How many cases are for what.
        method: Method and seed.
        encoder: Encoder of the segmenter.
        initialization: First weights of the segmenter.
        device: Device, precision and sizes.
        augmentation: What happens to training images at random.
        validation: How often and on what the model is validated.
        run: Run folder.
        iterations: Of the whole run.
        iteration: Iterations that are done, where the run is resumed.
    """

    data: str
    cases: str
    method: str
    encoder: str
    initialization: str
    device: str
    augmentation: str
    validation: str
    run: str
    iterations: int
    iteration: int


@dataclass(frozen=True, slots=True)
class Expectation:
    """How long a run on a CPU will take from now on, by its first iterations.

    Attributes:
        seconds: All that is left, scores included; of a run of less than a minute the iterations.
        iteration_seconds: One iteration.
        offers: Settings that would make it about half as long or shorter, as `name=value`, each
            with the seconds of a whole run; the longest first. None for a run of less than a
            minute.
    """

    seconds: float
    iteration_seconds: float
    offers: tuple[tuple[str, float], ...] = ()


class Listener(Protocol):
    """Receives what happens during training, in this order."""

    def preparing(self, done: int, total: int) -> None:
        """`done` of `total` images are decoded and cached.

        New data are decoded twice, first to be examined; only the second time comes to the end.
        """

    def started(self, plan: RunPlan) -> None:
        """Everything is decided; training is about to begin."""

    def expected(self, expectation: Expectation) -> None:
        """The first iterations on a CPU are done, and how long it will take is known."""

    def trained(self, row: TrainRow) -> None:
        """Some iterations are done."""

    def validated(self, row: ValidationRow) -> None:
        """The model was scored on validation cases."""

    def warned(self, sentence: str) -> None:
        """Something deserves a look."""

    def finished(self, run: Path, metrics: Metrics) -> None:
        """The run folder is complete."""


class NullListener:
    """A listener that ignores everything."""

    def preparing(self, done: int, total: int) -> None:
        """Ignore."""

    def started(self, plan: RunPlan) -> None:
        """Ignore."""

    def expected(self, expectation: Expectation) -> None:
        """Ignore."""

    def trained(self, row: TrainRow) -> None:
        """Ignore."""

    def validated(self, row: ValidationRow) -> None:
        """Ignore."""

    def warned(self, sentence: str) -> None:
        """Ignore."""

    def finished(self, run: Path, metrics: Metrics) -> None:
        """Ignore."""
