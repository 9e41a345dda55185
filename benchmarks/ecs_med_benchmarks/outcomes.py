"""What the runs behind a table have given, read from their folders alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ecs_med.analysis import Summary, summarize
from ecs_med.reporting.run.history import number
from ecs_med.reporting.run.reading import RunRecord, read_run
from ecs_med.sweep.plan import Cell
from ecs_med.sweep.state import read_state
from ecs_med_benchmarks.variants import Variant

__all__ = ["Outcome", "RowOutcome", "collect"]

_SELECTED = "selected_share"
_LAST_PART = 0.1


@dataclass(frozen=True, slots=True)
class Outcome:
    """One finished run.

    Attributes:
        folder: Its folder.
        seed: Its seed.
        miou: On the test cases, 0 to 1.
        iou_per_class: By class name, 0 to 1; `None` for a class that does not occur.
        num_labeled: Labelled cases.
        num_test: Test cases.
        seconds: Of training.
        selected_share: Share of unlabelled pixels or images that a rival has selected, mean over
            the last tenth of training, 0 to 1; `None` where the method selects none or logged
            nothing.
        initialization: Of the segmenter, in words.
        manifest: `manifest.json`.
        warnings: What the run warned of.
    """

    folder: Path
    seed: int
    miou: float
    iou_per_class: Mapping[str, float | None]
    num_labeled: int
    num_test: int
    seconds: float
    selected_share: float | None
    initialization: str
    manifest: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """All runs of one row of a table.

    Attributes:
        variant: The method.
        budget: The labelled budget.
        outcomes: Finished runs by seed.
        missing: Names and states of runs without a score; they are in no average.
    """

    variant: Variant
    budget: str
    outcomes: tuple[Outcome, ...]
    missing: tuple[tuple[str, str], ...]

    @property
    def miou(self) -> Summary | None:
        """Mean over seeds, 0 to 1; `None` without a finished run."""
        scores = [outcome.miou for outcome in self.outcomes]
        return summarize(scores) if scores else None

    def class_iou(self, name: str) -> Summary | None:
        """Mean over seeds of one class; `None` where it occurs in no run."""
        values = [outcome.iou_per_class.get(name) for outcome in self.outcomes]
        known = [value for value in values if value is not None]
        return summarize(known) if known else None

    @property
    def selected_share(self) -> float | None:
        """Mean over seeds of what a rival has selected."""
        known = [o.selected_share for o in self.outcomes if o.selected_share is not None]
        return sum(known) / len(known) if known else None


def collect(rows: Iterable[tuple[Variant, str]], cells: Sequence[Cell]) -> list[RowOutcome]:
    """The outcomes of rows, from the folders of their cells.

    Args:
        rows: Variant and budget of each row.
        cells: Runs of all of them, see `ecs_med_benchmarks.plan.plan_runs`.
    """
    found = {}
    for cell in cells:
        state = read_state(cell.folder)
        if state.progress == "done":
            found[cell.name] = _outcome(cell)
    result = []
    for variant, budget in rows:
        own = [c for c in cells if c.method == variant.key and c.labeled == budget]
        done = tuple(found[cell.name] for cell in own if cell.name in found)
        missing = tuple(
            (cell.name, read_state(cell.folder).sentence or "not run to its end")
            for cell in own
            if cell.name not in found
        )
        result.append(RowOutcome(variant, budget, done, missing))
    return result


def _outcome(cell: Cell) -> Outcome:
    record = read_run(cell.folder)
    test, data = record.metrics["test"], record.manifest.get("data", {})
    return Outcome(
        folder=cell.folder,
        seed=cell.seed,
        miou=float(test["miou"]),
        iou_per_class=dict(zip(test["class_names"], test["iou_per_class"], strict=True)),
        num_labeled=int(data.get("num_labeled", 0)),
        num_test=int(test["num_cases"]),
        seconds=float(record.manifest.get("seconds", 0.0)),
        selected_share=_selected_at_the_end(record),
        initialization=str(record.manifest.get("initialization", {}).get("segmenter", "unknown")),
        manifest=record.manifest,
        warnings=tuple(record.manifest.get("warnings", ())),
    )


def _selected_at_the_end(record: RunRecord) -> float | None:
    rows = record.history.train
    if not rows:
        return None
    first = rows[-1]["iteration"] * (1 - _LAST_PART)
    values = [number(r.get("signals", {}).get(_SELECTED)) for r in rows if r["iteration"] > first]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
