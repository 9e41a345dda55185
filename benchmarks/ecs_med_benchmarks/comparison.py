"""What the runs behind a table have given, beside the published figures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ecs_med.analysis import Summary, compare_paired, correct_p_values, summarize
from ecs_med.config import BASELINE_METHOD
from ecs_med.records import Record
from ecs_med.runs import Manifest, Metrics, RunFolder, read_history
from ecs_med.sweep.plan import Cell
from ecs_med.sweep.state import read_metrics, read_state
from ecs_med_benchmarks.published import select_one
from ecs_med_benchmarks.tables import TableSpec, Variant

__all__ = ["ClassLine", "Line", "Outcome", "RowOutcome", "collect", "compare"]

_SELECTED = "selected_share"
_LAST_PART = 0.1


@dataclass(frozen=True, slots=True)
class Outcome:
    """One finished run.

    Attributes:
        seed: Its seed.
        metrics: Its scores.
        manifest: What ran.
        selected_share: Share of unlabelled pixels or images that the method has selected, mean over
            the last tenth of training, 0 to 1; `None` where it selects none or logged nothing.
    """

    seed: int
    metrics: Metrics
    manifest: Manifest
    selected_share: float | None = None

    def class_iou(self, name: str) -> float | None:
        """IoU of one class, 0 to 1; `None` where it does not occur."""
        test = self.metrics.test
        return dict(zip(test.class_names, test.iou_per_class, strict=True)).get(name)


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
    def miou_by_seed(self) -> dict[int, float]:
        """On the test cases, 0 to 1; without runs in whose test cases no class occurs."""
        found = ((outcome.seed, outcome.metrics.test.miou) for outcome in self.outcomes)
        return {seed: miou for seed, miou in found if miou is not None}

    @property
    def miou(self) -> Summary | None:
        """Mean over seeds, 0 to 1; `None` without a finished run."""
        return _summary(self.miou_by_seed.values())

    def class_iou(self, name: str) -> Summary | None:
        """Mean over seeds of one class; `None` where it occurs in no run."""
        return _summary(outcome.class_iou(name) for outcome in self.outcomes)

    @property
    def selected_share(self) -> float | None:
        """Mean over seeds of what the method has selected."""
        return _mean(outcome.selected_share for outcome in self.outcomes)


def _summary(values: Iterable[float | None]) -> Summary | None:
    known = [value for value in values if value is not None]
    return summarize(known) if known else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def collect(rows: Iterable[tuple[Variant, str]], cells: Sequence[Cell]) -> list[RowOutcome]:
    """The outcomes of rows, from the folders of their cells.

    Args:
        rows: Variant and budget of each row.
        cells: Runs of all of them, see `ecs_med_benchmarks.plan.plan_runs`.
    """
    result = []
    for variant, budget in rows:
        outcomes, missing = [], []
        for cell in cells:
            if (cell.method, cell.labeled) != (variant.key, budget):
                continue
            outcome = _outcome(cell)
            if outcome is not None:
                outcomes.append(outcome)
            else:
                why = read_state(cell.folder).sentence or "not run to its end"
                missing.append((cell.name, why))
        result.append(RowOutcome(variant, budget, tuple(outcomes), tuple(missing)))
    return result


def _outcome(cell: Cell) -> Outcome | None:
    metrics = read_metrics(cell.folder)
    if metrics is None:
        return None
    folder = RunFolder(cell.folder)
    rows = read_history(folder.history_file).train
    first = rows[-1].iteration * (1 - _LAST_PART) if rows else 0
    selected = _mean(row.signals.get(_SELECTED) for row in rows if row.iteration > first)
    return Outcome(cell.seed, metrics, folder.read_manifest(), selected)


class ClassLine(Record):
    """One class in one row of a table; scores in percent."""

    name: str
    """The class."""
    iou: float | None
    """Ours, mean over seeds; `None` where it does not occur."""
    deviation: float | None
    """Its standard deviation over seeds; `None` for fewer than two."""
    published: float | None
    """The paper's; `None` where it gives none."""


