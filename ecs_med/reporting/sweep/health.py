"""Health of the pseudo-labels across budgets, as the chosen models of the runs left it."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ecs_med.errors import RunFolderError
from ecs_med.reporting.plots import Drawing, Pen, draw_figure
from ecs_med.reporting.run.findings import RIGHT_SHARE_LIMIT
from ecs_med.reporting.sweep.axes import budget_axis
from ecs_med.reporting.sweep.grid import Budget, Grid
from ecs_med.reporting.sweep.runs import FinishedRun
from ecs_med.reporting.sweep.tables import CELL_COLUMNS, cell_values
from ecs_med.reporting.table import Column, Table, Value
from ecs_med.reporting.text import decimal, percent, plural
from ecs_med.runs import MethodFacts, PseudoLabelHealth, RunFolder, read_history

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CellHealth", "health_charts", "health_reading", "health_table", "read_health"]


@dataclass(frozen=True, slots=True)
class CellHealth:
    """Pseudo-labels of one method at one budget, each number a mean over runs.

    Attributes:
        method: The method.
        budget: The budget.
        num_runs: Runs that logged pseudo-labels.
        right_share: Share of pixels that the corrector found right, 0..1.
        correction_accuracy: Share of the segmenter's errors that it mended, 0..1.
        miou: mIoU of the pseudo-labels against the hidden masks.
        segmenter_miou: mIoU of the segmenter alone on the same images.
        mean_certainty: Mean certainty of the corrector, 0..1.
    """

    method: MethodFacts
    budget: Budget
    num_runs: int
    right_share: float | None
    correction_accuracy: float | None
    miou: float | None
    segmenter_miou: float | None
    mean_certainty: float | None

    @property
    def gain(self) -> float | None:
        """What correcting gives, in mIoU 0..1."""
        if self.miou is None or self.segmenter_miou is None:
            return None
        return self.miou - self.segmenter_miou


def read_health(grid: Grid) -> list[CellHealth]:
    """Read the pseudo-labels of all runs that have any, at the iteration each one kept."""
    found = []
    for (method, budget), runs in grid.cells.items():
        rows = [row for run in runs if (row := _chosen_row(run)) is not None]
        if rows:
            found.append(
                CellHealth(
                    method=method,
                    budget=budget,
                    num_runs=len(rows),
                    right_share=_mean(row.right_share for row in rows),
                    correction_accuracy=_mean(row.correction_accuracy for row in rows),
                    miou=_mean(row.miou for row in rows),
                    segmenter_miou=_mean(row.segmenter_miou for row in rows),
                    mean_certainty=_mean(row.mean_certainty for row in rows),
                )
            )
    return found


def _chosen_row(run: FinishedRun) -> PseudoLabelHealth | None:
    """Pseudo-labels at the chosen iteration, or the last ones before it."""
    if not run.method.uses_corrector:
        return None
    try:
        history = read_history(RunFolder(run.folder).history_file, validation_only=True)
    except RunFolderError:
        return None
    rows = [(row.iteration, row.pseudo_labels) for row in history.validation if row.pseudo_labels]
    until = [scores for iteration, scores in rows if iteration <= run.metrics.best_iteration]
    return until[-1] if until else rows[0][1] if rows else None


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if known else None


def health_reading(rows: Sequence[CellHealth], unit: str) -> list[str]:
    """What the numbers say, one sentence for each thing worth knowing."""
    sentences = []
    idle = [row for row in rows if (row.right_share or 0) > RIGHT_SHARE_LIMIT]
    if idle:
        sentences.append(
            f"With {_budgets(idle)} labelled {unit}s the corrector finds more than "
            f"{percent(RIGHT_SHARE_LIMIT)} of the pixels right: it hardly corrects anything there."
        )
    helped = [row for row in rows if (row.gain or 0) > 0]
    harmed = [row for row in rows if (row.gain or 0) < 0]
    if helped:
        best = max(helped, key=lambda row: row.gain or 0)
        sentences.append(
            f"Correcting makes the pseudo-labels better with {_budgets(helped)} labelled {unit}s, "
            f"most with {best.budget.num_labeled:,} ({100 * (best.gain or 0):+.1f} mIoU points)."
        )
    if harmed:
        worst = min(harmed, key=lambda row: row.gain or 0)
        sentences.append(
            f"Correcting makes them worse with {_budgets(harmed)} labelled {unit}s, most with "
            f"{worst.budget.num_labeled:,} ({100 * (worst.gain or 0):+.1f} mIoU points)."
        )
    return sentences


def _budgets(rows: Sequence[CellHealth]) -> str:
    numbers = list(dict.fromkeys(f"{row.budget.num_labeled:,}" for row in rows))
    return numbers[0] if len(numbers) == 1 else f"{', '.join(numbers[:-1])} and {numbers[-1]}"


def health_table(rows: Sequence[CellHealth]) -> Table:
    """Pseudo-labels by method and budget."""
    values: list[dict[str, Value]] = [
        {
            **cell_values(row.method, row.budget),
            "right_share": row.right_share,
            "correction_accuracy": row.correction_accuracy,
            "miou": row.miou,
            "segmenter_miou": row.segmenter_miou,
            "gain": row.gain,
            "mean_certainty": row.mean_certainty,
            "num_runs": row.num_runs,
        }
        for row in rows
    ]
    columns = (
        *CELL_COLUMNS,
        Column("right_share", "Pixels found right", "share"),
        Column("correction_accuracy", "Errors mended", "share"),
        Column("miou", "mIoU, pseudo-labels", "score"),
        Column("segmenter_miou", "mIoU, segmenter", "score"),
        Column("gain", "Difference, points", "points"),
        Column("mean_certainty", "Mean certainty", "score"),
        Column("num_runs", "Runs", "count"),
    )
    return Table("pseudo-label-health", "Health of the pseudo-labels", columns, values)


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
            known = [row for row in rows if getattr(row, key) is not None]
            numbers = [row.budget.num_labeled for row in known]
            # Colours that no method has.
            style = pen.style(place) | {"color": pen.series[2 + place], "markersize": 4.5}
            axes.plot(numbers, [getattr(row, key) for row in known], label=words, **style)
        budget_axis(axes, [row.budget for row in rows], unit)
        if limits is not None:
            axes.set_ylim(*limits)
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderaxespad=0.2
        )

    values = "; ".join(
        f"{words} "
        + ", ".join(f"{decimal(getattr(r, key))} with {r.budget.num_labeled}" for r in rows)
        for key, words in lines
    )
    return draw_figure(name, draw, title=title, caption=caption, alt=f"{title} {values}.")
