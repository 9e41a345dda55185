"""Line charts of a report as inline SVG that takes its colours from the page.

A chart is drawn with placeholder colours, which become CSS variables
afterwards: so one drawing reads well in light, in dark and in print.
"""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecs_med.reporting.run.history import Series, condense

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["DASHES", "FAINT", "INK", "STYLE", "Line", "Mark", "for_page", "legend", "line_chart"]

NUM_COLORS = 6
DASHES: tuple[tuple[float, ...], ...] = (
    (),
    (5, 1.6),
    (1.2, 1.4),
    (6, 2, 1, 2),
    (3, 1),
    (8, 1.4, 1.4, 1.4, 1.4, 1.4),
)
INK, FAINT = "#010101", "#020202"
STYLE: dict[Any, Any] = {
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.unicode_minus": False,
    "axes.formatter.useoffset": False,
    "font.size": 11.5,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.9,
    "path.simplify": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "ecs-med",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": INK,
    "ytick.color": INK,
}


@dataclass(frozen=True, slots=True)
class Line:
    """One curve.

    Attributes:
        name: For the legend and the alternative text.
        points: What is drawn; an empty series is left out.
        markers: Draw every point, for quantities measured now and then.
    """

    name: str
    points: Series
    markers: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A point that the reader's eye shall find.

    Attributes:
        iteration: Where.
        value: How high; `None` draws a vertical line only.
        text: Said beside it.
    """

    iteration: int
    value: float | None
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
    lines = visible(lines)
    if not lines:
        return ""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.7, 2.9))
        FigureCanvasSVG(figure)
        # Room for labels up to "0.0001"; fixed margins also align neighbouring charts.
        figure.subplots_adjust(left=0.17, right=0.97, bottom=0.17, top=0.92)
        axes = figure.add_subplot()
        for index, line in enumerate(lines):
            _draw_line(axes, line, index)
        axes.set_xlabel("iteration")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 2.5, 5, 10]))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.grid(axis="y")
        axes.set_axisbelow(True)
        if log:
            axes.set_yscale("log")
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
        if limits is not None:
            axes.set_ylim(*limits)
        if mark is not None:
            _draw_mark(axes, mark)
        buffer = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    return for_page(buffer.getvalue(), chart_id, alt)


def visible(lines: Sequence[Line]) -> list[Line]:
    """The lines that a chart shows: those with a point, as many as there are colours."""
    return [line for line in lines if line.points][:NUM_COLORS]


def legend(lines: Sequence[Line]) -> list[tuple[str, int, str]]:
    """Name, colour number and SVG dash pattern of every line that `line_chart` shows.

    The page writes the legend, so that names wrap and are escaped like all its text.
    """
    return [
        (line.name, index, " ".join(f"{2 * dash:g}" for dash in DASHES[index]))
        for index, line in enumerate(visible(lines))
    ]


def _draw_line(axes: "Axes", line: Line, index: int) -> None:
    points, _ = condense(line.points)
    single = len(points.values) == 1
    axes.plot(
        points.iterations,
        points.values,
        color=f"#0301{index:02x}",
        linestyle=(0, DASHES[index]) if DASHES[index] else "-",
        marker="o" if line.markers or single else None,
        markersize=4,
    )


def _draw_mark(axes: "Axes", mark: Mark) -> None:
    axes.axvline(mark.iteration, color=INK, linewidth=0.9, linestyle=(0, (2, 2)))
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
    if mark.value is not None:
        axes.plot(
            [mark.iteration],
            [mark.value],
            marker="o",
            markersize=9,
            markerfacecolor="none",
            markeredgecolor=INK,
            markeredgewidth=1.6,
        )


def for_page(svg: str, chart_id: str, alt: str) -> str:
    """Make a file into an element: page colours, page font, ids of its own, an alternative text."""
    from markupsafe import escape

    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<(metadata|style)\b.*?</\1>|<defs>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' d="[^"]*"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), svg)
    svg = re.sub(r">\s+<", "><", svg)
    svg = re.sub(r' xmlns(:xlink)?="[^"]*"', "", svg)
    svg = re.sub(r'\bid="', f'id="{chart_id}-', svg)
    svg = re.sub(r'href="#', f'href="#{chart_id}-', svg).replace("xlink:href", "href")
    svg = svg.replace("url(#", f"url(#{chart_id}-")
    svg = svg.replace(INK, "var(--ink)").replace(FAINT, "var(--line)")
    svg = re.sub(r"#0301(\d\d)", lambda found: f"var(--series-{int(found[1])})", svg)
    # The browser's own font: sizes stay, families go.
    svg = re.sub(r"font: (?:\w+ )*?([\d.]+px)[^;\"]*", r"font-size: \1", svg)
    svg = re.sub(r"font-family:[^;\"]*;?", "", svg)
    opening = re.match(r"<svg[^>]*>", svg)
    box = re.search(r'viewBox="[^"]*"', svg)
    if opening is None or box is None:
        raise AssertionError("matplotlib wrote no svg element")
    return (
        f'<svg class="chart" {box[0]} role="img" aria-label="{escape(alt)}">'
        f"{svg[opening.end() :].strip()}"
    )
