"""What is measured: rows of sections, kept as one JSON file."""

import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, ClassVar, Literal

from pydantic import Field

from ecs_med.records import Record
from ecs_med_benchmarks.machine import machine_in_words
from speed_suite.timing import Spread, ratio_of

__all__ = ["Results", "Row", "Section", "compared", "described", "load_average", "single"]


class Row(Record):
    """One line of the table."""

    what: str
    """What was measured."""
    value: Spread
    """How much it was."""
    unit: str
    """Of `value` and `reference`."""
    against: str = ""
    """What it was measured in turn with."""
    reference: Spread | None = None
    """How much that was."""
    ratio: Spread | None = None
    """Of the one to the other, turn by turn."""
    limit: float | None = None
    """What the judged figure should not pass; `None`: no such figure."""
    limits: Literal["ratio", "value"] = "ratio"
    """Which figure is judged; the value where there is no ratio."""
    at_least: bool = False
    """Whether it should not be less, instead of not more."""
    note: str = ""
    """What else is to be said, as half a sentence."""

    @property
    def judged(self) -> float:
        """The figure that `limit` is about."""
        is_ratio = self.limits == "ratio" and self.ratio is not None
        return self.ratio.median if is_ratio and self.ratio else self.value.median

    @property
    def is_met(self) -> bool | None:
        """Whether the figure keeps to its limit; `None` without one."""
        if self.limit is None:
            return None
        return self.judged >= self.limit if self.at_least else self.judged <= self.limit


class Section(Record):
    """All rows of one measurement, with what they were measured on."""

    settings: dict[str, Any]
    """Options that it was asked for with."""
    machine: str
    """Processor, cores and system."""
    versions: dict[str, str]
    """Of Python and the libraries that do the work."""
    threads: int
    """Of PyTorch."""
    load: float
    """Average load of the machine when it began, the measurement itself not counted."""
    date: str
    """ISO 8601."""
    seconds: float
    """How long the measurement took."""
    rows: tuple[Row, ...]
    """In the order of the table."""


class Results(Record):
    """`speed.json`: by name of the measurement."""

    remedy: ClassVar[str] = "remove the file to measure anew"

    remark: str = ""
    """What a reader should know of all of them, such as who else used the machine."""
    sections: dict[str, Section] = Field(default_factory=dict)
    """Those that were measured so far."""


def compared(
    what: str,
    values: Sequence[float],
    against: str,
    reference: Sequence[float],
    **more: Any,
) -> Row:
    """A row of two things measured in turn, in seconds unless `unit` says otherwise."""
    return Row(
        what=what,
        value=Spread.of(values),
        against=against,
        reference=Spread.of(reference),
        ratio=ratio_of(values, reference),
        **{"unit": "s", **more},
    )


def single(what: str, values: Sequence[float], unit: str = "s", **more: Any) -> Row:
    """A row that is compared with nothing."""
    return Row(what=what, value=Spread.of(values), unit=unit, **more)


def described(settings: dict[str, Any], load: float) -> dict[str, Any]:
    """All of a section but its rows and seconds."""
    import torch

    names = ("ecs-med", "torch", "torchvision", "monai", "numpy")
    return {
        "settings": settings,
        "machine": machine_in_words(),
        "versions": {"python": platform.python_version(), **{n: version(n) for n in names}},
        "threads": torch.get_num_threads(),
        "load": round(load, 2),
        "date": datetime.now(UTC).date().isoformat(),
    }


def load_average() -> float:
    """Of the last minute; 0 where the system has none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
