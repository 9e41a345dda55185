"""IoU of every class at every budget as coloured maps, and what a method gives per class."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ecs_med.names import visible
from ecs_med.reporting.plots import Drawing, Pen, draw_figure
from ecs_med.reporting.sweep.grid import Budget, Grid
from ecs_med.runs import MethodFacts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["class_differences", "class_maps"]

Values = NDArray[np.float64]

# Both maps keep their order in grey and for every form of colour blindness.
_SCORES, _DIFFERENCES = "cividis", "PuOr"
_SMALLEST_REACH = 1.0
"""Differences are never blown up to more colour than this many IoU points deserve."""


def class_maps(grid: Grid) -> list[Drawing]:
    """One map of IoU for each method, on one scale, then the differences over the baseline."""
    means = {method: _class_ious(grid, method) for method in grid.methods}
    known = np.concatenate([values[np.isfinite(values)] for values in means.values()])
    if not known.size:
        return []
    limits = (math.floor(10 * known.min()) / 10, math.ceil(10 * known.max()) / 10)
    maps = [
        _map(
            grid,
            values,
            name=f"classes-{method.name}",
            title=f"IoU: {method.short_name}",
            caption="Mean over seeds of the IoU on the test set.",
            limits=limits,
        )
        for method, values in means.items()
    ]
    for method in grid.rivals:
        assert grid.baseline is not None
        differences = class_differences(grid, method)
        if not np.isfinite(differences).any():
            continue
        reach = max(_SMALLEST_REACH, float(np.nanmax(np.abs(differences))))
        maps.append(
            _map(
                grid,
                differences,
                name=f"classes-{method.name}-gain",
                title=f"IoU points: {method.short_name} minus {grid.baseline.short_name}",
                caption="Over pairs of runs with the same seed. Above zero is better.",
                limits=(-reach, reach),
            )
        )
    return maps


def _class_ious(grid: Grid, method: MethodFacts) -> Values:
    def ious(row: int, budget: Budget) -> list[float]:
        values = [run.iou_of(row) for run in grid.runs(method, budget)]
        return [value for value in values if value is not None]

    return _means(grid, ious)


def class_differences(grid: Grid, method: MethodFacts) -> Values:
    """Gain of a rival, (num_classes, num_budgets) in IoU points; NaN where there is no pair."""

    def points(row: int, budget: Budget) -> list[float]:
        ious = [
            (ours.iou_of(row), theirs.iou_of(row)) for ours, theirs in grid.pairs(method, budget)
        ]
        return [100 * (a - b) for a, b in ious if a is not None and b is not None]

    return _means(grid, points)


def _means(grid: Grid, values: Callable[[int, Budget], Sequence[float]]) -> Values:
    found = np.full((len(grid.class_names), len(grid.budgets)), np.nan)
    for row, column in np.ndindex(found.shape):
        if known := values(row, grid.budgets[column]):
            found[row, column] = np.mean(known)
    return found


def _map(
    grid: Grid,
    values: Values,
    *,
    name: str,
    title: str,
    caption: str,
    limits: tuple[float, float],
) -> Drawing:
    signed = limits[0] < 0
    style = "{:+.1f}" if signed else "{:.3f}"

    def draw(figure: "Figure", pen: Pen) -> None:
        import matplotlib

        axes = figure.add_subplot()
        height = figure.get_size_inches()[1]
        figure.subplots_adjust(left=0.30, right=0.99, top=0.97, bottom=0.52 / height)
        colors = matplotlib.colormaps[_DIFFERENCES if signed else _SCORES]
        scale = matplotlib.colors.Normalize(*limits)
        axes.pcolormesh(
            np.ma.masked_invalid(values), cmap=colors, norm=scale, edgecolors=pen.faint, lw=0.4
        )
        for row, column in np.argwhere(np.isfinite(values)):
            value = values[row, column]
            axes.text(
                column + 0.5,
                row + 0.5,
                style.format(value),
                color=_readable_on(colors(scale(value))),
                ha="center",
                va="center",
                fontsize=10.5 if len(grid.budgets) < 6 else 9,
            )
        axes.invert_yaxis()
        axes.set_yticks(np.arange(len(values)) + 0.5, [_short(n) for n in grid.class_names])
        ticks = [f"{budget.num_labeled:,}" for budget in grid.budgets]
        axes.set_xticks(np.arange(len(ticks)) + 0.5, ticks)
        axes.set_xlabel(visible(f"labelled {grid.unit}s"))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)

    return draw_figure(
        name,
        draw,
        title=title,
        caption=caption,
        alt=f"{title}. {_in_words(grid, values, style)}",
        size=(4.7, 0.6 + 0.36 * len(grid.class_names)),
    )


def _in_words(grid: Grid, values: Values, style: str) -> str:
    """First and last column in words; the table has the rest."""
    sentences = []
    for index in sorted({0, len(grid.budgets) - 1}):
        pairs = zip(grid.class_names, values[:, index], strict=True)
        cells = [f"{name} {style.format(value)}" for name, value in pairs if np.isfinite(value)]
        number = grid.budgets[index].num_labeled
        sentences.append(f"With {number} labels: {', '.join(cells) or 'no run'}.")
    return " ".join(sentences)


def _short(name: str, limit: int = 18) -> str:
    name = " ".join(visible(name).split())
    return name if len(name) <= limit else name[: limit - 1].rstrip() + "…"


def _readable_on(color: Sequence[float]) -> str:
    """Black or white, whichever stands out more from a colour of the map."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color[:3]]
    luminance = float(np.dot(linear, (0.2126, 0.7152, 0.0722)))
    # The luminance at which black and white have the same contrast (WCAG).
    return "#000000" if luminance > 0.179 else "#ffffff"
