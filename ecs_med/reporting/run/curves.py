"""Curves over the iterations of training, as inline SVG."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ecs_med.reporting.plots import DASHES, Pen, draw_for_page
from ecs_med.runs import TrainRow, ValidationRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Line", "Mark", "Series", "condense", "legend", "line_chart", "series"]

Row = TypeVar("Row", TrainRow, ValidationRow)


@dataclass(frozen=True, slots=True)
class Series:
    """One quantity over ascending iterations, as many finite values."""

    iterations: tuple[int, ...] = ()
    values: tuple[float, ...] = ()

    def __len__(self) -> int:
        """Number of points; an empty series is false."""
        return len(self.values)


def series(rows: Iterable[Row], value: Callable[[Row], float | None]) -> Series:
    """One quantity of all rows, ascending, for which `value` does not give `None`."""
    found = [(row.iteration, known) for row in rows if (known := value(row)) is not None]
    return Series(tuple(i for i, _ in found), tuple(v for _, v in found))


def condense(points: Series, max_points: int = 240) -> tuple[Series, int]:
    """Average neighbouring points so that a long run still draws small and readable.

    Returns:
        At most `max_points`, and how many logged values stand behind each (1: unchanged).
    """
    size = max(1, math.ceil(len(points) / max_points))
    if size == 1:
        return points, 1
    groups = [slice(start, start + size) for start in range(0, len(points), size)]
    return (
        Series(
            tuple(points.iterations[group][-1] for group in groups),
            tuple(math.fsum(points.values[group]) / len(points.values[group]) for group in groups),
        ),
        size,
    )


@dataclass(frozen=True, slots=True)
class Line:
    """One curve, left out where it is empty; `markers` for what is measured now and then."""

    name: str
    points: Series
    markers: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """An iteration that the reader's eye shall find on every curve, and what is said above it."""

    iteration: int
    text: str


def line_chart(
    lines: Sequence[Line],
    *,
    chart_id: str,
    alt: str,
    mark: Mark | None = None,
    limits: tuple[float, float] | None = None,
    log: bool = False,
) -> str:
    """Draw curves over the iterations of training.

    Args:
        lines: At most six; colour and dashes both tell them apart.
        chart_id: Prefix of every id inside, unique on the page.
        alt: What a reader who cannot see the chart should know.
        mark: The chosen iteration.
        limits: Of the vertical axis; `None` fits the values.
        log: Logarithmic vertical axis.

    Returns:
        An `<svg>` element; the same input gives the same text. Empty where there is no point.
    """
    shown = _visible(lines)
    if not shown:
        return ""

    def draw(figure: "Figure", pen: Pen) -> None:
        # Room for labels up to "0.00001"; fixed margins also align neighbouring charts.
        figure.subplots_adjust(left=0.17, right=0.97, bottom=0.17, top=0.92)
        axes = figure.add_subplot()
        for place, line in enumerate(shown):
            _draw_line(axes, line, pen.style(place))
        _set_axes(axes, log=log)
        if limits is not None:
            axes.set_ylim(*limits)
        if mark is not None:
            _draw_mark(axes, mark, shown, pen)

    return draw_for_page(chart_id, draw, alt)


def legend(lines: Sequence[Line]) -> list[tuple[str, int, str]]:
    """Name, colour number and SVG dash pattern of every line that `line_chart` shows.

    The page writes the legend, so that names wrap and are escaped like all its text.
    """
    return [
        (line.name, place, " ".join(f"{2 * dash:g}" for dash in DASHES[place]))
        for place, line in enumerate(_visible(lines))
    ]


def _visible(lines: Sequence[Line]) -> list[Line]:
    return [line for line in lines if line.points][: len(DASHES)]


def _draw_line(axes: "Axes", line: Line, style: dict[str, object]) -> None:
    points, _ = condense(line.points)
    marker = "o" if line.markers or len(points) == 1 else None
    drawn = {**style, "marker": marker, "markersize": 4}
    axes.plot(points.iterations, points.values, **drawn)  # type: ignore[arg-type]


def _set_axes(axes: "Axes", *, log: bool) -> None:
    from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter

    axes.set_xlabel("iteration")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    if log:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(_plain)
        axes.yaxis.set_minor_formatter(NullFormatter())


def _plain(value: float, _: object = None) -> str:
    """Such as `0.00001`: ticks are powers of ten up to the last bit."""
    return np.format_float_positional(value, precision=3, fractional=False, trim="-")


def _draw_mark(axes: "Axes", mark: Mark, lines: Sequence[Line], pen: Pen) -> None:
    axes.axvline(mark.iteration, color=pen.ink, linewidth=0.9, linestyle=(0, (2, 2)))
    low, high = axes.get_xlim()
    place = (mark.iteration - low) / (high - low)
    axes.annotate(
        mark.text,
        (mark.iteration, 1.02),
        xycoords=("data", "axes fraction"),
        horizontalalignment="left" if place < 0.2 else "right" if place > 0.8 else "center",
        verticalalignment="bottom",
        annotation_clip=False,
        fontsize=11,
    )
    for line in lines:
        points = dict(zip(line.points.iterations, line.points.values, strict=True))
        if mark.iteration in points:
            axes.plot(
                [mark.iteration],
                [points[mark.iteration]],
                marker="o",
                markersize=9,
                markerfacecolor="none",
                markeredgecolor=pen.ink,
                markeredgewidth=1.6,
            )
