"""Figure 3: the corrector's mIoU over N+1 classes against epochs, for four losses."""

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ecs_med.reporting.plots import Drawing, Pen, draw_figure
from ecs_med.reporting.text import decimal, plural
from ecs_med_benchmarks.corrector_curves import CorrectorCurve, MeanPoint, mean_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_figure3"]

Loss = tuple[str, float]
Panel = tuple[str, str, int]

_DASHES = {"cross_entropy": "-", "focal": (0, (4, 1.8))}
_MARKERS = {"cross_entropy": "o", "focal": "D"}
_WORDS = {"cross_entropy": "cross-entropy", "focal": "focal loss"}
_PANEL_INCHES = (2.55, 2.5)
_ALONE_INCHES = 4.3
_LEFT, _RIGHT, _BELOW, _ABOVE, _LEGEND_ROW = 0.78, 0.15, 0.66, 0.42, 0.24


def draw_figure3(curves: Iterable[CorrectorCurve]) -> Drawing | None:
    """Draw a panel for every data set and budget, and in it a line for every loss.

    Colour tells the class weight and dashes tell the loss.

    Args:
        curves: Of any data sets, budgets, losses and seeds.

    Returns:
        The figure; `None` without a curve.

    Source:
        Mendel et al. 2020, section 4.6 and Fig. 3.
    """
    panels = _panels(curves)
    if not panels:
        return None
    everything = [points for lines in panels.values() for points in lines.values()]
    limits = _limits([point for points in everything for point in points])
    losses = sorted({loss for lines in panels.values() for loss in lines}, key=_order)
    weights = sorted({weight for _, weight in losses})

    inches = _PANEL_INCHES[0] if len(panels) > 1 else _ALONE_INCHES
    width = _LEFT + _RIGHT + inches * len(panels)
    columns = min(len(losses), 4 if width > 9 else 2)
    rows = math.ceil(len(losses) / columns) + _shows_several(panels)
    height = _BELOW + _ABOVE + _PANEL_INCHES[1] + _LEGEND_ROW * rows

    def draw(figure: "Figure", pen: Pen) -> None:
        colors = {weight: pen.series[_color(weight, weights)] for weight in weights}
        for index, (panel, lines) in enumerate(panels.items()):
            axes = _axes(figure, index, inches)
            for loss in sorted(lines, key=_order):
                _draw_line(axes, lines[loss], _look(loss, colors))
            axes.set_xlim(left=0)
            axes.set_ylim(*limits)
            axes.set_title(_panel_title(panel, panels), fontsize=11.5)
            if index == 0:
                axes.set_ylabel("mIoU over N+1 classes")
            else:
                axes.tick_params(labelleft=False)
        middle = (_LEFT + width - _RIGHT) / 2 / width
        figure.text(middle, 0.1 / height, "epoch (passes over the labelled images)", ha="center")
        _legend(figure, [(loss, _look(loss, colors)) for loss in losses], columns)

    return draw_figure(
        "figure-3",
        draw,
        title="Figure 3: the corrector's mIoU over the classes and “right”",
        caption=_caption(everything),
        alt=_alt(panels),
        size=(width, height),
    )


def _panels(curves: Iterable[CorrectorCurve]) -> dict[Panel, dict[Loss, list[MeanPoint]]]:
    """Mean curves by data set and budget, few labels first; without those of no common point."""
    groups: dict[tuple[str, str], dict[Loss, list[CorrectorCurve]]] = {}
    for curve in curves:
        lines = groups.setdefault((curve.dataset, curve.labeled), {})
        lines.setdefault((curve.loss, curve.class_weight), []).append(curve)
    panels = {}
    for (dataset, labeled), lines in groups.items():
        sizes = [curve.num_labeled for members in lines.values() for curve in members]
        panel = (dataset, labeled, round(math.fsum(sizes) / len(sizes)))
        means = {loss: mean_curve(members) for loss, members in lines.items()}
        shown = {loss: points for loss, points in means.items() if points}
        if shown:
            panels[panel] = shown
    order = list(dict.fromkeys(dataset for dataset, _ in groups))
    return dict(sorted(panels.items(), key=lambda item: (order.index(item[0][0]), item[0][2])))


