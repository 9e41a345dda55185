"""Health of the pseudo-labels across budgets, as the chosen models of the runs left it."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecs_med.reporting.plots import Drawing, Pen, budget_axis, draw_figure
from ecs_med.reporting.run.health import RIGHT_SHARE_LIMIT
from ecs_med.reporting.run.history import number
from ecs_med.reporting.sweep.grid import Budget, Grid, short_name
from ecs_med.reporting.sweep.runs import BudgetRun
from ecs_med.reporting.table import Column, Table, Value
from ecs_med.reporting.text import decimal, percent, plural

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["BudgetHealth", "health_charts", "health_reading", "health_table", "read_health"]

_KEYS = ("right_share", "correction_accuracy", "miou", "segmenter_miou", "mean_certainty")


@dataclass(frozen=True, slots=True)
class BudgetHealth:
    """Pseudo-labels of one method at one budget, each number a mean over runs.

    Attributes:
        method: Name of the method.
        budget: The budget.
        num_runs: Runs that logged pseudo-labels.
        right_share: Share of pixels that the corrector found right, 0..1.
        correction_accuracy: Share of the segmenter's errors that it mended, 0..1.
        miou: mIoU of the pseudo-labels against the hidden masks.
        segmenter_miou: mIoU of the segmenter alone on the same images.
        mean_certainty: Mean certainty of the corrector, 0..1.
    """

    method: str
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


def read_health(grid: Grid) -> list[BudgetHealth]:
    """Read the pseudo-labels of all runs that have any, at the iteration each one kept."""
    found = []
    for budget in grid.budgets:
        for method in grid.methods:
            rows = [row for run in grid.runs(method, budget) if (row := _chosen_row(run))]
            if rows:
                means = {key: _mean(rows, key) for key in _KEYS}
                found.append(BudgetHealth(method, budget, len(rows), **means))
    return found


def _chosen_row(run: BudgetRun) -> dict[str, Any] | None:
    """Pseudo-labels at the chosen iteration, or the last ones before it."""
    rows: dict[float, dict[str, Any]] = {}
    try:
        with (run.folder / "history.jsonl").open(encoding="utf-8", errors="replace") as file:
            for line in file:
                # Most lines are training steps; parsing them all would take minutes in a sweep.
                if '"pseudo_labels"' in line:
                    _add_row(rows, line)
    except OSError:
        return None
    if not rows:
        return None
    until = [i for i in rows if run.best_iteration is None or i <= run.best_iteration]
    return rows[max(until) if until else min(rows)]


def _add_row(rows: dict[float, dict[str, Any]], line: str) -> None:
    try:
        row = json.loads(line)
        iteration, scores = number(row["iteration"]), row["pseudo_labels"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    if iteration is not None and isinstance(scores, dict):
        rows[iteration] = scores


def _mean(rows: Sequence[dict[str, Any]], key: str) -> float | None:
    values = [value for row in rows if (value := number(row.get(key))) is not None]
    return statistics.fmean(values) if values else None


def health_reading(rows: Sequence[BudgetHealth], unit: str) -> list[str]:
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


def _budgets(rows: Sequence[BudgetHealth]) -> str:
    numbers = list(dict.fromkeys(f"{row.budget.num_labeled:,}" for row in rows))
    return numbers[0] if len(numbers) == 1 else f"{', '.join(numbers[:-1])} and {numbers[-1]}"


def health_table(rows: Sequence[BudgetHealth]) -> Table:
    """Pseudo-labels by method and budget."""
    values: list[dict[str, Value]] = [
        {
            "method": short_name(row.method),
            "budget": row.budget.name,
            "num_labeled": row.budget.num_labeled,
            **{key: getattr(row, key) for key in (*_KEYS, "gain", "num_runs")},
        }
        for row in rows
    ]
    columns = (
        Column("method", "Method"),
        Column("budget", "Budget"),
        Column("num_labeled", "Labels", "count"),
        Column("right_share", "Pixels found right", "share"),
        Column("correction_accuracy", "Errors mended", "share"),
        Column("miou", "mIoU, pseudo-labels", "score"),
        Column("segmenter_miou", "mIoU, segmenter", "score"),
        Column("gain", "Difference, points", "points"),
        Column("mean_certainty", "Mean certainty", "score"),
        Column("num_runs", "Runs", "count"),
    )
    return Table("pseudo-label-health", "Health of the pseudo-labels", columns, values)


def health_charts(rows: Sequence[BudgetHealth], unit: str) -> list[Drawing]:
    """Pseudo-labels against the segmenter, and what the corrector does, of the first method."""
    mine = [row for row in rows if row.method == rows[0].method] if rows else []
    if not mine:
        return []
    name = short_name(mine[0].method)
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
    rows: Sequence[BudgetHealth],
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
        for (key, words), look in zip(lines, _looks(pen), strict=False):
            known = [row for row in rows if getattr(row, key) is not None]
            places = [row.budget.num_labeled for row in known]
            axes.plot(places, [getattr(row, key) for row in known], label=words, **look)
        budget_axis(axes, [row.budget for row in rows], unit)
        if limits is not None:
            axes.set_ylim(*limits)
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, borderaxespad=0.2
        )

    told = "; ".join(
        f"{words} "
        + ", ".join(f"{decimal(getattr(r, key))} with {r.budget.num_labeled}" for r in rows)
        for key, words in lines
    )
    return draw_figure(name, draw, title=title, caption=caption, alt=f"{title} {told}.")


def _looks(pen: Pen) -> list[dict[str, Any]]:
    return [
        {"color": pen.series[2], "marker": "o", "markersize": 4.5},
        {"color": pen.series[3], "marker": "s", "markersize": 4.5, "linestyle": (0, (5, 1.6))},
    ]
