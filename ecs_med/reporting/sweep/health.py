"""Health of the pseudo-labels across budgets, as the chosen models of the runs left it."""

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, NamedTuple

from ecs_med.errors import RunFolderError
from ecs_med.reporting.plots import Drawing, Pen, draw_figure
from ecs_med.reporting.run.findings import RIGHT_SHARE_LIMIT
from ecs_med.reporting.sweep.charts import budget_axis
from ecs_med.reporting.sweep.grid import Budget, Grid
from ecs_med.reporting.sweep.runs import FinishedRun
from ecs_med.reporting.sweep.tables import CELL_COLUMNS
from ecs_med.reporting.table import Column, Table
from ecs_med.reporting.text import decimal, percent, plural, points
from ecs_med.runs import MethodFacts, PseudoLabelHealth, RunFolder, read_history

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CellHealth", "health_charts", "health_reading", "health_table", "read_health"]

_SHARES = ("right_share", "correction_accuracy", "miou", "segmenter_miou", "mean_certainty")


class CellHealth(NamedTuple):
    """Pseudo-labels of one method at one budget; means are those over the runs that logged any.

    Attributes:
        mean: Of everything but the detection of errors.
        auroc: Of the corrector's 1 - P(right) on foreground pixels.
        confidence_auroc: Of the segmenter's own 1 - largest probability there.
    """

    method: MethodFacts
    budget: Budget
    num_runs: int
    mean: PseudoLabelHealth
    auroc: float | None = None
    confidence_auroc: float | None = None


def read_health(grid: Grid) -> list[CellHealth]:
    """Read the pseudo-labels of all runs that have any, at the iteration each one kept."""
    found = []
    for (method, budget), runs in grid.cells.items():
        rows = [row for run in runs if (row := _chosen_row(run)) is not None]
        if rows:
            aurocs = (_mean(rows, "foreground_auroc" + of) for of in ("", "_of_confidence"))
            found.append(CellHealth(method, budget, len(rows), _mean_health(rows), *aurocs))
    return found


def _chosen_row(run: FinishedRun) -> PseudoLabelHealth | None:
    """Pseudo-labels at the chosen iteration, or the last ones before it."""
    if not run.method.uses_corrector:
        return None
    try:
        history = read_history(RunFolder(run.folder).history_file, validation_only=True)
    except RunFolderError:
        return None
    found = history.pseudo_labels_at(run.metrics.best_iteration)
    return found[1] if found else None


def _mean_health(rows: Sequence[PseudoLabelHealth]) -> PseudoLabelHealth:
    shares = {name: _mean(rows, name) for name in _SHARES}
    return PseudoLabelHealth(num_cases=sum(row.num_cases for row in rows), **shares)


def _mean(rows: Sequence[PseudoLabelHealth], name: str) -> float | None:
    known = [value for row in rows if (value := getattr(row, name)) is not None]
    return fmean(known) if known else None


def health_reading(rows: Sequence[CellHealth], unit: str) -> list[str]:
    """What the numbers say, one sentence for each thing worth knowing."""
    sentences = []
    idle = [row for row in rows if (row.mean.right_share or 0) > RIGHT_SHARE_LIMIT]
    if idle:
        sentences.append(
            f"With {_budgets(idle)} labelled {unit}s the corrector finds more than "
            f"{percent(RIGHT_SHARE_LIMIT)} of the pixels right: it hardly corrects anything there."
        )
    told = [row for row in rows if row.auroc is not None and row.confidence_auroc is not None]
    blind = [row for row in told if (row.auroc or 0) <= max(row.confidence_auroc or 0, 0.5)]
    if blind:
        sentences.append(
            f"With {_budgets(blind)} labelled {unit}s the corrector finds errors on foreground "
            "pixels no better than the segmenter's own confidence or guessing do."
        )
    helped = [row for row in rows if (row.mean.gain or 0) > 0]
    harmed = [row for row in rows if (row.mean.gain or 0) < 0]
    if helped:
        best = max(helped, key=lambda row: row.mean.gain or 0)
        sentences.append(
            f"Correcting makes the pseudo-labels better with {_budgets(helped)} labelled {unit}s, "
            f"most with {best.budget.num_labeled:,} ({points(best.mean.gain)} mIoU points)."
        )
    if harmed:
        worst = min(harmed, key=lambda row: row.mean.gain or 0)
        sentences.append(
            f"Correcting makes them worse with {_budgets(harmed)} labelled {unit}s, most with "
            f"{worst.budget.num_labeled:,} ({points(worst.mean.gain)} mIoU points)."
        )
    return sentences