def _axes(figure: "Figure", index: int, inches: float) -> "Axes":
    width, height = figure.get_size_inches()
    left, gap = _LEFT + index * inches, 0.2
    box = (
        left / width,
        _BELOW / height,
        (inches - gap) / width,
        _PANEL_INCHES[1] / height,
    )
    axes: Axes = figure.add_axes(box)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    return axes


def _color(weight: float, weights: Sequence[float]) -> int:
    """The accent colour for the paper's weight of 2; others take theirs in order."""
    others = [w for w in weights if w != 2]
    return 0 if weight == 2 else 1 + others.index(weight) % 4


def _look(loss: Loss, colors: dict[float, str]) -> dict[str, Any]:
    name, weight = loss
    return {
        "color": colors[weight],
        "linestyle": _DASHES.get(name, ":"),
        "marker": _MARKERS.get(name, "^"),
        "markersize": 4.2,
        "markerfacecolor": colors[weight] if name == "cross_entropy" else "none",
    }


def _draw_line(axes: "Axes", points: Sequence[MeanPoint], look: dict[str, Any]) -> None:
    epochs = [point.epoch for point in points]
    axes.plot(epochs, [point.miou for point in points], **look)
    if any(point.num_seeds > 1 for point in points):
        lowest, highest = zip(*((point.lowest, point.highest) for point in points), strict=True)
        axes.fill_between(epochs, lowest, highest, color=look["color"], alpha=0.14, linewidth=0)


def _legend(figure: "Figure", looks: Sequence[tuple[Loss, dict[str, Any]]], columns: int) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], label=f"{_WORDS.get(loss[0], loss[0])}, weight {loss[1]:g}", **look)
        for loss, look in looks
    ]
    figure.legend(
        handles=handles,
        loc="upper center",
        ncols=columns,
        frameon=False,
        fontsize=10.5,
        handlelength=2.4,
        columnspacing=1.2,
        borderaxespad=0.2,
    )


def _panel_title(panel: Panel, panels: Iterable[Panel]) -> str:
    dataset, labeled, number = panel
    title = f"{labeled} ({number:,} labelled)"
    return f"{dataset}\n{title}" if _shows_several(panels) else title


def _shows_several(panels: Iterable[Panel]) -> bool:
    return len({dataset for dataset, _, _ in panels}) > 1


def _limits(points: Sequence[MeanPoint]) -> tuple[float, float]:
    """Limits that show every seed, and never a hair's breadth blown up."""
    low, high = min(p.lowest for p in points), max(p.highest for p in points)
    middle, reach = (low + high) / 2, max(0.02, 0.56 * (high - low))
    return max(-0.02, middle - reach), min(1.02, middle + reach)


def _caption(lines: Sequence[Sequence[MeanPoint]]) -> str:
    seeds = sorted({points[0].num_seeds for points in lines})
    caption = (
        "The corrector alone is trained by eq. 2 on a frozen segmenter and scored on the "
        "segmenter's predictions; weight 2 counts every class twice but “right”. "
    )
    if seeds[-1] == 1:
        return f"{caption}One seed."
    number = " to ".join(str(n) for n in dict.fromkeys((seeds[0], seeds[-1])))
    return f"{caption}Line: mean over {number} seeds. Shaded: lowest to highest seed."


def _alt(panels: dict[Panel, dict[Loss, list[MeanPoint]]]) -> str:
    told = []
    for panel, lines in panels.items():
        ends = ", ".join(
            f"{_WORDS.get(loss[0], loss[0])} with weight {loss[1]:g} "
            f"{decimal(lines[loss][-1].miou)} after {lines[loss][-1].epoch:.3g} epochs"
            for loss in sorted(lines, key=_order)
        )
        told.append(f"{panel[0]}, {panel[1]} ({plural(panel[2], 'labelled image')}): {ends}.")
    return "The corrector's mIoU over N+1 classes against epochs. " + " ".join(told)


def _order(loss: Loss) -> tuple[float, str]:
    return loss[1], loss[0]
