"""Figure 3: the corrector's mIoU over N+1 classes against epochs, for four losses."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ecs_med.reporting.plots import Drawing, Pen, draw_figure
from ecs_med.reporting.text import decimal, plural
from ecs_med_benchmarks.corrector_curves import CorrectorCurve, MeanPoint, mean_curve
from ecs_med_benchmarks.panels import BELOW, Look, add_axis_name, add_legend, add_panel, mean, span

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_figure3"]

Loss = tuple[float, str]
"""Class weight and name, in which order they stand in the legend."""

Panels = dict[tuple[int, str], dict[Loss, list[MeanPoint]]]
"""Mean curves by number of labels and budget, then loss."""

_DASHES = {"cross_entropy": "-", "focal": (0, (4, 1.8))}
_MARKERS = {"cross_entropy": "o", "focal": "D"}
_WORDS = {"cross_entropy": "cross-entropy", "focal": "focal loss"}
_PANEL_INCHES = (2.55, 2.5)
_ALONE_INCHES = 4.3
_LEFT, _RIGHT, _ABOVE, _LEGEND_ROW = 0.78, 0.15, 0.42, 0.24


def draw_figure3(curves: Iterable[CorrectorCurve], dataset: str) -> Drawing | None:
    """Draw a panel for every budget, and in it a line for every loss.

    Colour tells the class weight and dashes tell the loss.

    Args:
        curves: Of one data set, any budgets, losses and seeds.
        dataset: Name of the data set.

    Returns:
        The figure; `None` without a curve.

    Source:
        Mendel et al. 2020, section 4.6 and Fig. 3.
    """
    panels = _panels(curves)
    if not panels:
        return None
    lines = [points for by_loss in panels.values() for points in by_loss.values()]
    limits = _limits([point for points in lines for point in points])
    losses = sorted({loss for by_loss in panels.values() for loss in by_loss})
    inches = _PANEL_INCHES[0] if len(panels) > 1 else _ALONE_INCHES
    width = _LEFT + _RIGHT + inches * len(panels)
    columns = min(len(losses), 4 if width > 9 else 2)
    height = BELOW + _ABOVE + _PANEL_INCHES[1] + _LEGEND_ROW * math.ceil(len(losses) / columns)

    def draw(figure: "Figure", pen: Pen) -> None:
        looks = _looks(losses, pen)
        size = (inches - 0.2, _PANEL_INCHES[1])
        for index, ((number, labeled), by_loss) in enumerate(panels.items()):
            title = f"{labeled} ({number:,} labelled)"
            axes = add_panel(figure, title, left=_LEFT + index * inches, size=size, grid="y")
            for loss, points in sorted(by_loss.items()):
                _draw_line(axes, points, looks[loss])
            axes.set_xlim(left=0)
            axes.set_ylim(*limits)
            if index == 0:
                axes.set_ylabel("mIoU over N+1 classes")
            else:
                axes.tick_params(labelleft=False)
        name = "epoch (passes over the labelled images)"
        add_axis_name(figure, name, left=_LEFT, right=_RIGHT)
        labels = {_label(loss, ", "): looks[loss] for loss in losses}
        add_legend(figure, labels, ncols=columns, handlelength=2.4, columnspacing=1.2)

    return draw_figure(
        "figure-3",
        draw,
        title="Figure 3: the corrector's mIoU over the classes and “right”",
        caption=_caption(lines),
        alt=_alt(panels, dataset),
        size=(width, height),
    )


def _panels(curves: Iterable[CorrectorCurve]) -> Panels:
    """Few labels first; without lines that have no common point."""
    budgets: dict[str, list[CorrectorCurve]] = defaultdict(list)
    for curve in curves:
        budgets[curve.labeled].append(curve)
    panels = {}
    for labeled, members in budgets.items():
        by_loss: dict[Loss, list[CorrectorCurve]] = defaultdict(list)
        for curve in members:
            by_loss[curve.class_weight, curve.loss].append(curve)
        means = {loss: mean_curve(seeds) for loss, seeds in by_loss.items()}
        shown = {loss: points for loss, points in means.items() if points}
        if shown:
            panels[round(mean(curve.num_labeled for curve in members)), labeled] = shown
    return dict(sorted(panels.items()))


def _looks(losses: Sequence[Loss], pen: Pen) -> dict[Loss, Look]:
    """The accent colour for the paper's weight of 2; others take theirs in order."""
    others = sorted({weight for weight, _ in losses} - {2})
    looks = {}
    for weight, name in losses:
        color = pen.series[0 if weight == 2 else 1 + others.index(weight) % 4]
        looks[weight, name] = {
            "color": color,
            "linestyle": _DASHES.get(name, ":"),
            "marker": _MARKERS.get(name, "^"),
            "markersize": 4.2,
            "markerfacecolor": color if name == "cross_entropy" else "none",
        }
    return looks


def _draw_line(axes: "Axes", points: Sequence[MeanPoint], look: Look) -> None:
    epochs = [point.epoch for point in points]
    axes.plot(epochs, [point.miou for point in points], **look)
    if any(point.num_seeds > 1 for point in points):
        lowest, highest = zip(*((point.lowest, point.highest) for point in points), strict=True)
        axes.fill_between(epochs, lowest, highest, color=look["color"], alpha=0.14, linewidth=0)


def _label(loss: Loss, between: str) -> str:
    return f"{_WORDS.get(loss[1], loss[1])}{between}weight {loss[0]:g}"


def _limits(points: Sequence[MeanPoint]) -> tuple[float, float]:
    """Limits that show every seed, and never a hair's breadth blown up."""
    low, high = min(p.lowest for p in points), max(p.highest for p in points)
    middle, reach = (low + high) / 2, max(0.02, 0.56 * (high - low))
    return max(-0.02, middle - reach), min(1.02, middle + reach)


def _caption(lines: Sequence[Sequence[MeanPoint]]) -> str:
    caption = (
        "The corrector alone is trained by eq. 2 on a frozen segmenter and scored on the "
        "segmenter's predictions; weight 2 counts every class twice but “right”. "
    )
    seeds = span(points[0].num_seeds for points in lines)
    if seeds == "1":
        return f"{caption}One seed."
    return f"{caption}Line: mean over {seeds} seeds. Shaded: lowest to highest seed."


def _alt(panels: Panels, dataset: str) -> str:
    told = []
    for (number, labeled), by_loss in panels.items():
        ends = ", ".join(
            f"{_label(loss, ' with ')} {decimal(points[-1].miou)} after {points[-1].epoch:.3g} "
            "epochs"
            for loss, points in sorted(by_loss.items())
        )
        told.append(f"{dataset}, {labeled} ({plural(number, 'labelled image')}): {ends}.")
    return "The corrector's mIoU over N+1 classes against epochs. " + " ".join(told)
