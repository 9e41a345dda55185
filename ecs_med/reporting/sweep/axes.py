"""What charts over labelled budgets have in common: their axis, and names beside their lines."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ecs_med.reporting.sweep.grid import Budget
from ecs_med.reporting.text import budget_share

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["budget_axis", "direct_labels", "spread"]


def budget_axis(axes: "Axes", budgets: Sequence[Budget], unit: str, reach: float = 1.0) -> None:
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
    axes.set_xticklabels([_tick_label(budget) for budget in budgets])
    axes.set_xlabel(f"labelled {unit}s (share of the training {unit}s)")
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def _tick_label(budget: Budget) -> str:
    """Number of labelled cases above their share, such as `50` and `6.25 %`."""
    number = f"{budget.num_labeled:,}"
    if budget.share is None:
        return number
    return f"{number}\n{budget_share(budget.share)}"


def spread(num_labeled: float, place: int, num: int) -> float:
    """Where to draw a method's dots, so that those of several methods do not hide each other.

    Args:
        num_labeled: Where they belong.
        place: Of the method among `num`.
        num: Methods.
    """
    return float(num_labeled * 2 ** (0.07 * (place - (num - 1) / 2)))


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
