"""Draws a figure of the budget report for the page, and as SVG and PNG for a paper.

The page's copy takes its colours from the page, so that it reads well in light, in dark
and in print. The copies for a paper have colours of their own.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecs_med.reporting import figures
from ecs_med.reporting.table import budget_share

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ecs_med.reporting.sweep.grid import Budget

__all__ = ["Drawing", "Pen", "budget_axis", "direct_labels", "draw_figure", "markers_apart"]

_NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))
_PAPER_SERIES = ("#0072b2", "#c44e00", "#00795a", "#a8467f", "#8a6a00")
"""As `--series-N` of `report.css` in print: apart for every form of colour blindness."""

_MARKERS = "osD^v"
_PNG_DPI = 200


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawn figure.

    Attributes:
        name: File name without suffix, and prefix of its ids in the page.
        title: Heading above it.
        caption: One or two sentences below it.
        page: The `<svg>` element for the page.
        svg: The file for a paper.
        png: The same in pixels.
    """

    name: str
    title: str
    caption: str
    page: str
    svg: str
    png: bytes


@dataclass(frozen=True, slots=True)
class Pen:
    """Colours of one copy of a figure.

    Attributes:
        ink: Text and strong lines.
        faint: Axes and grid.
        series: One per method, in the order of `look`.
    """

    ink: str
    faint: str
    series: tuple[str, ...]

    def look(self, method: str, methods: Sequence[str]) -> dict[str, Any]:
        """Colour, marker and dashes of a method, so that colour is never needed alone."""
        index = _place(method, methods)
        dashes = figures.DASHES[index % len(figures.DASHES)]
        return {
            "color": self.series[index % len(self.series)],
            "marker": _MARKERS[index % len(_MARKERS)],
            "linestyle": (0, dashes) if dashes else "-",
        }


def _place(method: str, methods: Sequence[str]) -> int:
    """ECS has the accent colour of every report, the baseline the second one."""
    fixed = {"ecs": 0, "supervised": 1}
    others = [name for name in methods if name not in fixed]
    return fixed[method] if method in fixed else 2 + others.index(method)


_PAGE = Pen("#010101", "#020202", tuple(f"#0301{index:02x}" for index in range(5)))
_PAPER = Pen("#1d2733", "#c4c9c6", _PAPER_SERIES)


def draw_figure(
    name: str,
    draw: Callable[["Figure", Pen], None],
    *,
    title: str,
    caption: str,
    alt: str,
    size: tuple[float, float] = (4.7, 2.9),
) -> Drawing:
    """Draw a figure in all its copies.

    Args:
        name: File name without suffix.
        draw: Draws into an empty figure with the colours of the pen; called once for the page
            and once for the paper.
        title: Heading.
        caption: What stands below.
        alt: What a reader who cannot see the figure should know.
        size: Width and height in inches.

    Returns:
        The copies; the same input gives the same bytes.
    """
    page, _ = _copies(draw, _PAGE, size, png=False)
    svg, png = _copies(draw, _PAPER, size, png=True)
    return Drawing(name, title, caption, figures.for_page(page, name, alt), svg, png)


def _copies(
    draw: Callable[["Figure", Pen], None], pen: Pen, size: tuple[float, float], *, png: bool
) -> tuple[str, bytes]:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    colors = {figures.INK: pen.ink, figures.FAINT: pen.faint}
    style = {
        key: colors.get(value, value) if isinstance(value, str) else value
        for key, value in figures.STYLE.items()
    }
    with matplotlib.rc_context(style):
        figure = Figure(figsize=size)
        FigureCanvasAgg(figure)
        draw(figure, pen)
        text, pixels = io.StringIO(), io.BytesIO()
        figure.savefig(text, format="svg", transparent=not png, metadata=_NO_METADATA)
        if png:
            figure.savefig(pixels, format="png", dpi=_PNG_DPI, metadata={"Software": None})
    return text.getvalue(), pixels.getvalue()


def budget_axis(axes: "Axes", budgets: Sequence["Budget"], unit: str, reach: float = 1.0) -> None:
    """A logarithmic axis of labelled cases, with a tick and its share at every budget.

    Args:
        axes: Where.
        budgets: From few labels to many.
        unit: What a case is called.
        reach: How far beyond the largest budget the axis goes, as a factor.
    """
    from matplotlib.ticker import FixedLocator, NullLocator

    axes.set_xscale("log", base=2)
    places = [budget.num_labeled for budget in budgets]
    axes.set_xlim(places[0] / 2**0.35, places[-1] * reach * 2**0.35)
    axes.xaxis.set_major_locator(FixedLocator(places))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticklabels([tick_label(budget) for budget in budgets])
    axes.set_xlabel(f"labelled {unit}s (share of the training {unit}s)")
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def tick_label(budget: "Budget") -> str:
    """Number of labelled cases above their share, such as `50` and `6.25 %`."""
    number = f"{budget.num_labeled:,}"
    if budget.share is None:
        return number
    return f"{number}\n{budget_share(budget.share)}"


def markers_apart(place: float, method: str, methods: Sequence[str]) -> float:
    """Where to draw a method's dots, so that those of two methods do not hide each other."""
    middle = (len(methods) - 1) / 2
    return float(place * 2 ** (0.07 * (list(methods).index(method) - middle)))


def direct_labels(
    axes: "Axes", ends: Sequence[tuple[float, float, str, str]], gap: float = 0.085
) -> None:
    """Write names beside the ends of lines, moved apart where they would overlap.

    Args:
        axes: With its final limits.
        ends: Place, value, name and colour of every line.
        gap: Smallest distance of two names, as a share of the height.
    """
    low, high = axes.get_ylim()
    height = (high - low) * gap
    last = float("-inf")
    for place, value, name, color in sorted(ends, key=lambda end: end[1]):
        last = max(value, last + height)
        axes.annotate(
            name,
            (place, last),
            xytext=(12, 0),
            textcoords="offset points",
            verticalalignment="center",
            color=color,
            annotation_clip=False,
            fontweight="bold",
        )
