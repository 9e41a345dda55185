"""Figure 4: rank correlation of the corrector's certainty with the true error, per class."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ecs_med.reporting.plots import Drawing, Pen, draw_figure
from ecs_med.reporting.table import Value
from ecs_med.reporting.text import decimal, plural
from ecs_med_benchmarks.certainty import ALL_PIXELS, FOREGROUND, CertaintyCorrelation
from ecs_med_benchmarks.panels import BELOW, Look, add_axis_name, add_legend, add_panel, mean, span

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["certainty_rows", "draw_figure4"]

Marks = dict[tuple[str, str], list[float | None]]
"""Coefficients of all seeds by class and kind of images; `None` where undefined."""

_KINDS = {"labeled": "labelled images", "unlabeled": "unlabelled images"}
_PANEL_INCHES, _ALONE_INCHES, _ROW_INCHES = 2.15, 3.4, 0.3
_ABOVE, _LONGEST_NAME = 0.66, 22


def certainty_rows(runs: Iterable[CertaintyCorrelation], dataset: str) -> list[dict[str, Value]]:
    """One row per run, kind of images and class, for a table; undefined coefficients are `None`."""
    return [
        {
            "dataset": dataset,
            "labeled": run.labeled,
            "num_labeled": run.num_labeled,
            "num_unlabeled": run.num_unlabeled,
            "seed": run.seed,
            "images": row.images,
            "class": row.name,
            "rho": row.rho,
            "num_pixels": row.num_pixels,
            "num_images": dict(run.parts())[row.images].num_images,
            "auroc": row.auroc,
            "confidence_auroc": row.confidence_auroc,
            "run": run.run.name,
        }
        for run in runs
        for row in run.coefficients()
    ]


def draw_figure4(found: Sequence[CertaintyCorrelation], dataset: str) -> Drawing | None:
    """Draw a panel for every budget, a row for every class, a mark for each kind of images.

    Args:
        found: Correlations of one data set, any budgets and seeds.
        dataset: Name of the data set.

    Returns:
        The figure; `None` without a correlation.

    Source:
        Mendel et al. 2020, section 4.8 and Fig. 4.
    """
    if not found:
        return None
    panels = _panels(found)
    classes = found[0].class_names
    # One foreground class is the foreground.
    names = [ALL_PIXELS, *([FOREGROUND] if len(classes) > 2 else []), *classes]
    left = 0.35 + 0.088 * max(len(_short(name)) for name in names)
    limits = _limits([v for marks in panels.values() for key in marks for v in _known(marks, key)])
    height = _ROW_INCHES * (len(names) + 0.6)
    inches = _PANEL_INCHES if len(panels) > 1 else _ALONE_INCHES

    def draw(figure: "Figure", pen: Pen) -> None:
        looks = {kind: _look(kind, pen) for kind in _KINDS}
        for index, (title, marks) in enumerate(panels.items()):
            size = (inches - 0.32, height)
            axes = add_panel(figure, title, left=left + index * inches, size=size, grid="x")
            _draw_marks(axes, names, marks, looks, pen)
            axes.set_xlim(*limits)
            axes.tick_params(labelleft=index == 0)
        add_axis_name(figure, "Spearman's rank correlation", left=left, right=0.3)
        labels = {_KINDS[kind]: look for kind, look in looks.items()}
        add_legend(figure, labels, ncols=2, handletextpad=0.2, columnspacing=1.4)

    return draw_figure(
        "figure-4",
        draw,
        title=f"Figure 4: the corrector's judgement and the segmenter's error, {dataset}",
        caption=_caption(found, panels),
        alt=_alt(panels, dataset),
        size=(left + inches * len(panels), BELOW + _ABOVE + height),
    )


def _panels(found: Sequence[CertaintyCorrelation]) -> dict[str, Marks]:
    """Marks by panel title; few labels first."""
    budgets: dict[str, list[CertaintyCorrelation]] = defaultdict(list)
    for run in found:
        budgets[run.labeled].append(run)
    panels = {}
    for labeled, runs in budgets.items():
        marks: Marks = defaultdict(list)
        for run in runs:
            for row in run.coefficients():
                marks[row.name, row.images].append(row.rho)
        number = round(mean(run.num_labeled for run in runs))
        panels[number, f"{labeled} ({number:,} labelled)"] = dict(marks)
    return {title: panels[number, title] for number, title in sorted(panels)}


def _known(marks: Marks, key: tuple[str, str]) -> list[float]:
    return [rho for rho in marks.get(key, ()) if rho is not None]


def _draw_marks(
    axes: "Axes", names: Sequence[str], marks: Marks, looks: dict[str, Look], pen: Pen
) -> None:
    axes.axvline(0, color=pen.ink, linewidth=0.9)
    for row, name in enumerate(names):
        if not any(_known(marks, (name, kind)) for kind in _KINDS):
            axes.text(0.02, row, "undefined", color=pen.ink, fontsize=9.5, va="center", zorder=3)
        for (kind, look), offset in zip(looks.items(), (-0.16, 0.16), strict=True):
            values = _known(marks, (name, kind))
            if values:
                place = row + offset
                axes.hlines(place, min(values), max(values), color=look["color"], alpha=0.55)
                axes.plot(mean(values), place, **look)
    axes.axhline(0.5, color=pen.faint, linewidth=0.8)
    axes.set_yticks(range(len(names)), [_short(name) for name in names])
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def _look(kind: str, pen: Pen) -> Look:
    is_labeled = kind == "labeled"
    color = pen.series[0 if is_labeled else 1]
    return {
        "color": color,
        "marker": "o" if is_labeled else "s",
        "markersize": 6,
        "markerfacecolor": color if is_labeled else "none",
        "markeredgewidth": 1.5,
        "linestyle": "none",
    }


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """From the lowest coefficient or 0 to the highest, with room for the marks."""
    low, high = min([0.0, *values]), max([0.0, *values])
    room = max(0.05, 0.06 * (high - low))
    return max(-1.05, low - room), min(1.05, high + room)


def _caption(found: Sequence[CertaintyCorrelation], panels: dict[str, Marks]) -> str:
    images = span(part.num_images for run in found for _, part in run.parts())
    caption = (
        "Squared probability of “right” by the corrector against the negative cross-entropy of the "
        f"segmenter, pixel by pixel: up to {found[0].pixels_per_image:,} pixels of an image "
        f"and of each class in it, {images} images of each kind."
    )
    marks = [values for panel in panels.values() for values in panel.values()]
    if any(len(values) > 1 for values in marks):
        caption += " Mark: mean over seeds. Line: lowest to highest seed."
    if any(None in values for values in marks):
        caption += " Where a seed lacks the class, it has no coefficient."
    return caption


def _alt(panels: dict[str, Marks], dataset: str) -> str:
    told = []
    for title, marks in panels.items():
        parts = [
            f"{decimal(mean(values))} on {words}"
            for kind, words in _KINDS.items()
            if (values := _known(marks, (ALL_PIXELS, kind)))
        ]
        told.append(f"{title}: {', '.join(parts) or 'undefined'}.")
    number = plural(len(panels), "labelled budget")
    return f"Rank correlations per class on {dataset}, {number}. All pixels: " + " ".join(told)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
