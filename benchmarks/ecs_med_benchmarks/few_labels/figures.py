"""Score against seconds, a panel a data set and budget."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ecs_med.reporting.plots import Drawing, Pen, draw_figure
from ecs_med_benchmarks.few_labels.comparison import RowScores
from ecs_med_benchmarks.few_labels.seconds import StepSeconds
from ecs_med_benchmarks.protocols import protocol_named

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_figures"]

_PANEL = (4.4, 3.4)
_FILLED = {"steps": "full", "seconds": "none"}


def draw_figures(rows: Sequence[RowScores], seconds: StepSeconds) -> list[Drawing]:
    """Draw each data set by itself; none where no run is done or no step was measured.

    Args:
        rows: Of all tables.
        seconds: Of a step of each method.
    """
    shown = [each for each in rows if each.summary("miou") and _spent(each, seconds)]
    datasets = dict.fromkeys(each.row.dataset for each in shown)
    return [
        _draw_one(name, [each for each in shown if each.row.dataset == name], seconds)
        for name in datasets
    ]


def _spent(each: RowScores, seconds: StepSeconds) -> float | None:
    """CPU seconds of all steps of a run."""
    measured = seconds.find(each.row.dataset, each.row.method)
    return each.row.steps * measured.seconds if measured else None


def _draw_one(dataset: str, rows: Sequence[RowScores], seconds: StepSeconds) -> Drawing:
    budgets = list(dict.fromkeys(each.row.budget for each in rows))
    title = f"{protocol_named(dataset).title}: score against seconds"

    def draw(figure: "Figure", pen: Pen) -> None:
        axes = figure.subplots(1, len(budgets), squeeze=False)[0]
        for place, budget in enumerate(budgets):
            own = [each for each in rows if each.row.budget == budget]
            _fill_panel(axes[place], own, seconds, pen)
            share = "all labels" if budget == "all" else f"{budget} of the labels"
            axes[place].set_title(share, fontsize=11.5)
        axes[0].set_ylabel("test mIoU, %")
        figure.tight_layout()

    told = "; ".join(
        f"{each.label} at {each.row.budget}, equal {each.row.equal}: {100 * summary.mean:.1f} %"
        for each in rows
        if (summary := each.summary("miou"))
    )
    return draw_figure(
        f"score-seconds-{dataset}",
        draw,
        title=title,
        caption="Test mIoU of the chosen model, mean over seeds with its 95 % t interval, against "
        "the CPU seconds of its training steps as measured. Full: equal steps; hollow: equal "
        "seconds; a line joins the two of a method.",
        alt=f"{title}. {told}.",
        size=(_PANEL[0] * len(budgets), _PANEL[1]),
    )


def _fill_panel(axes: "Axes", rows: Sequence[RowScores], seconds: StepSeconds, pen: Pen) -> None:
    methods = list(dict.fromkeys(each.row.method for each in rows))
    for place, method in enumerate(methods):
        style = {**pen.style(place), "linestyle": ":"}
        own = [each for each in rows if each.row.method == method]
        points = []
        for each in own:
            summary, spent = each.summary("miou"), _spent(each, seconds)
            assert summary is not None
            assert spent is not None
            half = 0.0 if summary.upper is None else 100 * (summary.upper - summary.mean)
            axes.errorbar(
                *(spent, 100 * summary.mean, half),
                **{**style, "linestyle": "none"},
                fillstyle=_FILLED[each.row.equal],
                elinewidth=0.7,
            )
            points.append((spent, 100 * summary.mean))
        axes.plot(*zip(*points, strict=True), color=style["color"], linestyle=":", linewidth=0.9)
        axes.annotate(
            own[0].label,
            points[0],
            xytext=(5, 4),
            textcoords="offset points",
            fontsize=8,
            color=style["color"],
        )
    axes.set_xlabel("CPU seconds of training")
    axes.grid(axis="y")
    axes.set_axisbelow(True)
