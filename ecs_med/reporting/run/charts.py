"""The charts of a report: which quantities go together, and what each chart says in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ecs_med.reporting.figures import NUM_COLORS, Line, Mark, legend, line_chart
from ecs_med.reporting.run.findings import chosen_iteration
from ecs_med.reporting.run.health import Health
from ecs_med.reporting.run.history import Series, condense, series
from ecs_med.reporting.run.reading import RunRecord, inner
from ecs_med.reporting.text import count, decimal, label

__all__ = ["Chart", "learning_rates", "losses", "pseudo_labels", "selection", "validation"]


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn chart.

    Attributes:
        svg: The `<svg>` element; empty where there is nothing to draw.
        caption: One or two sentences below it.
        legend: As `figures.legend` gives it.
    """

    svg: str
    caption: str
    legend: Sequence[tuple[str, int, str]] = ()


def losses(record: RunRecord) -> Chart:
    """Training losses over iterations."""
    rows = record.history.train
    lines = [Line(label(key), series(rows, "losses", key)) for key in _keys(rows, "losses")]
    group = max((condense(line.points)[1] for line in lines), default=1)
    caption = "Lower is better; the losses have different scales."
    if group > 1:
        caption += f" Each point is the mean of {group} logged values."
    alt = "Training losses over iterations. " + " ".join(_trend(line) for line in lines)
    return Chart(line_chart(lines, chart_id="losses", alt=alt), caption, legend(lines))


def validation(record: RunRecord) -> Chart:
    """Validation scores over iterations, with the chosen iteration marked."""
    rows = record.history.validation
    lines = [
        Line("mIoU, all classes", series(rows, "validation", "miou"), markers=True),
        Line("Dice, foreground", series(rows, "validation", "foreground_dice"), markers=True),
    ]
    by_corrector = record.config.get("method") == "corrector"
    if by_corrector:
        score = series(rows, "corrector", "miou")
        lines.insert(0, Line("mIoU of the corrector, classes and right", score, markers=True))
    chosen = chosen_iteration(record)
    mark, caption = None, "Higher is better."
    if chosen is not None:
        points = dict(zip(lines[0].points.iterations, lines[0].points.values, strict=True))
        mark = Mark(chosen, points.get(chosen), f"chosen: {count(chosen)}")
        caption += f" The weights of iteration {count(chosen)} were kept: best validation mIoU"
        caption += " of the corrector; the segmenter does not move." if by_corrector else "."
    alt = "Validation scores over iterations. " + " ".join(_trend(line) for line in lines)
    limits = _limits([line.points for line in lines])
    return Chart(
        line_chart(lines, chart_id="validation", alt=alt, mark=mark, limits=limits),
        caption,
        legend(lines),
    )


def learning_rates(record: RunRecord) -> Chart:
    """Learning rates over iterations."""
    rows = record.history.train
    lines = []
    for key in _keys(rows, "lr"):
        points = series(rows, "lr", key)
        pairs = zip(points.iterations, points.values, strict=True)
        drawable = [(iteration, value) for iteration, value in pairs if value > 0]
        points = Series(tuple(i for i, _ in drawable), tuple(v for _, v in drawable))
        lines.append(Line(key, points))
    alt = "Learning rates over iterations. " + " ".join(_trend(line, 6) for line in lines)
    svg = line_chart(lines, chart_id="rates", alt=alt, log=True)
    return Chart(svg, "Logarithmic scale.", legend(lines))


def pseudo_labels(health: Health) -> tuple[Chart, Chart]:
    """Score of the pseudo-labels against the segmenter's own, and the corrector's behaviour."""
    quality = [
        Line(name, series(health.rows, "pseudo_labels", key), markers=True)
        for name, key in (("pseudo-labels", "miou"), ("segmenter alone", "segmenter_miou"))
    ]
    behaviour = [
        Line(name, series(health.rows, "pseudo_labels", key), markers=True)
        for name, key in (
            ("pixels found right", "right_share"),
            ("errors mended", "correction_accuracy"),
            ("mean certainty", "mean_certainty"),
        )
    ]
    return (
        Chart(
            line_chart(
                quality,
                chart_id="pseudo",
                alt="mIoU on unlabelled images. " + " ".join(_trend(line) for line in quality),
                limits=_limits([line.points for line in quality]),
            ),
            "mIoU against the hidden masks. Pseudo-labels above the segmenter: correcting helps.",
            legend(quality),
        ),
        Chart(
            line_chart(
                behaviour,
                chart_id="corrector",
                alt="The corrector on unlabelled images. " + " ".join(map(_trend, behaviour)),
                limits=(-0.02, 1.02),
            ),
            "Shares, 0 to 1. Pixels found right close to 1 and few errors mended: the "
            "corrector does nothing.",
            legend(behaviour),
        ),
    )


def selection(record: RunRecord) -> Chart:
    """What the discriminator of a rival lets through; empty for methods that have none."""
    rows = record.history.train
    names = ("selected_share", "fooled_share", "recognized_share", "presence_accuracy")
    lines = [Line(label(name), series(rows, "signals", name)) for name in names]
    if not any("selected_share" in inner(row, "signals") for row in rows):
        lines = []
    return Chart(
        line_chart(
            lines,
            chart_id="selection",
            alt="The discriminator. " + " ".join(_trend(line) for line in lines),
            limits=(-0.02, 1.02),
        ),
        "Shares, 0 to 1. Data selected close to 0: the unlabelled images are ignored.",
        legend(lines),
    )


def _keys(rows: Sequence[Mapping[str, Any]], part: str) -> list[str]:
    """Names below `part` in the order of their first appearance."""
    keys: dict[str, None] = {}
    for row in rows:
        keys.update(dict.fromkeys(map(str, inner(row, part))))
    return list(keys)[:NUM_COLORS]


def _trend(line: Line, digits: int = 3) -> str:
    if not line.points:
        return ""
    first, last = line.points.values[0], line.points.values[-1]
    return f"{line.name}: from {decimal(first, digits)} to {decimal(last, digits)}."


def _limits(all_points: Sequence[Series]) -> tuple[float, float] | None:
    """Of a chart of scores: a tenth above and below, never a hair's breadth blown up."""
    values = [value for points in all_points for value in points.values]
    if not values:
        return None
    low, high = min(values), max(values)
    middle, reach = (low + high) / 2, max(0.05, 0.55 * (high - low))
    return max(-0.02, middle - reach), min(1.02, middle + reach)
