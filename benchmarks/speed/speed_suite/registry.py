"""Which measurements there are, in the order of the page."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from typing import Any

from ecs_med.errors import SettingsError
from ecs_med.registry import nearest
from speed_suite.results import Row

__all__ = ["MEASUREMENTS", "Measurement", "Options", "chosen"]


@dataclass(frozen=True, slots=True)
class Options:
    """What the measurements are asked for.

    Attributes:
        size: Side of a training image in pixels.
        batch: Labelled images of a training batch, and as many unlabelled ones.
        repeats: Turns of a comparison.
        seconds: After so many no further turn of a comparison is begun.
        methods: Whose steps are measured, separated by commas; empty: all.
        cases: Of the largest data set that is scanned.
    """

    size: int = 128
    batch: int = 8
    repeats: int = 9
    seconds: float = 60.0
    methods: str = ""
    cases: int = 100_000


@dataclass(frozen=True, slots=True)
class Measurement:
    """One section of the page.

    Attributes:
        name: On the command line, and of its module in `speed_suite.measurements`.
        title: On the page.
        uses: Names of the options on which its rows depend.
    """

    name: str
    title: str
    uses: tuple[str, ...] = ("repeats", "seconds")

    def load(self) -> tuple[Callable[[Options], Sequence[Row]], str]:
        """What measures, and how it does so in words: the module's own."""
        module = import_module(f"speed_suite.measurements.{self.name}")
        return module.measure, module.__doc__ or ""

    def settings(self, options: Options) -> dict[str, Any]:
        """The options that it depends on."""
        return {name: value for name, value in asdict(options).items() if name in self.uses}


MEASUREMENTS: dict[str, Measurement] = {
    each.name: each
    for each in (
        Measurement("startup", "Start of the program"),
        Measurement("step", "Training step", ("size", "batch", "repeats", "seconds", "methods")),
        Measurement("floor", "Step over its floor", ("size", "batch", "repeats", "seconds")),
        Measurement("pipeline", "Training batches", ("size", "batch", "repeats", "seconds")),
        Measurement("validation", "Validation", ("size", "batch", "repeats", "seconds")),
        Measurement("prediction", "Prediction"),
        Measurement("scan", "Many files", ("cases",)),
        Measurement("overhead", "Run of a sweep", ("size", "batch")),
    )
}
"""By name."""


def chosen(only: str | None) -> list[Measurement]:
    """Those that a user names, separated by commas; all where none is named.

    Raises:
        SettingsError: If there is none of a name, with the nearest.
    """
    names = [*MEASUREMENTS] if only is None else [name.strip() for name in only.split(",")]
    for name in names:
        if name not in MEASUREMENTS:
            raise SettingsError(f"unknown measurement '{name}'; {nearest(name, MEASUREMENTS)}")
    return [measurement for name, measurement in MEASUREMENTS.items() if name in names]
