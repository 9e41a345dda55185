"""Figure 4: rank correlation of the corrector's judgement with the true error, per class."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ecs_med.reporting.plots import Drawing, Pen, draw_figure
from ecs_med.reporting.text import decimal, plural
from ecs_med_benchmarks.ranks import Correlation
from ecs_med_benchmarks.relation import RunCorrelation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ALL_PIXELS", "draw_figure4", "relation_rows"]

ALL_PIXELS = "all pixels"
"""In place of a class: everything but void."""

_GROUPS = ("labeled", "unlabeled")
_WORDS = {"labeled": "labelled images", "unlabeled": "unlabelled images"}
_PANEL_INCHES, _ALONE_INCHES, _ROW_INCHES = 2.15, 3.4, 0.3
_BELOW, _ABOVE, _LONGEST_NAME = 0.66, 0.66, 22


@dataclass(frozen=True, slots=True)
class _Mark:
    """Seeds of one class, group and budget.

    Attributes:
        values: Coefficients that are defined.
        num_seeds: Runs, those without a coefficient among them.
    """

    values: tuple[float, ...]
    num_seeds: int


def relation_rows(relations: Iterable[RunCorrelation], dataset: str) -> list[dict[str, Any]]:
    """One row per run, group of images and class, for a table; undefined coefficients are `None`.

    Args:
        relations: Of any budgets and seeds.
        dataset: Name of the data set.
    """
    return [
        {
            "dataset": dataset,
            "labeled": relation.labeled,
            "num_labeled": relation.num_labeled,
            "num_unlabeled": relation.num_unlabeled,
            "seed": relation.seed,
            "images": group,
            "class": name,
            "rho": rho,
            "num_pixels": num_pixels,
            "num_images": found.num_images,
            "run": relation.run.name,
        }
        for relation in relations
        for group, found in _groups(relation)
        for name, rho, num_pixels in _coefficients(relation, found)
    ]


def draw_figure4(relations: Sequence[RunCorrelation], dataset: str) -> Drawing | None:
    """Draw a panel for every budget, a row for every class, a mark for each group of images.

    Args:
        relations: Of one data set, any budgets and seeds.
        dataset: Name of the data set.

    Returns:
        The figure; `None` without a relation.

    Source:
        Mendel et al. 2020, section 4.8 and Fig. 4.
    """
    if not relations:
        return None
    panels = _panels(relations)
    names = [ALL_PIXELS, *relations[0].class_names]
    left = 0.35 + 0.088 * max(len(_short(name)) for name in names)
    limits = _limits([v for marks in panels.values() for m in marks.values() for v in m.values])
    height = _ROW_INCHES * (len(names) + 0.6)
    inches = _PANEL_INCHES if len(panels) > 1 else _ALONE_INCHES

    def draw(figure: "Figure", pen: Pen) -> None:
        width, whole = figure.get_size_inches()
        for index, (title, marks) in enumerate(panels.items()):
            box = (
                (left + index * inches) / width,
                _BELOW / whole,
                (inches - 0.32) / width,
                height / whole,
            )
            axes = figure.add_axes(box)
            _draw_panel(axes, names, marks, pen)
            axes.set_xlim(*limits)
            axes.set_title(title, fontsize=11.5)
            axes.tick_params(labelleft=index == 0)
        middle = (left + width - 0.3) / 2 / width
        figure.text(middle, 0.1 / whole, "Spearman's rank correlation", ha="center")
        _legend(figure, pen)

    return draw_figure(
        "figure-4",
        draw,
        title=f"Figure 4: the corrector's judgement and the segmenter's error, {dataset}",
        caption=_caption(relations, panels),
        alt=_alt(panels, dataset),
        size=(left + inches * len(panels), _BELOW + _ABOVE + height),
    )


def _groups(relation: RunCorrelation) -> list[tuple[str, Correlation]]:
    pairs = [("labeled", relation.on_labeled), ("unlabeled", relation.on_unlabeled)]
    return [(group, found) for group, found in pairs if found is not None]


def _coefficients(
    relation: RunCorrelation, found: Correlation
) -> list[tuple[str, float | None, int]]:
    rows = zip(relation.class_names, found.rho_per_class, found.num_pixels_per_class, strict=True)
    return [(ALL_PIXELS, found.rho, found.num_pixels), *rows]


def _panels(relations: Iterable[RunCorrelation]) -> dict[str, dict[tuple[str, str], _Mark]]:
    """Marks by panel title, and in it by class and group; few labels first."""
    budgets: dict[str, list[RunCorrelation]] = {}
    for relation in relations:
        budgets.setdefault(relation.labeled, []).append(relation)
    panels = {}
    for labeled, members in budgets.items():
        number = round(math.fsum(r.num_labeled for r in members) / len(members))
        found: dict[tuple[str, str], list[float | None]] = {}
        for relation in members:
            for group, correlation in _groups(relation):
                for name, rho, _ in _coefficients(relation, correlation):
                    found.setdefault((name, group), []).append(rho)
        marks = {
            key: _Mark(tuple(v for v in values if v is not None), len(values))
            for key, values in found.items()
        }
        panels[number, f"{labeled} ({number:,} labelled)"] = marks
    return {title: marks for (_, title), marks in sorted(panels.items(), key=lambda i: i[0])}


def _draw_panel(
    axes: "Axes", names: Sequence[str], marks: dict[tuple[str, str], _Mark], pen: Pen
) -> None:
    axes.axvline(0, color=pen.ink, linewidth=0.9)
    for row, name in enumerate(names):
        if not any(marks[name, group].values for group in _GROUPS if (name, group) in marks):
            axes.text(0.02, row, "undefined", color=pen.ink, fontsize=9.5, va="center", zorder=3)
        for group, offset in zip(_GROUPS, (-0.16, 0.16), strict=True):
            mark = marks.get((name, group))
            if mark is None or not mark.values:
                continue
            look = _look(group, pen)
            place = row + offset
            axes.hlines(place, min(mark.values), max(mark.values), color=look["color"], alpha=0.55)
            axes.plot(math.fsum(mark.values) / len(mark.values), place, **look)
    axes.axhline(0.5, color=pen.faint, linewidth=0.8)
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_axisbelow(True)


def _look(group: str, pen: Pen) -> dict[str, Any]:
    color = pen.series[_GROUPS.index(group)]
    labeled = group == "labeled"
    return {
        "color": color,
        "marker": "o" if labeled else "s",
        "markersize": 6,
        "markerfacecolor": color if labeled else "none",
        "markeredgewidth": 1.5,
        "linestyle": "none",
    }


def _legend(figure: "Figure", pen: Pen) -> None:
    from matplotlib.lines import Line2D

    figure.legend(
        handles=[Line2D([], [], label=_WORDS[group], **_look(group, pen)) for group in _GROUPS],
        loc="upper center",
        ncols=2,
        frameon=False,
        fontsize=10.5,
        handletextpad=0.2,
        columnspacing=1.4,
        borderaxespad=0.2,
    )


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """From the lowest coefficient or 0 to the highest, with room for the marks."""
    low, high = min([0.0, *values]), max([0.0, *values])
    room = max(0.05, 0.06 * (high - low))
    return max(-1.05, low - room), min(1.05, high + room)


def _caption(
    relations: Sequence[RunCorrelation], panels: dict[str, dict[tuple[str, str], _Mark]]
) -> str:
    images = sorted({found.num_images for r in relations for _, found in _groups(r)})
    span = " to ".join(str(n) for n in dict.fromkeys((images[0], images[-1])))
    caption = (
        "Squared probability of “right” by the corrector against the negative cross-entropy of the "
        f"segmenter, pixel by pixel: up to {relations[0].pixels_per_image:,} pixels of an image "
        f"and of each class in it, {span} images of each kind."
    )
    marks = [mark for panel in panels.values() for mark in panel.values()]
    if max(mark.num_seeds for mark in marks) > 1:
        caption += " Mark: mean over seeds. Line: lowest to highest seed."
    if any(len(mark.values) < mark.num_seeds for mark in marks):
        caption += " Where a seed lacks the class, it has no coefficient."
    return caption


def _alt(panels: dict[str, dict[tuple[str, str], _Mark]], dataset: str) -> str:
    told = []
    for title, marks in panels.items():
        parts = []
        for group in _GROUPS:
            mark = marks.get((ALL_PIXELS, group))
            if mark is not None and mark.values:
                mean = math.fsum(mark.values) / len(mark.values)
                parts.append(f"{decimal(mean)} on {_WORDS[group]}")
        told.append(f"{title}: {', '.join(parts) or 'undefined'}.")
    number = plural(len(panels), "labelled budget")
    return f"Rank correlations per class on {dataset}, {number}. All pixels: " + " ".join(told)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