class Line(Record):
    """One row of a printed table; scores in percent."""

    label: str
    """The method."""
    is_own: bool
    """Whether it is the method that the table is about."""
    budget: str
    """The labelled budget, `1/1` for all labels."""
    num_labeled: int | None
    """Labelled images; `None` without a run."""
    num_runs: int
    """Finished runs."""
    num_missing: int
    """Runs without a score."""
    miou: float | None
    """Mean over seeds; `None` without a run."""
    deviation: float | None
    """Standard deviation over seeds; `None` for fewer than two."""
    published: float | None
    """The paper's mean; `None` where it gives none."""
    published_deviation: float | None
    """The paper's deviation."""
    difference: float | None
    """Ours minus published, in points."""
    selected_share: float | None
    """What the method selected at the end, 0 to 1."""
    seconds: float | None
    """Mean seconds of a run."""
    gain: float | None = None
    """Ours minus our supervised training at the same seeds, in points; `None` without pairs."""
    gain_interval: tuple[float, float] | None = None
    """95 % t interval of the gain; `None` for fewer than two pairs."""
    p_value: float | None = None
    """Paired t-test of the gain, Holm-corrected over the table."""
    classes: tuple[ClassLine, ...] = ()
    """IoU per class, where the table shows it."""
    remark: str = ""
    """What a reader should know."""


def compare(spec: TableSpec, dataset: str, rows: Sequence[RowOutcome]) -> list[Line]:
    """The lines of a table.

    Args:
        spec: The table.
        dataset: Name of the data set in `published.csv`.
        rows: Outcomes of its rows.
    """
    lines = [_with_gain(_line(spec, dataset, row), row, rows) for row in rows]
    corrected = correct_p_values([line.p_value for line in lines])
    return [
        line.model_copy(update={"p_value": p}) for line, p in zip(lines, corrected, strict=True)
    ]


def _line(spec: TableSpec, dataset: str, row: RowOutcome) -> Line:
    summary, outcomes = row.miou, row.outcomes
    miou = _percent(summary.mean if summary else None)
    paper = select_one(spec.number, dataset, row.variant, row.budget)
    return Line(
        label=row.variant.label,
        is_own=row.variant == spec.variants[-1],
        budget="1/1" if row.budget == "all" else row.budget,
        num_labeled=outcomes[0].manifest.data.num_labeled if outcomes else None,
        num_runs=len(outcomes),
        num_missing=len(row.missing),
        miou=miou,
        deviation=_percent(summary.sd if summary else None),
        published=paper.value if paper else None,
        published_deviation=paper.deviation if paper else None,
        difference=None if miou is None or paper is None else miou - paper.value,
        selected_share=row.selected_share,
        seconds=_mean(outcome.manifest.seconds for outcome in outcomes),
        classes=tuple(_classes(spec, dataset, row)) if spec.per_class and outcomes else (),
        remark=row.variant.remark,
    )


def _percent(value: float | None) -> float | None:
    return None if value is None else 100 * value


def _with_gain(line: Line, row: RowOutcome, rows: Sequence[RowOutcome]) -> Line:
    """The line with what its method gives over supervised training at the same seeds."""
    same = [r for r in rows if r.variant.method == BASELINE_METHOD and r.budget == row.budget]
    if not same or same[0] is row:
        return line
    ours, theirs = row.miou_by_seed, same[0].miou_by_seed
    seeds = [seed for seed in ours if seed in theirs]
    if not seeds:
        return line
    found = compare_paired([ours[seed] for seed in seeds], [theirs[seed] for seed in seeds])
    interval = None
    if found.lower is not None and found.upper is not None:
        interval = (100 * found.lower, 100 * found.upper)
    gain = {"gain": 100 * found.difference, "gain_interval": interval, "p_value": found.p_value}
    return line.model_copy(update=gain)


def _classes(spec: TableSpec, dataset: str, row: RowOutcome) -> Iterable[ClassLine]:
    for name in row.outcomes[0].metrics.test.class_names:
        ours = row.class_iou(name)
        paper = select_one(spec.number, dataset, row.variant, row.budget, name)
        yield ClassLine(
            name=name,
            iou=_percent(ours.mean if ours else None),
            deviation=_percent(ours.sd if ours else None),
            published=paper.value if paper else None,
        )
