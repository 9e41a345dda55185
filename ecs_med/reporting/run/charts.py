"""The charts of a report: which quantities go together, and what each chart says in words."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ecs_med.reporting.run.curves import Line, Mark, condense, legend, line_chart, series
from ecs_med.reporting.run.reading import RunRecord
from ecs_med.reporting.text import count, decimal
from ecs_med.runs import PseudoLabelHealth, TrainRow, ValidationRow

__all__ = [
    "Chart",
    "drawn",
    "learning_rates",
    "losses",
    "pseudo_labels",
    "room_around",
    "selection",
    "validation",
]

_SHARES = (-0.02, 1.02)
_SELECTION = ("selected_share", "fooled_share", "recognized_share", "presence_accuracy")
_LABELS = {
    "segmentation": "segmenter, labelled images",
    "correction": "corrector",
    "judgement": "judgement by the corrector",
    "pseudo": "pseudo-labels, unlabelled images",
    "adversarial": "judged as real, labelled images",
    "adversarial_unlabeled": "judged as real, unlabelled images",
    "self_training": "own labels, selected unlabelled images",
    "discrimination": "discriminator",
    "matching": "features of real and found",
    "presence": "classifier, labelled images",
    "consistency": "classifier and teacher, unlabelled images",
    "selected_share": "unlabelled data selected",
    "fooled_share": "segmentations taken for real",
    "recognized_share": "references taken for real",
    "presence_accuracy": "classes found or ruled out rightly",
}


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawn chart; `svg` is empty where there is nothing to draw."""

    svg: str
    caption: str
    legend: Sequence[tuple[str, int, str]]


def losses(record: RunRecord) -> Chart:
    """Training losses over iterations."""
    lines = _lines(record.history.train, lambda row: row.losses)
    group = max((condense(line.points)[1] for line in lines), default=1)
    caption = "Lower is better; the losses have different scales."
    if group > 1:
        caption += f" Each point is the mean of {group} logged values."
    return drawn("losses", "Training losses over iterations.", lines, caption)


def validation(record: RunRecord) -> Chart:
    """Validation scores over iterations, with the chosen iteration marked."""
    rows = record.history.validation

    def line(name: str, value: Callable[[ValidationRow], float | None]) -> Line:
        return Line(name, series(rows, value), markers=True)

    lines = [
        line("mIoU, all classes", lambda row: row.validation.miou),
        line("Dice, foreground", lambda row: row.validation.foreground_dice),
    ]
    method = record.manifest.method if record.manifest else None
    if method is not None and method.uses_corrector and not method.uses_unlabeled:
        # Only the corrector learns, so that its score is the one to look at.
        name = "mIoU of the corrector, classes and right"
        lines.append(line(name, lambda row: row.corrector.miou if row.corrector else None))
    chosen = record.chosen_iteration
    mark, caption = None, "Higher is better."
    if chosen is not None:
        chosen_by = method.chosen_by if method else "best validation so far"
        if record.config is not None and record.config.keep == "last":
            chosen_by = "the last ones"
        mark = Mark(chosen, f"chosen: {count(chosen)}")
        caption += f" The weights of iteration {count(chosen)} were kept: {chosen_by}."
    title = "Validation scores over iterations."
    return drawn("validation", title, lines, caption, mark=mark, limits=room_around(lines))


def learning_rates(record: RunRecord) -> Chart:
    """Learning rates over iterations."""
    # A rate of 0, that of the last iteration, has no place on a logarithmic axis.
    lines = _lines(
        record.history.train,
        lambda row: {name: rate for name, rate in row.lr.items() if rate > 0},
    )
    title = "Learning rates over iterations."
    return drawn("rates", title, lines, "Logarithmic scale.", digits=6, log=True)


def pseudo_labels(record: RunRecord) -> tuple[Chart, Chart]:
    """Score of the pseudo-labels against the segmenter's own, and what the corrector does."""

    def line(name: str, value: Callable[[PseudoLabelHealth], float | None]) -> Line:
        rows = record.history.validation
        points = series(rows, lambda row: value(row.pseudo_labels) if row.pseudo_labels else None)
        return Line(name, points, markers=True)

    quality = [
        line("pseudo-labels", lambda scores: scores.miou),
        line("segmenter alone", lambda scores: scores.segmenter_miou),
    ]
    behavior = [
        line("pixels found right", lambda scores: scores.right_share),
        line("errors mended", lambda scores: scores.correction_accuracy),
        line("mean certainty", lambda scores: scores.mean_certainty),
    ]
    return (
        drawn(
            "pseudo",
            "mIoU on unlabelled images.",
            quality,
            "mIoU against the hidden masks. Pseudo-labels above the segmenter: correcting helps.",
            limits=room_around(quality),
        ),
        drawn(
            "corrector",
            "The corrector on unlabelled images.",
            behavior,
            "Shares, 0 to 1. Pixels found right close to 1 and few errors mended: the corrector "
            "does nothing.",
            limits=_SHARES,
        ),
    )


def selection(record: RunRecord) -> Chart:
    """What a discriminator lets through; empty for methods that have none."""
    rows = record.history.train
    has_discriminator = any("selected_share" in row.signals for row in rows)
    lines = _lines(rows, lambda row: row.signals, _SELECTION) if has_discriminator else []
    caption = "Shares, 0 to 1. Data selected close to 0: the unlabelled images are ignored."
    return drawn("selection", "The discriminator.", lines, caption, limits=_SHARES)


def drawn(
    chart_id: str,
    title: str,
    lines: Sequence[Line],
    caption: str,
    *,
    digits: int = 3,
    mark: Mark | None = None,
    limits: tuple[float, float] | None = None,
    log: bool = False,
) -> Chart:
    """Draw lines over iterations; the words for who cannot see them tell where each one ends.

    Args:
        chart_id: Unique on the page.
        title: What is drawn, a sentence.
        lines: As of `line_chart`, as are `mark`, `limits` and `log`.
        caption: Below the chart.
        digits: Of the values in words.
        mark: The chosen iteration.
        limits: Of the vertical axis.
        log: Logarithmic vertical axis.
    """
    ends = (
        f"{line.name}: from {decimal(line.points.values[0], digits)} to "
        f"{decimal(line.points.values[-1], digits)}."
        for line in lines
        if line.points
    )
    alt = " ".join([title, *ends])
    svg = line_chart(lines, chart_id=chart_id, alt=alt, mark=mark, limits=limits, log=log)
    return Chart(svg, caption, legend(lines))


def _lines(
    rows: Sequence[TrainRow],
    part: Callable[[TrainRow], Mapping[str, float | None]],
    names: Iterable[str] = (),
) -> list[Line]:
    """A line for each of `names`; without them for each that occurs, as it first appears."""

    def line(name: str) -> Line:
        words = _LABELS.get(name, name.replace("_", " "))
        return Line(words, series(rows, lambda row: part(row).get(name)))

    return [line(name) for name in names or dict.fromkeys(key for row in rows for key in part(row))]


def room_around(lines: Sequence[Line]) -> tuple[float, float] | None:
    """Limits of a chart of scores: a tenth above and below, never a hair's breadth blown up."""
    values = [value for line in lines for value in line.points.values]
    if not values:
        return None
    low, high = min(values), max(values)
    middle, reach = (low + high) / 2, max(0.05, 0.55 * (high - low))
    return max(-0.02, middle - reach), min(1.02, middle + reach)