def _budgets(rows: Sequence[CellHealth]) -> str:
    numbers = list(dict.fromkeys(f"{row.budget.num_labeled:,}" for row in rows))
    return numbers[0] if len(numbers) == 1 else f"{', '.join(numbers[:-1])} and {numbers[-1]}"


def health_table(rows: Sequence[CellHealth]) -> Table:
    """Pseudo-labels by method and budget."""
    return Table.of(
        rows,
        "pseudo-label-health",
        "Health of the pseudo-labels",
        *CELL_COLUMNS,
        Column("right_share", "Pixels found right", "share", lambda row: row.mean.right_share),
        Column(
            "correction_accuracy",
            "Errors mended",
            "share",
            lambda row: row.mean.correction_accuracy,
        ),
        Column("miou", "mIoU, pseudo-labels", "score", lambda row: row.mean.miou),
        Column("segmenter_miou", "mIoU, segmenter", "score", lambda row: row.mean.segmenter_miou),
        Column("gain", "Difference, points", "points", lambda row: row.mean.gain),
        Column("mean_certainty", "Mean certainty", "score", lambda row: row.mean.mean_certainty),
        Column("foreground_auroc", "AUROC, corrector", "score", lambda row: row.auroc),
        Column(
            "foreground_auroc_of_confidence",
            "AUROC, confidence",
            "score",
            lambda row: row.confidence_auroc,
        ),
        Column("num_runs", "Runs", "count", lambda row: row.num_runs),
    )


def health_charts(rows: Sequence[CellHealth], unit: str) -> list[Drawing]:
    """Pseudo-labels against the segmenter, and what the corrector does, of the first method."""
    mine = [row for row in rows if row.method == rows[0].method] if rows else []
    if not mine:
        return []
    name = mine[0].method.short_name
    runs = plural(sum(row.num_runs for row in mine), "run")
    return [
        _chart(
            "pseudo-labels",
            mine,
            (("miou", "pseudo-labels"), ("segmenter_miou", "segmenter alone")),
            title=f"Do the corrections help? ({name})",
            caption=f"mIoU on unlabelled {unit}s against their hidden masks, at the chosen "
            f"iteration; means of {runs}.",
            unit=unit,
        ),
        _chart(
            "corrector",
            mine,
            (("right_share", "pixels found right"), ("correction_accuracy", "errors mended")),
            title="What does the corrector do?",
            caption="Shares, 0 to 1, at the chosen iteration.",
            unit=unit,
            limits=(-0.03, 1.03),
        ),
    ]


def _chart(
    name: str,
    rows: Sequence[CellHealth],
    lines: Sequence[tuple[str, str]],
    *,
    title: str,
    caption: str,
    unit: str,
    limits: tuple[float, float] | None = None,
) -> Drawing:
    def draw(figure: "Figure", pen: Pen) -> None:
        figure.subplots_adjust(left=0.17, right=0.97, bottom=0.27, top=0.87)
        axes = figure.add_subplot()
        for place, (key, words) in enumerate(lines):
            known = [row for row in rows if getattr(row.mean, key) is not None]
            numbers = [row.budget.num_labeled for row in known]
            # Colours that no method has.
            style = pen.style(place) | {"color": pen.series[2 + place], "markersize": 4.5}
            axes.plot(numbers, [getattr(row.mean, key) for row in known], label=words, **style)
        budget_axis(axes, [row.budget for row in rows], unit)
        if limits is not None:
            axes.set_ylim(*limits)
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderaxespad=0.2
        )

    values = "; ".join(
        f"{words} "
        + ", ".join(f"{decimal(getattr(r.mean, key))} with {r.budget.num_labeled}" for r in rows)
        for key, words in lines
    )
    return draw_figure(name, draw, title=title, caption=caption, alt=f"{title} {values}.")
