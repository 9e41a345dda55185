"""The curves of the budget report over labelled budgets: score, gain, forecast."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ecs_med.analysis import Forecast
from ecs_med.names import visible
from ecs_med.reporting.plots import Drawing, Pen, draw_figure
from ecs_med.reporting.sweep.grid import Budget, Grid
from ecs_med.reporting.sweep.series import SeriesFacts
from ecs_med.reporting.sweep.statistics import CellScore, Gain, Statistics
from ecs_med.reporting.text import budget_share, decimal
from ecs_med.runs import MethodFacts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["FORECAST_REACH", "budget_axis", "forecast_chart", "gain_chart", "score_chart"]

FORECAST_REACH = 2
"""How far beyond the largest budget the forecast is shown, as a factor."""

_WIDE = (5.3, 3.5)


def score_chart(grid: Grid, found: Statistics) -> Drawing:
    """MIoU against labelled cases: means, intervals over seeds, and every run as a dot."""
    limits, clipped = _score_limits(grid, found)
    by_method = {m: [cell for cell in found.scores if cell.method == m] for m in grid.methods}

    def draw(figure: "Figure", pen: Pen) -> None:
        axes = _axes(figure, right=0.82)
        ends = []
        for method, cells in by_method.items():
            style = pen.style(grid.place(method))
            _draw_scores(axes, grid, cells, style)
            place, score = cells[-1].budget.num_labeled, cells[-1].seeds.mean
            ends.append((place, score, method.short_name, style["color"]))
        budget_axis(axes, grid.budgets, grid.unit)
        axes.set_ylim(*limits)
        axes.set_ylabel("mIoU on the test set")
        _direct_labels(axes, ends)

    lines = " ".join(
        f"{method.short_name}: "
        + ", ".join(f"{decimal(c.seeds.mean)} with {c.budget.num_labeled}" for c in cells)
        + "."
        for method, cells in by_method.items()
    )
    several = any(cell.seeds.lower is not None for cell in found.scores)
    caption = "Line: mean over seeds. Dots: single runs."
    if several:
        caption += " Shaded: 95 % t interval of the mean."
        caption += " Some intervals reach beyond the chart; the table has them." if clipped else ""
    else:
        caption += " One seed has no interval."
    return draw_figure(
        "score-curve",
        draw,
        title="mIoU against labels",
        caption=caption,
        alt=f"Mean mIoU against the number of labelled {grid.unit}s. {lines}",
        size=_WIDE,
    )


def _draw_scores(
    axes: "Axes", grid: Grid, cells: Sequence[CellScore], style: Mapping[str, Any]
) -> None:
    numbers = [cell.budget.num_labeled for cell in cells]
    axes.plot(numbers, [cell.seeds.mean for cell in cells], **style, markersize=0)
    place, num = grid.methods.index(cells[0].method), len(grid.methods)
    known = [(c.budget.num_labeled, c.seeds.lower, c.seeds.upper) for c in cells]
    band = np.array([row for row in known if row[1] is not None], dtype=float)
    if len(band) > 1:
        axes.fill_between(*band.T, color=style["color"], alpha=0.14, linewidth=0)
    elif len(band):
        # A single interval has no width to shade; apart, so that methods do not hide each other.
        axes.vlines(
            _beside(band[0, 0], place, num),
            *band[0, 1:],
            color=style["color"],
            linewidth=2.2,
            alpha=0.55,
        )
    for cell in cells:
        runs = grid.runs(cell.method, cell.budget)
        axes.plot(
            [_beside(cell.budget.num_labeled, place, num)] * len(runs),
            [run.miou for run in runs],
            linestyle="none",
            marker=style["marker"],
            color=style["color"],
            markersize=4.2 if len(runs) < 12 else 2.4,
            markerfacecolor="none" if style["marker"] != "o" else style["color"],
            markeredgewidth=1.1,
            alpha=0.85,
        )


def _score_limits(grid: Grid, found: Statistics) -> tuple[tuple[float, float], bool]:
    """Limits that show every run; intervals widen them up to a point, and whether they go on."""
    values = [run.miou for run in grid.all_runs]
    bounds = [bound for cell in found.scores for bound in (cell.seeds.lower, cell.seeds.upper)]
    ends = [bound for bound in bounds if bound is not None]
    low, high = min(values), max(values)
    room = max(0.03, 0.7 * (high - low))
    lower = max(low - room, min([*ends, low]) - 0.01)
    upper = min(high + room, max([*ends, high]) + 0.01)
    clipped = any(end < lower or end > upper for end in ends)
    return (lower, upper), clipped


def gain_chart(grid: Grid, gains: Sequence[Gain]) -> Drawing | None:
    """Gain over the baseline in mIoU points; `None` where there is no pair of runs."""
    if not gains:
        return None
    rivals = [method for method in grid.rivals if any(gain.method == method for gain in gains)]

    def draw(figure: "Figure", pen: Pen) -> None:
        axes = _axes(figure)
        axes.axhline(0, color=pen.ink, linewidth=1)
        for index, method in enumerate(rivals):
            mine = [gain for gain in gains if gain.method == method]
            style = pen.style(grid.place(method))
            places = [_beside(g.budget.num_labeled, index, len(rivals)) for g in mine]
            for place, gain in zip(places, mine, strict=True):
                if gain.seeds.lower is not None and gain.seeds.upper is not None:
                    ends = (100 * gain.seeds.lower, 100 * gain.seeds.upper)
                    axes.vlines(place, *ends, color=style["color"], linewidth=2.2, alpha=0.55)
            axes.plot(places, [100 * g.seeds.difference for g in mine], **style, markersize=6)
        budget_axis(axes, grid.budgets, grid.unit)
        axes.set_ylabel("gain in mIoU points")

    values = ", ".join(
        f"{gain.method.short_name} {100 * gain.seeds.difference:+.1f} points with "
        f"{gain.budget.num_labeled}"
        for gain in gains
    )
    interval = any(gain.seeds.lower is not None for gain in gains)
    return draw_figure(
        "gain",
        draw,
        title=f"Gain over {grid.against}: {', '.join(rival.short_name for rival in rivals)}",
        caption=f"Difference of runs with the same seed and {_shared(grid)}. "
        + "Above the zero line is better."
        + (" Bar: 95 % t interval." if interval else " One pair has no interval."),
        alt=f"Gain over {grid.against} in mIoU points: {values}.",
    )


def _shared(grid: Grid) -> str:
    """What runs have in common whose difference is shown."""
    if any(isinstance(method, SeriesFacts) for method in grid.methods):
        return f"as many labelled {grid.unit}s"
    return f"the same labelled {grid.unit}s"


def _beside(num_labeled: float, place: int, num: int) -> float:
    """Where the dots of the method `place` of `num` lie, which must not hide each other."""
    return float(num_labeled * 2 ** (0.07 * (place - (num - 1) / 2)))


def forecast_chart(grid: Grid, found: Statistics) -> Drawing | None:
    """Fitted learning curves, continued to twice the labels; `None` where none could be fitted."""
    forecasts = {
        method: curve for method, curve in found.forecasts.items() if isinstance(curve, Forecast)
    }
    if not forecasts:
        return None
    last = grid.budgets[-1].num_labeled
    doubled = Budget("doubled", FORECAST_REACH * last, None)

    def draw(figure: "Figure", pen: Pen) -> None:
        axes = _axes(figure, right=0.82)
        ends = []
        for method, curve in forecasts.items():
            style = pen.style(grid.place(method))
            place, scores = _draw_forecast(axes, grid, method, curve, style)
            ends.append((place, scores, method.short_name, style["color"]))
        axes.axvline(last, color=pen.ink, linewidth=0.9, linestyle=(0, (2, 2)))
        budget_axis(axes, [*grid.budgets, doubled], grid.unit)
        axes.set_ylabel("mIoU on the test set")
        _direct_labels(axes, ends)

    values = ", ".join(
        f"{method.short_name} {decimal(curve.score_at(doubled.num_labeled).estimate)}"
        for method, curve in forecasts.items()
    )
    return draw_figure(
        "forecast",
        draw,
        title="Learning curves",
        caption="Dots: means over seeds. Shaded: 95 % interval of the expected score. Right of the "
        "dotted line lies what has not been measured.",
        alt=f"Learning curves; expected mIoU with {doubled.num_labeled:,} labels: {values}.",
        size=_WIDE,
    )


def _draw_forecast(
    axes: "Axes", grid: Grid, method: MethodFacts, curve: Forecast, style: Mapping[str, Any]
) -> tuple[float, float]:
    """Draw one curve and return where it ends."""
    budgets = [budget for budget in grid.budgets if grid.runs(method, budget)]
    places = np.geomspace(curve.smallest, FORECAST_REACH * curve.largest, 40)
    found = [curve.score_at(float(place)) for place in places]
    line = [interval.estimate for interval in found]
    axes.plot(places, line, color=style["color"], linestyle=style["linestyle"])
    band = [(interval.lower, interval.upper) for interval in found]
    if all(lower is not None and upper is not None for lower, upper in band):
        lower, upper = np.array(band, dtype=float).T
        axes.fill_between(places, lower, upper, color=style["color"], alpha=0.14, linewidth=0)
    axes.plot(
        [budget.num_labeled for budget in budgets],
        [float(np.mean([run.miou for run in grid.runs(method, b)])) for b in budgets],
        linestyle="none",
        marker=style["marker"],
        color=style["color"],
        markersize=5,
    )
    return float(places[-1]), line[-1]


def _axes(figure: "Figure", right: float = 0.97) -> "Axes":
    """Axes that leave room for two lines of ticks below, and for names at the right."""
    bottom = 0.76 / figure.get_size_inches()[1]
    figure.subplots_adjust(left=0.17, right=right, bottom=bottom, top=0.95)
    return figure.add_subplot()


def budget_axis(axes: "Axes", budgets: Sequence[Budget], unit: str) -> None:
    """A logarithmic axis of labelled cases, with a tick and its share at every budget."""
    from matplotlib.ticker import FixedLocator, NullLocator

    axes.set_xscale("log", base=2)
    places = [budget.num_labeled for budget in budgets]
    axes.set_xlim(places[0] / 2**0.35, places[-1] * 2**0.35)
    axes.xaxis.set_major_locator(FixedLocator(places))
    axes.xaxis.set_minor_locator(NullLocator())
    size = 11.5 if len(budgets) < 6 else 9.5
    labels = [
        f"{budget.num_labeled:,}" + (f"\n{budget_share(budget.share)}" if budget.share else "")
        for budget in budgets
    ]
    axes.set_xticklabels(labels, fontsize=size)
    # A budget of slices is one of volumes, of which each gives as many.
    of = "volume" if unit == "slice" else unit
    axes.set_xlabel(visible(f"labelled {unit}s (share of the training {of}s)"))
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def _direct_labels(axes: "Axes", ends: Sequence[tuple[float, float, str, str]]) -> None:
    """Write name and colour beside each end (place, value) of a line, moved apart."""
    low, high = axes.get_ylim()
    height = (high - low) * 0.085
    last = float("-inf")
    for place, value, name, color in sorted(ends, key=lambda end: end[1]):
        last = max(value, last + height)
        axes.annotate(
            visible(name),
            (place, last),
            xytext=(12, 0),
            textcoords="offset points",
            verticalalignment="center",
            color=color,
            annotation_clip=False,
            fontweight="bold",
        )
