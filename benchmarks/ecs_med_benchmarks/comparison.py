"""Ours beside the published figures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ecs_med.analysis import compare_paired, correct_p_values
from ecs_med.sweep.axes import budget_key
from ecs_med_benchmarks.outcomes import RowOutcome
from ecs_med_benchmarks.published import PublishedFigure, read_published, select
from ecs_med_benchmarks.tables import TableSpec
from ecs_med_benchmarks.variants import Variant

__all__ = ["Line", "compare", "published_for"]


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a printed table; scores in percent.

    Attributes:
        label: The method.
        budget: The labelled budget, `1/1` for all labels.
        num_labeled: Labelled images; `None` where no run tells.
        num_runs: Finished runs.
        num_missing: Runs without a score.
        miou: Mean over seeds; `None` without a run.
        deviation: Standard deviation over seeds; `None` for fewer than two.
        published: The paper's mean; `None` where it gives none.
        published_deviation: The paper's deviation.
        selected_share: What a rival selected at the end, 0 to 1.
        seconds: Mean seconds of a run.
        gain: Ours minus our supervised training at the same seeds, in points; `None` where there
            are no pairs.
        gain_interval: 95 % t interval of the gain; `None` for fewer than two pairs.
        p_value: Paired t-test of the gain, Holm-corrected over the table.
        classes: IoU per class: name, ours, its deviation, published.
        remark: What a reader should know.
    """

    label: str
    budget: str
    num_labeled: int | None
    num_runs: int
    num_missing: int
    miou: float | None
    deviation: float | None
    published: float | None
    published_deviation: float | None
    selected_share: float | None
    seconds: float | None
    gain: float | None = None
    gain_interval: tuple[float, float] | None = None
    p_value: float | None = None
    classes: tuple[tuple[str, float | None, float | None, float | None], ...] = ()
    remark: str = ""

    @property
    def difference(self) -> float | None:
        """Ours minus published, in points."""
        if self.miou is None or self.published is None:
            return None
        return self.miou - self.published


def compare(spec: TableSpec, dataset: str, rows: Sequence[RowOutcome]) -> list[Line]:
    """The lines of a table.

    Args:
        spec: The table.
        dataset: Name of the data set in `published.csv`.
        rows: Outcomes of its rows.
    """
    lines = [_with_gain(_line(spec, dataset, row), row, rows) for row in rows]
    corrected = correct_p_values([line.p_value for line in lines])
    return [replace(line, p_value=p) for line, p in zip(lines, corrected, strict=True)]


def published_for(
    spec: TableSpec,
    dataset: str,
    variant: Variant,
    budget: str,
    class_name: str | None = None,
) -> PublishedFigure | None:
    """The published figure of a row, `None` where there is none."""
    if not variant.published:
        return None
    figures = select(
        read_published(),
        table=variant.published_table or spec.number,
        dataset=dataset,
        method=variant.published,
        metric="miou" if class_name is None else "iou",
        class_name=class_name,
    )
    key = budget_key(budget)
    return next((f for f in figures if _share(f.labeled) == key), None)


def _share(labeled: str) -> object:
    return budget_key("all" if labeled == "1/1" else labeled)


def _line(spec: TableSpec, dataset: str, row: RowOutcome) -> Line:
    summary = row.miou
    paper = published_for(spec, dataset, row.variant, row.budget)
    outcomes = row.outcomes
    return Line(
        label=row.variant.label,
        budget="1/1" if row.budget == "all" else row.budget,
        num_labeled=outcomes[0].num_labeled if outcomes else None,
        num_runs=len(outcomes),
        num_missing=len(row.missing),
        miou=None if summary is None else 100 * summary.mean,
        deviation=None if summary is None or summary.sd is None else 100 * summary.sd,
        published=paper.value if paper else None,
        published_deviation=paper.deviation if paper else None,
        selected_share=row.selected_share,
        seconds=sum(o.seconds for o in outcomes) / len(outcomes) if outcomes else None,
        classes=tuple(_classes(spec, dataset, row)) if spec.per_class else (),
        remark=row.variant.remark,
    )


def _with_gain(line: Line, row: RowOutcome, rows: Sequence[RowOutcome]) -> Line:
    """The line with what its method gives over supervised training at the same seeds."""
    reference = next(
        (r for r in rows if r.variant.method == "supervised" and r.budget == row.budget), None
    )
    if reference is None or reference is row:
        return line
    theirs = {outcome.seed: outcome.miou for outcome in reference.outcomes}
    pairs = [(o.miou, theirs[o.seed]) for o in row.outcomes if o.seed in theirs]
    if not pairs:
        return line
    found = compare_paired([ours for ours, _ in pairs], [baseline for _, baseline in pairs])
    interval = None
    if found.lower is not None and found.upper is not None:
        interval = (100 * found.lower, 100 * found.upper)
    return replace(line, gain=100 * found.difference, gain_interval=interval, p_value=found.p_value)


def _classes(
    spec: TableSpec, dataset: str, row: RowOutcome
) -> list[tuple[str, float | None, float | None, float | None]]:
    if not row.outcomes:
        return []
    result = []
    for name in row.outcomes[0].iou_per_class:
        ours = row.class_iou(name)
        paper = published_for(spec, dataset, row.variant, row.budget, name)
        result.append(
            (
                name,
                None if ours is None else 100 * ours.mean,
                None if ours is None or ours.sd is None else 100 * ours.sd,
                paper.value if paper else None,
            )
        )
    return result
