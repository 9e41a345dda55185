"""Score against seconds at equal steps, and gains over supervised training with their intervals."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ecs_med.reporting.plots import Drawing, Pen, draw_figure
from ecs_med_benchmarks.few_labels.comparison import RowScores
from ecs_med_benchmarks.few_labels.grid import EQUALS
from ecs_med_benchmarks.few_labels.seconds import StepSeconds
from ecs_med_benchmarks.protocols import protocol_named

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_figures"]

_WIDTH, _HEIGHT, _ROW = 4.6, 3.6, 0.3
"""Of a panel, and of a method in a panel of gains, in inches."""

_Fill = Callable[["Axes", Sequence[RowScores], Pen], None]


def draw_figures(rows: Sequence[RowScores], seconds: StepSeconds, over: str) -> list[Drawing]:
    """Draw each data set by itself, at the budgets that most methods were tried at.

    Args:
        rows: Of all tables.
        seconds: Of a step of each method.
        over: The method that gains are over.

    Returns:
        Those for which there are scores.
    """
    drawings = []
    for dataset in dict.fromkeys(each.row.dataset for each in rows):
        own = [each for each in rows if each.row.dataset == dataset and each.results]
        drawings += [*_draw_seconds(dataset, own, seconds), *_draw_gains(dataset, own, over)]
    return drawings


def _spent(each: RowScores, seconds: StepSeconds) -> float | None:
    """CPU seconds of all steps of a run."""
    measured = seconds.find(each.row.dataset, each.row.method)
    return each.row.steps * measured.seconds if measured else None


def _draw_seconds(dataset: str, rows: Sequence[RowScores], seconds: StepSeconds) -> list[Drawing]:
    shown = [
        each
        for each in rows
        if each.row.equal == "steps" and each.summary("miou") and _spent(each, seconds)
    ]

    def fill(axes: "Axes", own: Sequence[RowScores], pen: Pen) -> None:
        for place, each in enumerate(own):
            summary, spent = each.summary("miou"), _spent(each, seconds)
            assert summary is not None
            assert spent is not None
            half = 0.0 if summary.upper is None else 100 * (summary.upper - summary.mean)
            point, style = (spent, 100 * summary.mean), {**pen.style(place), "linestyle": "none"}
            axes.errorbar(*point, half, elinewidth=0.7, **style)
            axes.annotate(
                each.label,
                point,
                xytext=(5, 4),
                textcoords="offset points",
                fontsize=8,
                color=style["color"],
            )
        axes.margins(x=0.15)
        axes.set_xlabel("CPU seconds of training")
        axes.set_ylabel("test mIoU, %")
        axes.grid(axis="y")

    caption = (
        "Test mIoU of the chosen model after equally many steps, mean over seeds with its 95 % t "
        "interval, against the CPU seconds of these steps as measured."
    )
    name = "score-seconds"
    return _panels(name, "score against seconds", caption, dataset, shown, fill, _HEIGHT)


def _draw_gains(dataset: str, rows: Sequence[RowScores], over: str) -> list[Drawing]:
    shown = [each for each in rows if each.gain(over)]
    count = max((len(_methods(shown, b)) for b in _budgets(shown)), default=0)

    def fill(axes: "Axes", own: Sequence[RowScores], pen: Pen) -> None:
        labels = list(dict.fromkeys(each.label for each in own))
        for each in own:
            gain = each.gain(over)
            assert gain is not None
            place = EQUALS.index(each.row.equal)
            height = labels.index(each.label) + (place - 0.5) * 0.3
            for found, width in ((gain.both, 0.7), (gain.seeds, 2.2)):
                if found.lower is not None and found.upper is not None:
                    ends = (100 * found.lower, 100 * found.upper)
                    axes.plot(ends, (height, height), color=pen.series[place], linewidth=width)
            style = {**pen.style(place), "linestyle": "none", "markersize": 5}
            axes.plot(100 * gain.seeds.difference, height, **style)
        axes.axvline(0, color=pen.ink, linewidth=0.8)
        axes.set_yticks(range(len(labels)), labels)
        axes.invert_yaxis()
        axes.set_xlabel(f"gain over {over}, points of mIoU")
        axes.grid(axis="x")

    caption = (
        f"Gain in test mIoU over {over}, paired by seed: thick, its 95 % interval over seeds; "
        "thin, over seeds and test cases. Circles: equal steps; squares: equal seconds."
    )
    title = f"gains over {over}"
    return _panels("gains", title, caption, dataset, shown, fill, 1.2 + _ROW * count)


def _budgets(rows: Sequence[RowScores]) -> list[str]:
    """Those that most methods were tried at, in the order of the table."""
    known = list(dict.fromkeys(each.row.budget for each in rows))
    most = max((len(_methods(rows, budget)) for budget in known), default=0)
    return [budget for budget in known if len(_methods(rows, budget)) == most]


def _methods(rows: Sequence[RowScores], budget: str) -> set[str]:
    return {each.row.method for each in rows if each.row.budget == budget}


def _panels(
    name: str,
    title: str,
    caption: str,
    dataset: str,
    rows: Sequence[RowScores],
    fill: _Fill,
    height: float,
) -> list[Drawing]:
    """One drawing with a panel for each budget; none without a row."""
    budgets = _budgets(rows)
    if not budgets:
        return []

    def draw(figure: "Figure", pen: Pen) -> None:
        panels = figure.subplots(1, len(budgets), squeeze=False)[0]
        for axes, budget in zip(panels, budgets, strict=True):
            fill(axes, [each for each in rows if each.row.budget == budget], pen)
            share = "all labels" if budget == "all" else f"{budget} of the labels"
            axes.set_title(share, fontsize=11.5)
            axes.set_axisbelow(True)
        figure.tight_layout()

    whole = f"{protocol_named(dataset).title}: {title}"
    told = "; ".join(
        f"{each.label} at {each.row.budget}, equal {each.row.equal}: mIoU {100 * summary.mean:.1f}"
        for each in rows
        if (summary := each.summary("miou"))
    )
    size = (_WIDTH * len(budgets), height)
    alt = f"{whole}. {told}."
    drawn = draw_figure(f"{name}-{dataset}", draw, title=whole, caption=caption, alt=alt, size=size)
    return [drawn]
