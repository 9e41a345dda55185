"""What Figures 3 and 4 share: panels side by side, the legend above, the axis' name below."""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["BELOW", "Look", "add_axis_name", "add_legend", "add_panel", "mean", "span"]

Look = dict[str, Any]
"""How matplotlib draws a line."""

BELOW = 0.66
"""Inches below the panels, for ticks and the name of the axis."""


def add_panel(
    figure: "Figure", title: str, *, left: float, size: tuple[float, float], grid: Literal["x", "y"]
) -> "Axes":
    """Add a panel; `left` and `size` (width, height) are in inches."""
    width, height = figure.get_size_inches()
    axes: Axes = figure.add_axes((left / width, BELOW / height, size[0] / width, size[1] / height))
    axes.set_title(title, fontsize=11.5)
    axes.grid(axis=grid)
    axes.set_axisbelow(True)
    return axes


def add_axis_name(figure: "Figure", name: str, *, left: float, right: float) -> None:
    """Write the name of the common axis in the middle between two margins in inches."""
    width, height = figure.get_size_inches()
    figure.text((left + width - right) / 2 / width, 0.1 / height, name, ha="center")


def add_legend(figure: "Figure", looks: Mapping[str, Look], **layout: Any) -> None:
    """Add a legend above everything; `layout` goes to matplotlib."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], label=label, **look) for label, look in looks.items()]
    layout |= {"frameon": False, "fontsize": 10.5, "borderaxespad": 0.2}
    figure.legend(handles=handles, loc="upper center", **layout)


def mean(values: Iterable[float]) -> float:
    """Mean of one value or more, whatever their order."""
    numbers = list(values)
    return math.fsum(numbers) / len(numbers)


def span(numbers: Iterable[int]) -> str:
    """`3`, or `3 to 5` where they differ."""
    ordered = sorted(numbers)
    return " to ".join(str(number) for number in dict.fromkeys((ordered[0], ordered[-1])))
